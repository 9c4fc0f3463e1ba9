"""T1-T5, T9, T10: task tokens from the registration to the end, over HTTP, with real outside jobs."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.installation import Installation, eventually
from tests.journeys.outside import Outside, outside
from tests.journeys.test_jobs import workspace_client

pytestmark = pytest.mark.embedded

Json = dict[str, Any]


@pytest.fixture(scope="module")
def jobs_outside() -> Iterator[Outside]:
    with outside() as running:
        yield running


@pytest.fixture(scope="module")
def tasks(installation: Installation) -> Iterator[httpx.Client]:
    """A client with a key of a workspace of its own."""
    with workspace_client(installation, f"w{uuid.uuid4().hex[:8]}") as client:
        yield client


def register(tasks: httpx.Client, status: int = 201, **body: Any) -> Json:
    answer = tasks.post("/v1/tasks", json={"timeout_seconds": 60} | body)
    assert answer.status_code == status, answer.text
    made: Json = answer.json()
    return made


def ended(tasks: httpx.Client, task_id: str, seconds: float = 20) -> Json:
    answer = tasks.get(f"/v1/tasks/{task_id}", params={"wait_seconds": seconds})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert found["settlement"] is not None, found
    return found


def polls(tasks: httpx.Client, task_id: str) -> list[Json]:
    found: list[Json] = tasks.get(f"/v1/tasks/{task_id}/polls", params={"sort": "poll"}).json()["items"]
    return found


def answered(tasks: httpx.Client, task_id: str, polls: int) -> None:
    """Until so many polls have ended."""
    eventually(lambda: tasks.get(f"/v1/tasks/{task_id}").json()["attempts"] >= polls)


def path() -> str:
    return f"/{uuid.uuid4().hex[:12]}"


def every(seconds: float = 0.2, **more: Any) -> Json:
    return {"interval_seconds": seconds} | more


# --- polling ----------------------------------------------------------------------------------------------------------


def test_T2_a_job_is_polled_until_it_is_done_and_its_waiter_gets_the_result(
    tasks: httpx.Client, jobs_outside: Outside
) -> None:
    where = path()
    running = {"job": {"phase": "WORKING"}}
    url = jobs_outside.job(where, running, running, 503, {"job": {"phase": "done", "out": {"rows": [1, 2.50]}}})
    reading: Json = {"status_path": "$.job.phase", "result_path": "job.out", "completed_values": ["DONE"]}
    made = register(
        tasks,
        poll=every(url=url, headers={"Authorization": "Bearer s3cr3t"}, **reading),
        external_job={"id": "export-7", "metadata": {"n": 1.50}},
        owner="data team",
    )
    assert made["task_token"].startswith("tocsin_task_")
    assert (made["status"], made["external_job"]["metadata"]) == ("PENDING", {"n": 1.5})
    done = ended(tasks, made["id"])
    assert (done["status"], done["settlement"]["result"]) == ("COMPLETED", {"rows": [1, 2.5]})
    assert done["settlement"]["confirmation"] == "not_needed"
    assert done["task_token"] == "***"
    assert done["poll"]["headers"] == {"Authorization": "***"}
    assert jobs_outside.headers[where]["authorization"] == "Bearer s3cr3t"
    assert jobs_outside.asked[where] == done["attempts"] == 4
    found = polls(tasks, made["id"])
    assert [one["verdict"] for one in found] == ["running", "running", "error", "completed"]
    assert found[2]["http_status"] == 503
    time.sleep(0.5)
    assert jobs_outside.asked[where] == 4, "nobody is asked after the end"


@pytest.mark.parametrize(
    ("answers", "poll", "task", "status", "error"),
    [
        ([{"status": "RUNNING"}, {"status": "FAILED", "why": "disk"}], {}, {}, "FAILED", "FAILED"),
        ([{"status": "RUNNING"}], {"max_attempts": 3}, {}, "MAX_ATTEMPTS", "MAX_ATTEMPTS"),
        ([{"status": "RUNNING"}], {}, {"timeout_seconds": 1}, "TIMEOUT", "TIMEOUT"),
        ([500], {}, {"heartbeat_seconds": 0.7}, "TIMEOUT", "TIMEOUT"),
        ([{"status": "COMPLETED", "x": "y" * 262_144}], {}, {}, "FAILED", "ResultTooLarge"),
    ],
)
def test_T2_every_other_end(
    tasks: httpx.Client,
    jobs_outside: Outside,
    answers: list[Any],
    poll: Json,
    task: Json,
    status: str,
    error: str,
) -> None:
    url = jobs_outside.job(path(), *answers)
    done = ended(tasks, register(tasks, poll=every(url=url, **poll), **task)["id"])
    assert (done["status"], done["settlement"]["outcome"], done["settlement"]["error"]) == (status, "failure", error)


def test_T2_a_large_result_arrives_whole(tasks: httpx.Client, jobs_outside: Outside) -> None:
    large = {"status": "COMPLETED", "text": "ä" * 50_000}
    done = ended(tasks, register(tasks, poll=every(url=jobs_outside.job(path(), large)))["id"])
    shown = eventually(lambda: tasks.get(f"/v1/tasks/{done['id']}").json()["settlement"]["result"])
    assert shown == large


def test_T2_a_job_may_be_asked_about_by_invoking_a_function(tasks: httpx.Client, lambda_port: int) -> None:
    invoked = "/2015-03-31/functions/check-status/invocations"
    with outside(lambda_port) as functions:
        functions.job(invoked, {"status": "RUNNING"}, 429, {"status": "COMPLETED", "rows": 7})
        poll = every(payload={"action": "CHECK_STATUS", "id": "export-7"}) | {"lambda": "check-status"}
        done = ended(tasks, register(tasks, poll=poll)["id"])
    assert (done["status"], done["settlement"]["result"]) == ("COMPLETED", {"status": "COMPLETED", "rows": 7})
    assert functions.bodies[invoked] == [b'{"action":"CHECK_STATUS","id":"export-7"}'] * 3
    assert [one["verdict"] for one in polls(tasks, done["id"])] == ["running", "error", "completed"]


def test_T8_a_hundred_jobs_are_waited_for_at_once(tasks: httpx.Client, jobs_outside: Outside) -> None:
    answers = [{"status": "RUNNING"}, {"status": "RUNNING"}, {"status": "COMPLETED"}]
    paths = [path() for _ in range(120)]
    owner = f"many-{uuid.uuid4().hex[:8]}"
    for where in paths:
        register(tasks, owner=owner, poll=every(1, url=jobs_outside.job(where, *answers)))
    begun = time.monotonic()

    def left() -> int:
        query: Json = {"owner": owner, "status": "waiting", "limit": 1}
        return int(tasks.get("/v1/tasks", params=query).json()["total"])

    eventually(lambda: not left(), 60)
    print(
        f"120 tasks of three polls each were settled within {time.monotonic() - begun:.1f} s of the last registration"
    )
    assert {jobs_outside.asked[where] for where in paths} == {3}


def test_T4_a_waiter_hears_of_the_end_in_less_than_a_second(tasks: httpx.Client, jobs_outside: Outside) -> None:
    made = register(tasks, poll=every(url=jobs_outside.job(path(), {"status": "COMPLETED"})))
    done = ended(tasks, made["id"])
    heard = time.time()
    finished = done["last_poll"]["finished_at"]
    assert heard - datetime.fromisoformat(finished).timestamp() < 1


# --- settled by somebody else -----------------------------------------------------------------------------------------


def test_T3_of_many_that_settle_at_once_one_does(tasks: httpx.Client) -> None:
    task_id = register(tasks)["id"]
    answers: list[int] = []

    def settle(nth: int) -> None:
        body = {"outcome": "success", "result": {"by": nth}}
        answers.append(tasks.post(f"/v1/tasks/{task_id}/settle", json=body).status_code)

    threads = [threading.Thread(target=settle, args=(nth,)) for nth in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 7
    winner = ended(tasks, task_id)["settlement"]["result"]
    again = tasks.post(f"/v1/tasks/{task_id}/settle", json={"outcome": "success", "result": winner})
    assert again.status_code == 200, "the same settlement is no error"


def test_T5_a_job_may_push_how_it_ended(tasks: httpx.Client, installation: Installation) -> None:
    made = register(tasks, heartbeat_seconds=30)
    with installation.client() as nobody:
        url = made["callback_url"]
        assert nobody.post(url[:-1] + ("A" if url[-1] != "A" else "B"), json={"status": "RUNNING"}).status_code == 404
        assert nobody.post(url, json={"status": "SOON"}).status_code == 422
        assert nobody.post(url, json={"status": "RUNNING"}).status_code == 204
        assert tasks.get(f"/v1/tasks/{made['id']}").json()["last_heartbeat"] is not None
        assert nobody.post(url, json={"status": "COMPLETED", "result": [1]}).status_code == 204
        assert nobody.post(url, json={"status": "COMPLETED", "result": [1]}).status_code == 204
        assert nobody.post(url, json={"status": "FAILED"}).status_code == 409
    done = ended(tasks, made["id"])
    assert (done["status"], done["settlement"]["result"]) == ("COMPLETED", [1])
    assert done["settlement"]["settled_by"] == "callback"
    log = "".join(file.read_text(errors="replace") for file in (installation.data / "logs").glob("*.log"))
    assert "/callbacks/tasks/{task_id}/{secret}" in log
    assert url.rpartition("/")[2] not in log
    assert made["task_token"] not in log


def test_T5_a_result_that_no_workflow_takes_is_a_failure(tasks: httpx.Client, installation: Installation) -> None:
    made = register(tasks)
    with installation.client() as nobody:
        body = {"status": "COMPLETED", "result": "x" * 262_144}
        assert nobody.post(made["callback_url"], json=body).status_code == 204
    assert ended(tasks, made["id"])["settlement"]["error"] == "ResultTooLarge"


def test_T3_whoever_named_a_url_hears_of_the_end(tasks: httpx.Client, jobs_outside: Outside) -> None:
    where = path()
    made = register(tasks, on_settled_url=jobs_outside.job(where, {}))
    tasks.post(f"/v1/tasks/{made['id']}/settle", json={"outcome": "failure", "error": "Broken", "cause": "disk"})
    (body,) = eventually(lambda: jobs_outside.bodies.get(where))
    heard = httpx.Response(200, content=body).json()
    assert (heard["task_id"], heard["status"], heard["error"]) == (made["id"], "FAILED", "Broken")


# --- the token inbox --------------------------------------------------------------------------------------------------


def test_T1_the_same_token_is_the_same_task(tasks: httpx.Client) -> None:
    token = f"AQC{uuid.uuid4().hex}"
    first = register(tasks, task_token=token, owner="ana")
    assert "task_token" not in first or first["task_token"] == "***"
    assert register(tasks, 200, task_token=token, owner="ana")["id"] == first["id"]
    other = tasks.post("/v1/tasks", json={"timeout_seconds": 60, "task_token": token, "owner": "bob"})
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (409, "registered-otherwise")


def test_T1_a_repeated_request_gets_the_same_token_again(tasks: httpx.Client) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first, again = (tasks.post("/v1/tasks", json={"timeout_seconds": 60}, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["task_token"] == again.json()["task_token"]
    other = tasks.post("/v1/tasks", json={"timeout_seconds": 61}, headers=key)
    assert other.status_code == 422


def test_T9_the_inbox_shows_who_waits_and_who_has_no_deadline(tasks: httpx.Client, client: httpx.Client) -> None:
    owner = f"team-{uuid.uuid4().hex[:8]}"
    free = register(tasks, owner=owner, timeout_seconds=None, allow_no_deadline=True)
    bound = register(tasks, owner=owner, external_job={"id": "x-1"})
    settled = register(tasks, owner=owner)
    tasks.post(f"/v1/tasks/{settled['id']}/cancel", json={"reason": "no"})

    def ids(**query: Any) -> list[str]:
        answer = tasks.get("/v1/tasks", params={"owner": owner, **query})
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    assert ids(status="waiting") == [bound["id"], free["id"]]
    assert ids(has_deadline="false") == [free["id"]]
    assert ids(external_job_id="x-1") == [bound["id"]]
    assert ids(status="cancelled") == [settled["id"]]
    assert ids(status="waiting", sort="deadline") == [bound["id"], free["id"]]
    assert ids(min_age_seconds=3600) == []
    text = client.get("/metrics").text
    waiting = next(line for line in text.splitlines() if line.startswith("tocsin_tasks_without_deadline "))
    assert float(waiting.split()[1]) >= 1


def test_T10_poll_now_and_wait_longer(tasks: httpx.Client, jobs_outside: Outside) -> None:
    url = jobs_outside.job(path(), {"status": "RUNNING"}, {"status": "COMPLETED"})
    task_id = register(tasks, poll=every(3600, url=url))["id"]
    before = tasks.get(f"/v1/tasks/{task_id}").json()["deadline"]
    longer = tasks.post(f"/v1/tasks/{task_id}/deadline", json={"timeout_seconds": 7200})
    assert longer.json()["deadline"] > before
    for _ in range(2):
        asked = tasks.post(f"/v1/tasks/{task_id}/poll")
        assert asked.status_code == 200, asked.text
        number = asked.json()["attempts"]
        answered(tasks, task_id, number + 1)
    assert ended(tasks, task_id)["status"] == "COMPLETED"


def test_T10_many_are_ended_by_filter(tasks: httpx.Client, installation: Installation) -> None:
    owner, key = f"team-{uuid.uuid4().hex[:8]}", ["--key", tasks.headers["x-api-key"]]
    made = [register(tasks, owner=owner)["id"] for _ in range(3)]
    other = register(tasks, owner="somebody else")["id"]
    would = installation.run("tasks", "cancel", "--owner", owner, "--dry-run", *key)
    assert would.stdout.split().count("would") == 3, would.stderr
    done = installation.run("tasks", "cancel", "--owner", owner, "--older-than", "0s", "--reason", "gone", *key)
    assert {line.split()[0] for line in done.stdout.splitlines()} == set(made)
    assert done.stdout.count("CANCELLED") == 3
    assert {ended(tasks, one)["settlement"]["cause"] for one in made} == {"gone"}
    settled = installation.run("tasks", "settle", "success", "--owner", "somebody else", "--result", '{"n": 1}', *key)
    assert settled.stdout == f"{other} COMPLETED\n", settled.stderr
    assert installation.run("tasks", "cancel", *key).returncode == 1, "which ones?"
    assert owner not in installation.run("tasks", "list", *key).stdout


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "timeout_seconds"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": 5, "poll": {"interval_seconds": 1}}, "poll.url"),
        ({"timeout_seconds": 5, "poll": {"interval_seconds": 1, "url": "http://169.254.169.254/"}}, "poll.url"),
        ({"timeout_seconds": 5, "poll": {"interval_seconds": 1, "lambda": "other"}}, "poll.lambda"),
        (
            {
                "timeout_seconds": 5,
                "poll": {"interval_seconds": 1, "url": "http://127.0.0.1:9999/", "status_path": "$["},
            },
            "poll.status_path",
        ),
        ({"timeout_seconds": 5, "task_token": "tocsin_task_x"}, "task_token"),
        ({"timeout_seconds": 5, "on_settled_url": "ftp://x"}, "on_settled_url"),
        ({"timeout_seconds": 5, "nonsense": 1}, "nonsense"),
    ],
)
def test_a_bad_registration_names_the_field(tasks: httpx.Client, body: Json, field: str) -> None:
    answer = tasks.post("/v1/tasks", json=body)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_nobody_elses_task_is_found(tasks: httpx.Client, installation: Installation) -> None:
    task_id = register(tasks)["id"]
    with workspace_client(installation, f"w{uuid.uuid4().hex[:8]}") as other:
        assert other.get(f"/v1/tasks/{task_id}").status_code == 404
        assert other.post(f"/v1/tasks/{task_id}/cancel").status_code == 404
    for wrong in ("k_x", "j_1", "k_" + "a" * 32):
        assert tasks.get(f"/v1/tasks/{wrong}").status_code == 404
