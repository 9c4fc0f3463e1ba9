"""W: workflow failures become tickets, from HTTP to HTTP, on a running installation without a key."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from typing import Any

import aiohttp
import httpx
import pytest

from tests.installation import Installation, eventually

pytestmark = pytest.mark.embedded


def report(client: httpx.Client, workflow: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/failures", json={"workflow": workflow, "message": "boom", **more})
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


def tickets(client: httpx.Client, workflow: str, **filters: Any) -> list[dict[str, Any]]:
    answer = client.get("/tickets", params={"workflow": workflow, **filters})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def the_ticket(client: httpx.Client, workflow: str, occurrences: int = 1, **filters: Any) -> dict[str, Any]:
    """The only ticket of a workflow, once it counts so many."""

    def look() -> dict[str, Any] | None:
        found = tickets(client, workflow, **filters)
        return found[0] if len(found) == 1 and found[0]["occurrences"] == occurrences else None

    return eventually(look)


def move(client: httpx.Client, ticket_id: str, status: str, **more: Any) -> httpx.Response:
    return client.patch(f"/tickets/{ticket_id}", json={"status": status, **more})


def test_W1_failure_becomes_an_open_ticket_with_its_whole_context(client: httpx.Client, workflow: str) -> None:
    context = {"table": "orders", "rows": [1, 2.5, None], "nested": {"a": "ünïcode"}}
    body = report(client, workflow, identifier="etl", context=context, run_url="https://ci.example/1", severity="P1")
    ticket = the_ticket(client, workflow)
    assert (ticket["status"], ticket["workflow"], ticket["severity"]) == ("open", workflow, "critical")
    detail = client.get(f"/tickets/{ticket['id']}").json()
    assert detail["context"] == context
    assert ticket["id"].startswith(body["ticket_entity"])
    decided = client.get(body["status_url"])
    assert decided.status_code == 200
    assert ticket["id"] in decided.text


def test_W2_repeated_failure_updates_one_ticket(client: httpx.Client, workflow: str) -> None:
    report(client, workflow, identifier="etl", context={"run": 1})
    report(client, workflow, identifier="etl", context={"run": 2}, message="again")
    ticket = the_ticket(client, workflow, occurrences=2)
    assert (ticket["message"], ticket["context"]) == ("again", {"run": 2})


def test_W2_identifier_is_derived_and_explained(client: httpx.Client, workflow: str) -> None:
    first = report(client, workflow, message="row 17 of run 4711 failed", step="load")
    second = report(client, workflow, message="row 99 of run 4712 failed", step="load")
    assert first["identifier"] == second["identifier"]
    assert "message" in first["identity_reason"]
    the_ticket(client, workflow, occurrences=2)


def test_W2_retried_delivery_of_the_same_event_counts_once(client: httpx.Client, workflow: str) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    for _ in range(3):
        answer = client.post("/failures", json={"workflow": workflow, "message": "boom"}, headers=key)
        assert answer.status_code == 202
    report(client, workflow, event_id=(event_id := uuid.uuid4().hex))
    report(client, workflow, event_id=event_id)
    ticket = eventually(lambda: next((one for one in tickets(client, workflow) if one["deliveries"] == 5), None))
    assert ticket["occurrences"] == 2


def clients(installation: Installation) -> aiohttp.ClientSession:
    """Many connections at once; httpx would measure itself."""
    connector = aiohttp.TCPConnector(limit=200)
    return aiohttp.ClientSession(installation.url, connector=connector, timeout=aiohttp.ClientTimeout(60))


async def post(
    client: aiohttp.ClientSession, workflow: str, identifier: str, headers: dict[str, str] | None = None
) -> int:
    body = {"workflow": workflow, "identifier": identifier, "message": "boom"}
    async with client.post("/failures", json=body, headers=headers) as answer:
        return answer.status


async def test_W2_64_clients_reporting_at_once_give_exact_counts(
    installation: Installation, workflow: str, long: bool
) -> None:
    per_client, identifiers = 2000 if long else 25, 50
    acked: Counter[str] = Counter()

    async def one_client(client: aiohttp.ClientSession, number: int) -> None:
        for nth in range(per_client):
            identifier = f"id-{(number + nth) % identifiers}"
            for _ in range(2):  # every request twice
                status = await post(client, workflow, identifier, {"Idempotency-Key": f"{workflow}-{number}-{nth}"})
                assert status == 202
            acked[identifier] += 1

    async with clients(installation) as posting, asyncio.TaskGroup() as group:
        for number in range(64):
            group.create_task(one_client(posting, number))
    assert eventually_counted(installation, workflow, sum(acked.values())) == acked
    with installation.client() as reader:
        # the last repeat may still be on its way when the last occurrence is counted
        eventually(lambda: sum(one["deliveries"] for one in tickets(reader, workflow, limit=100)) >= 2 * acked.total())
        assert sum(one["deliveries"] for one in tickets(reader, workflow, limit=100)) == 2 * acked.total()


def eventually_counted(installation: Installation, workflow: str, total: int) -> Counter[str]:
    """Occurrences by identifier, once they sum to the total."""
    with installation.client() as client:

        def look() -> Counter[str] | None:
            found = tickets(client, workflow, limit=100)
            counts = Counter({one["identifier"]: one["occurrences"] for one in found})
            return counts if sum(counts.values()) == total else None

        return eventually(look, 60)


async def test_W2_race_of_first_deliveries_loses_and_doubles_none(
    installation: Installation, workflow: str, long: bool
) -> None:
    rounds = 10 if long else 2
    async with clients(installation) as client:
        for round_ in range(rounds):
            statuses = await asyncio.gather(
                *(post(client, workflow, f"{round_}-{name}") for name in range(40) for _ in range(25))
            )
            assert set(statuses) == {202}
    with installation.client() as reader:

        def look() -> bool:
            page = reader.get("/tickets", params={"workflow": workflow, "limit": 100}).json()
            pages = [
                one
                for offset in range(0, page["total"], 100)
                for one in tickets(reader, workflow, limit=100, offset=offset)
            ]
            return Counter(one["occurrences"] for one in pages) == {25: 40 * rounds}

        eventually(look, 60)


def test_W3_list_filters_pages_and_counts(client: httpx.Client, workflow: str) -> None:
    for number in range(5):
        report(client, workflow, identifier=f"id-{number}", severity="warning" if number % 2 else "error")
    eventually(lambda: len(tickets(client, workflow)) == 5)
    first = tickets(client, workflow)[0]
    assert move(client, first["id"], "done").status_code == 200
    assert [one["id"] for one in tickets(client, workflow, status="done")] == [first["id"]]
    assert len(tickets(client, workflow, status="open")) == 4
    assert len(tickets(client, workflow, status="to-do,resolved")) == 5
    assert {one["severity"] for one in tickets(client, workflow, severity="warning")} == {"warning"}
    page = client.get("/tickets", params={"workflow": workflow, "limit": 2, "offset": 4, "sort": "created_at"}).json()
    assert (page["total"], len(page["items"]), page["limit"], page["offset"]) == (5, 1, 2, 4)
    assert client.get("/tickets", params={"staus": "open"}).status_code == 422


def test_W4_status_changes_and_updated_at_moves(client: httpx.Client, workflow: str) -> None:
    report(client, workflow)
    ticket = the_ticket(client, workflow)
    answer = move(client, ticket["id"], "done", reason="fixed", actor="ana")
    assert answer.status_code == 200
    done = answer.json()
    assert (done["status"], done["updatedAt"] > ticket["updatedAt"]) == ("done", True)
    again = move(client, ticket["id"], "done").json()
    assert again["updatedAt"] == done["updatedAt"]
    reopened = move(client, ticket["id"], "open").json()
    assert (reopened["status"], reopened["updatedAt"] > done["updatedAt"]) == ("open", True)
    history = client.get(f"/tickets/{ticket['id']}").json()["history"]
    assert {"ana"} <= {entry.get("actor") for entry in history}


def test_W4_unknown_id_is_404_and_illegal_move_names_the_allowed_ones(client: httpx.Client, workflow: str) -> None:
    assert move(client, "t_" + "a" * 26 + "-1", "done").status_code == 404
    assert move(client, "no such id", "done").status_code == 404
    report(client, workflow)
    ticket = the_ticket(client, workflow)
    refused = move(client, ticket["id"], "closed")
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert set(refused.json()["allowed"]) == {"in_progress", "pending", "done"}


def test_W4_stale_if_match_is_412_and_a_retried_command_answers_the_same(client: httpx.Client, workflow: str) -> None:
    report(client, workflow)
    ticket = the_ticket(client, workflow)
    url = f"/tickets/{ticket['id']}"
    etag = client.get(url).headers["etag"]
    key = {"Idempotency-Key": uuid.uuid4().hex}
    done = client.patch(url, json={"status": "done"}, headers={"If-Match": etag, **key})
    assert done.status_code == 200
    repeated = client.patch(url, json={"status": "done"}, headers={"If-Match": etag, **key})
    assert (repeated.status_code, repeated.json()) == (200, done.json())
    assert client.patch(url, json={"status": "open"}, headers={"If-Match": etag}).status_code == 412
    assert client.patch(url, json={"status": "open"}, headers=key).status_code == 422


@pytest.mark.parametrize(
    "success", [{"status": "success"}, {"conclusion": "success"}, {"success": True}, {"result": "SUCCEEDED"}]
)
def test_W5_success_report_is_refused_and_makes_no_ticket(
    client: httpx.Client, workflow: str, success: dict[str, Any]
) -> None:
    refused = client.post("/failures", json={"workflow": workflow, "message": "all good", **success})
    assert refused.status_code == 422
    assert next(iter(success)) in refused.text
    report(client, workflow, identifier="marker")
    assert the_ticket(client, workflow)["identifier"] == "marker"


def test_W6_repeat_of_a_resolved_failure_reopens_its_ticket(client: httpx.Client, workflow: str) -> None:
    report(client, workflow)
    ticket = the_ticket(client, workflow)
    move(client, ticket["id"], "done")
    report(client, workflow)
    reopened = the_ticket(client, workflow, occurrences=2)
    assert (reopened["id"], reopened["status"]) == (ticket["id"], "open")


def test_W6_policy_by_source_opens_a_new_linked_ticket(client: httpx.Client, workflow: str) -> None:
    report(client, workflow, source="never")
    ticket = the_ticket(client, workflow)
    move(client, ticket["id"], "done")
    report(client, workflow, source="never")
    new = eventually(lambda: next((one for one in tickets(client, workflow) if one["id"] != ticket["id"]), None))
    assert (new["previous_ticket_id"], new["status"], new["episode"]) == (ticket["id"], "open", 2)
    refused = move(client, ticket["id"], "open")
    assert (refused.status_code, refused.json()["open_ticket_id"]) == (409, new["id"])


def test_W6_reopen_window_ends_by_itself(client: httpx.Client, workflow: str) -> None:
    report(client, workflow, source="impatient")
    ticket = the_ticket(client, workflow)
    done = move(client, ticket["id"], "done").json()
    assert done["reopen_until"] > done["resolved_at"]
    eventually(lambda: client.get(f"/tickets/{ticket['id']}").json()["version"] > done["version"])
    report(client, workflow, source="impatient")
    new = eventually(lambda: next((one for one in tickets(client, workflow) if one["id"] != ticket["id"]), None))
    assert new["previous_ticket_id"] == ticket["id"]


def test_W7_batch_answers_by_item_and_one_bad_item_loses_no_other(client: httpx.Client, workflow: str) -> None:
    good = {"workflow": workflow, "identifier": "etl", "message": "boom"}
    answer = client.post("/failures/batch", json=[good, {"workflow": workflow}, good])
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (2, 1)
    assert [item["status"] for item in body["items"]] == [202, 422, 202]
    assert body["items"][1]["problem"]["errors"][0]["field"] == "message"
    the_ticket(client, workflow, occurrences=2)


def test_W7_ndjson_batch_and_a_batch_of_only_bad_items(client: httpx.Client, workflow: str) -> None:
    lines = "\n".join(json.dumps({"workflow": workflow, "identifier": str(n), "message": "x"}) for n in range(3))
    answer = client.post("/failures/batch", content=lines, headers={"content-type": "application/x-ndjson"})
    assert answer.json()["accepted"] == 3
    assert client.post("/failures/batch", json=[{}, {}]).status_code == 422
    eventually(lambda: len(tickets(client, workflow)) == 3)


def test_W8_done_ticket_can_be_hidden_and_an_open_one_not(client: httpx.Client, workflow: str) -> None:
    report(client, workflow)
    ticket = the_ticket(client, workflow)
    url = f"/tickets/{ticket['id']}"
    assert client.delete(url).status_code == 409
    move(client, ticket["id"], "done")
    assert client.delete(url).status_code == 204
    assert client.delete(url).status_code == 204
    assert tickets(client, workflow) == []
    assert [one["hidden"] for one in tickets(client, workflow, include_hidden="true")] == [True]
    assert client.get(url).json()["hidden"] is True
    assert move(client, ticket["id"], "open").json()["hidden"] is False
    assert len(tickets(client, workflow)) == 1


def test_W1_context_of_a_mebibyte_is_shown_again_after_a_rebuild(
    installation: Installation, client: httpx.Client, workflow: str
) -> None:
    context = {"log": "x" * (1024 * 1024 - 300), "nul": "\u0000"}
    report(client, workflow, context=context)
    ticket = the_ticket(client, workflow)
    shown = eventually(lambda: client.get(f"/tickets/{ticket['id']}").json()["context"])
    assert shown == context
    rebuilt = installation.run("projections", "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert client.get(f"/tickets/{ticket['id']}").json()["context"] == context
    too_large = client.post("/failures", json={"workflow": workflow, "message": "x", "context": "x" * 1024 * 1024})
    assert too_large.status_code == 413
