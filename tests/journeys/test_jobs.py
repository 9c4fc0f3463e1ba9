"""J1-J4, J7, J9-J14, J17: jobs from HTTP to the receiver of the webhook and back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.installation import Installation, eventually
from tests.journeys.sinks import Sink, sink

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def receiver() -> Iterator[Sink]:
    with sink() as running:
        yield running


def workspace_client(installation: Installation, workspace: str) -> httpx.Client:
    done = installation.run("keys", "create", "--workspace", workspace, "--name", "journey")
    assert done.returncode == 0, done.stderr
    headers = {"x-api-key": done.stdout.strip()}
    return httpx.Client(base_url=installation.url, headers=headers, timeout=30, trust_env=False)


@pytest.fixture(scope="module")
def jobs(installation: Installation) -> Iterator[httpx.Client]:
    """A client with a key of a workspace of its own."""
    with workspace_client(installation, f"w{uuid.uuid4().hex[:8]}") as client:
        yield client


def path() -> str:
    return f"/{uuid.uuid4().hex[:12]}"


def in_(**duration: float) -> str:
    return (datetime.now(UTC) + timedelta(**duration)).isoformat()


def create(jobs: httpx.Client, url: str, **more: Any) -> dict[str, Any]:
    answer = jobs.post("/v1/jobs", json={"name": "journey", "callback_url": url, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{made['id']}"
    return made


def shown(jobs: httpx.Client, job_id: str) -> dict[str, Any]:
    answer = jobs.get(f"/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ended(jobs: httpx.Client, job_id: str, seconds: float = 20) -> dict[str, Any]:
    """The job once its last run has ended."""

    def look() -> dict[str, Any] | None:
        job = shown(jobs, job_id)
        return job if job["last_run_status"] in ("succeeded", "failed") else None

    return eventually(look, seconds)


def listed(jobs: httpx.Client, job_id: str, what: str) -> list[dict[str, Any]]:
    answer = jobs.get(f"/v1/jobs/{job_id}/{what}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_J2_a_one_time_webhook_is_delivered_on_time_signed_and_logged(
    installation: Installation, jobs: httpx.Client, receiver: Sink
) -> None:
    where, at = path(), in_(seconds=3)
    headers = {"X-Team": "ops", "Authorization": "Bearer s3cr3t"}
    job = create(jobs, receiver.url(where), run_at=at, payload={"a": [1, "ü"]}, headers=headers)
    assert (job["status"], job["schedule"]["type"], job["last_run_status"]) == ("active", "once", None)
    assert job["headers"] == {"X-Team": "ops", "Authorization": "***"}
    done = ended(jobs, job["id"])
    assert (done["status"], done["last_run_status"], done["next_run"]) == ("completed", "succeeded", None)
    (received,) = receiver.at(where)
    assert received.json == {"a": [1, "ü"]}
    assert (received.headers["x-team"], received.headers["authorization"]) == ("ops", "Bearer s3cr3t")
    assert received.headers["x-attempt"] == "1"
    assert -0.001 < received.at - datetime.fromisoformat(job["next_run"]).timestamp() < 2
    (attempt,) = listed(jobs, job["id"], "logs")
    assert (attempt["attempt"], attempt["status"], attempt["outcome"], attempt["body"]) == (1, 200, "succeeded", "ok")
    (slot,) = listed(jobs, job["id"], "slots")
    assert (slot["verdict"], slot["run_id"]) == ("fired", received.headers["webhook-id"])


def test_J9_deliveries_are_signed_with_the_secret_of_the_workspace(installation: Installation, receiver: Sink) -> None:
    workspace = f"w{uuid.uuid4().hex[:8]}"
    done = installation.run("signing-secrets", "create", "--workspace", workspace)
    assert done.returncode == 0, done.stderr
    secret, where = done.stdout.strip(), path()
    with workspace_client(installation, workspace) as client:
        create(client, receiver.url(where), run_at=in_(seconds=2), payload={"x": 1})
        (received,) = eventually(lambda: receiver.at(where))
    message = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.".encode() + received.body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), message, hashlib.sha256)
    assert f"v1,{base64.b64encode(digest).decode()}" in received.headers["webhook-signature"].split()


def test_J7_a_cron_job_fires_every_slot_once(installation: Installation, jobs: httpx.Client, receiver: Sink) -> None:
    where = path()
    job = create(jobs, receiver.url(where), cron="*/2 * * * * *", cron_format="seconds-first")
    eventually(lambda: len(receiver.at(where)) >= 3)
    assert jobs.delete(f"/v1/jobs/{job['id']}").status_code == 204
    received = receiver.at(where)
    slots = [one.headers["x-scheduled-for"] for one in received]
    assert len(set(slots)) == len(slots) == len({one.headers["webhook-id"] for one in received})
    verdicts = listed(jobs, job["id"], "slots")
    assert {one["verdict"] for one in verdicts} == {"fired"}
    assert {one["slot"] for one in verdicts} >= {one.replace("+00:00", "Z") for one in slots}
    audited = installation.run("jobs", "audit", "--job", job["id"], "--json")
    assert audited.returncode == 0, audited.stdout + audited.stderr
    after = len(receiver.at(where))
    assert jobs.get(f"/v1/jobs/{job['id']}").status_code == 404
    assert jobs.get(f"/v1/jobs/{job['id']}", params={"include_deleted": True}).json()["status"] == "deleted"
    assert jobs.delete(f"/v1/jobs/{job['id']}").status_code == 404
    eventually(lambda: datetime.now(UTC).timestamp() > received[-1].at + 2.5)
    assert len(receiver.at(where)) == after


def test_J10_a_final_failure_opens_a_ticket_that_the_next_success_resolves(
    installation: Installation, jobs: httpx.Client, receiver: Sink
) -> None:
    where = path()
    receiver.answers[where] = 404
    job = create(jobs, receiver.url(where), cron="0 0 1 1 *", max_attempts=2)
    assert jobs.post(f"/v1/jobs/{job['id']}/run").status_code == 201
    failed = ended(jobs, job["id"])
    assert (failed["last_run_status"], failed["status"]) == ("failed", "active")

    def ticket(status: str) -> dict[str, Any] | None:
        found = jobs.get("/tickets", params={"workflow": "job:journey", "identifier": f"job:{job['id']}"}).json()
        return next((one for one in found["items"] if one["status"] == status), None)

    opened = eventually(lambda: ticket("open"))
    assert opened["source"] == "scheduler"
    receiver.answers[where] = 200
    assert jobs.post(f"/v1/jobs/{job['id']}/run").status_code == 201
    assert eventually(lambda: ticket("done"))["id"] == opened["id"]


@pytest.mark.parametrize("how", ["pause", "delete"])
def test_J4_a_waiting_retry_is_cancelled(jobs: httpx.Client, receiver: Sink, how: str) -> None:
    where = path()
    receiver.answers[where] = 503
    job = create(jobs, receiver.url(where), run_at=in_(seconds=1))
    (attempt,) = eventually(lambda: listed(jobs, job["id"], "logs"))
    assert attempt["outcome"] == "retry"
    assert attempt["next_attempt_at"]
    url = f"/v1/jobs/{job['id']}"
    answer = jobs.delete(url) if how == "delete" else jobs.post(f"{url}/pause")
    assert answer.status_code == (204 if how == "delete" else 200)
    assert len(receiver.at(where)) == 1
    after = jobs.get(url, params={"include_deleted": True}).json()
    assert (after["status"], after["next_run"]) == ("deleted" if how == "delete" else "paused", None)


def test_J14_of_fifty_creates_at_95_of_100_jobs_five_succeed(installation: Installation, receiver: Sink) -> None:
    body = {"name": "many", "callback_url": receiver.url("/many"), "cron": "0 0 1 1 *"}
    with workspace_client(installation, f"w{uuid.uuid4().hex[:8]}") as client, ThreadPoolExecutor(50) as clients:
        first = list(clients.map(lambda _: client.post("/v1/jobs", json=body), range(95)))
        assert {answer.status_code for answer in first} == {201}
        answers = list(clients.map(lambda _: client.post("/v1/jobs", json=body), range(50)))
        codes = [answer.status_code for answer in answers]
        assert (codes.count(201), codes.count(429)) == (5, 45)
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["type"].rpartition("/")[2] == "quota-exceeded"
        assert "retry-after" not in refused.headers
        assert client.get("/v1/jobs", params={"status": "active", "limit": 1}).json()["total"] == 100
        assert client.delete(f"/v1/jobs/{first[0].json()['id']}").status_code == 204
        assert client.post("/v1/jobs", json=body).status_code == 201


def test_J17_a_job_is_previewed_changed_paused_and_resumed(jobs: httpx.Client, receiver: Sink) -> None:
    preview = jobs.post("/v1/jobs/preview", json={"cron": "30 2 * * *", "timezone": "Europe/Berlin"})
    assert preview.status_code == 200, preview.text
    assert len(preview.json()["next_runs"]) == 20
    job = create(jobs, receiver.url(path()), cron="0 12 * * *", timezone="Europe/Berlin", tags=["etl"])
    url = f"/v1/jobs/{job['id']}"
    changed = jobs.patch(
        url,
        json={"cron": "0 13 * * *", "name": "later"},
        headers={"If-Match": f'"{job["version"]}"'} if "version" in job else {},
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["spec_version"], changed.json()["name"]) == (2, "later")
    assert jobs.post(f"{url}/pause").json()["status"] == "paused"
    assert jobs.post(f"{url}/resume").json()["status"] == "active"
    assert [one["id"] for one in jobs.get("/v1/jobs", params={"tag": "etl"}).json()["items"]] == [job["id"]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "* * * * *", "run_at": "2099-01-01T00:00:00Z"}, "run_at"),
        ({"cron": "* * * * *", "timezone": "Mars/Base"}, "timezone"),
        ({"run_at": "2020-01-01T00:00:00Z"}, "run_at"),
        ({"cron": "* * * * *", "callback_url": "http://169.254.169.254/latest"}, "callback_url"),
        ({"cron": "* * * * *", "headers": {"Host": "x"}}, "headers"),
        ({"cron": "* * * * *", "max_attempts": 0}, "max_attempts"),
    ],
)
def test_J1_what_cannot_be_meant_is_400_and_names_the_field(
    jobs: httpx.Client, receiver: Sink, change: dict[str, Any], field: str
) -> None:
    answer = jobs.post("/v1/jobs", json={"name": "x", "callback_url": receiver.url("/x"), **change})
    assert answer.status_code == 400, answer.text
    assert any(field in error["field"] or field in error["message"] for error in answer.json()["errors"]), answer.text


def test_J13_jobs_want_a_key(client: httpx.Client) -> None:
    assert client.get("/v1/jobs").status_code == 401
    assert client.get("/v1/jobs", headers={"x-api-key": "wrong"}).status_code == 401
