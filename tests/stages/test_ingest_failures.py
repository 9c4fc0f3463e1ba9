"""Stage 1 without Kafka and PostgreSQL: what HTTP clients see of failure reports, and what reaches the log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from tests.stages.ingest import Stage
from tocsin.events.envelope import Envelope, from_headers
from tocsin.events.identity import partition_of
from tocsin.events.tickets import FailureReported
from tocsin.events.topics import PAYLOADS, events_topic

EVENTS = events_topic("tickets")
FAILURE = {"workflow": "backup", "identifier": "db-7", "message": "upload failed"}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage() as running:
        yield running


def events(stage: Stage) -> list[tuple[Envelope, FailureReported]]:
    return [
        (from_headers(record.headers), msgspec.json.decode(record.value, type=FailureReported))
        for record in stage.publisher.of(EVENTS)
    ]


async def report(stage: Stage, body: Any = FAILURE, **headers: str) -> httpx.Response:
    return await stage.http.post("/failures", json=body, headers=headers)


async def test_W1_a_report_is_accepted_once_it_is_in_the_log(stage: Stage) -> None:
    answer = await report(stage, FAILURE | {"context": {"a": 1}}, **{"x-request-id": "r-1"})
    assert answer.status_code == 202
    found = answer.json()
    assert answer.headers["location"] == found["status_url"] == f"/commands/{found['event_id']}"
    assert (found["identifier"], found["identity_reason"]) == ("db-7", "given by the sender")
    [(envelope, event)] = events(stage)
    assert (envelope.id, envelope.workspace, envelope.correlation_id) == (found["event_id"], "default", "r-1")
    assert (envelope.type, envelope.source) == ("tocsin.tickets.FailureReported.v1", "/tocsin/ingest")
    assert (envelope.outcome, envelope.sender_given) == ("record", False)
    assert json.loads(bytes(event.context)) == {"a": 1}


async def test_a_record_lies_where_its_entity_is_owned(stage: Stage) -> None:
    entity = (await report(stage)).json()["ticket_entity"]
    [record] = stage.publisher.records
    assert record.key == f"default/{entity}".encode()
    assert record.partition == partition_of(record.key, 4)


async def test_W2_the_same_event_has_the_same_id_again(stage: Stage) -> None:
    ids = [
        (await report(stage, FAILURE | {"event_id": "run:1"})).json()["event_id"],
        (await report(stage, FAILURE | {"event_id": "run:1"})).json()["event_id"],
        (await report(stage, FAILURE | {"event_id": "run:1"}, **{"idempotency-key": "k"})).json()["event_id"],
        (await report(stage, FAILURE, **{"idempotency-key": "k"})).json()["event_id"],
        (await report(stage, FAILURE)).json()["event_id"],
    ]
    assert ids[0] == ids[1] == "run:1"
    assert ids[2] == ids[3] != ids[0]
    assert [envelope.sender_given for envelope, _ in events(stage)] == [True, True, True, True, False]


async def test_keys_of_two_workspaces_do_not_meet(stage: Stage) -> None:
    key = await stage.key(workspace="acme")
    mine = await report(stage, FAILURE, **{"idempotency-key": "k"})
    theirs = await report(stage, FAILURE, **{"idempotency-key": "k", "x-api-key": key})
    assert mine.json()["event_id"] != theirs.json()["event_id"]
    assert mine.json()["ticket_entity"] != theirs.json()["ticket_entity"]
    assert [envelope.workspace for envelope, _ in events(stage)] == ["default", "acme"]


async def test_a_trace_is_passed_on_and_nonsense_is_not(stage: Stage) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await report(stage, FAILURE, traceparent=trace)
    await report(stage, FAILURE, traceparent="nonsense")
    assert [envelope.traceparent for envelope, _ in events(stage)] == [trace, ""]


async def test_a_large_context_is_stored_before_the_event_that_names_it(stage: Stage) -> None:
    await report(stage, FAILURE | {"context": {"log": "x" * 5000}})
    payload, event = stage.publisher.records
    assert (payload.topic, event.topic) == (PAYLOADS, EVENTS)
    assert payload.key.decode() == events(stage)[0][1].context_digest
    assert json.loads(payload.value) == {"log": "x" * 5000}


async def test_W5_a_success_is_refused_and_nothing_is_stored(stage: Stage) -> None:
    answer = await report(stage, FAILURE | {"status": "success"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "status"
    assert stage.publisher.records == []


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"", 400), (b"[]", 422), (b"{}", 422), (b'{"workflow":"\xff"}', 400)]
)
async def test_refusals_are_problems(stage: Stage, body: bytes, status: int) -> None:
    answer = await stage.http.post("/failures", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.headers["x-request-id"]


async def test_the_log_being_away_is_503_with_retry_after(stage: Stage) -> None:
    stage.publisher.available = False
    answer = await report(stage)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize("key", ["", " ", "x" * 256])
async def test_an_idempotency_key_must_be_usable(stage: Stage, key: str) -> None:
    answer = await report(stage, FAILURE, **{"idempotency-key": key})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


async def test_other_methods_are_405(stage: Stage) -> None:
    assert (await stage.http.get("/failures")).status_code == 405


async def test_keys_and_scopes_hold_on_the_hot_routes(stage: Stage) -> None:
    for path in ("/failures", "/failures/batch"):
        assert (await stage.http.post(path, json=FAILURE, headers={"x-api-key": "wrong"})).status_code == 401
        reader = await stage.key("read")
        assert (await stage.http.post(path, json=FAILURE, headers={"x-api-key": reader})).status_code == 403


# --- batches --------------------------------------------------------------------------------------------------------


async def batch(stage: Stage, body: bytes, **headers: str) -> httpx.Response:
    return await stage.http.post("/failures/batch", content=body, headers=headers)


async def test_W7_one_bad_item_does_not_lose_the_others(stage: Stage) -> None:
    items = [FAILURE, FAILURE | {"severity": "x"}, 7, FAILURE | {"event_id": "e-3"}, FAILURE | {"status": "ok"}]
    answer = await batch(stage, json.dumps(items).encode())
    assert answer.status_code == 202
    found = answer.json()
    assert (found["accepted"], found["rejected"]) == (2, 3)
    assert [item["index"] for item in found["items"]] == [0, 1, 2, 3, 4]
    assert [item["status"] for item in found["items"]] == [202, 422, 422, 202, 422]
    assert found["items"][1]["problem"]["errors"][0]["field"] == "severity"
    assert [envelope.id for envelope, _ in events(stage)] == [found["items"][0]["event_id"], "e-3"]
    assert {envelope.outcome for envelope, _ in events(stage)} == {""}


async def test_a_batch_may_be_one_report_a_line(stage: Stage) -> None:
    lines = b"\n".join([json.dumps(FAILURE).encode(), b"", b"{broken", json.dumps(FAILURE).encode() + b"\r"])
    found = (await batch(stage, lines, **{"content-type": "application/x-ndjson"})).json()
    assert [item["status"] for item in found["items"]] == [202, 400, 202]


async def test_a_batch_of_bad_items_alone_is_422(stage: Stage) -> None:
    answer = await batch(stage, b'[{},{"workflow":1}]')
    assert (answer.status_code, answer.json()["rejected"]) == (422, 2)
    assert stage.publisher.records == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[", 400), (b"[]", 422), (b"", 422), (b"  \n ", 422), (b"[1", 400), (b'["\xff"]', 400), (b"[" * 10_000, 400)],
)
async def test_what_is_no_batch_is_refused(stage: Stage, body: bytes, status: int) -> None:
    assert (await batch(stage, body)).status_code == status


async def test_a_batch_has_at_most_five_thousand_items(stage: Stage) -> None:
    item = json.dumps(FAILURE).encode()
    assert (await batch(stage, b"\n".join([item] * 5000))).json()["accepted"] == 5000
    assert (await batch(stage, b"\n".join([item] * 5001))).status_code == 422


async def test_items_of_a_repeated_batch_have_the_same_ids(stage: Stage) -> None:
    body = json.dumps([FAILURE, FAILURE | {"event_id": "mine"}, FAILURE]).encode()
    first, again = [
        [item["event_id"] for item in (await batch(stage, body, **{"idempotency-key": "k"})).json()["items"]]
        for _ in range(2)
    ]
    assert first == again
    assert len(set(first)) == 3
    assert first[1] == "mine"
    assert all(envelope.sender_given for envelope, _ in events(stage))
    unkeyed = [item["event_id"] for item in (await batch(stage, body)).json()["items"]]
    assert set(unkeyed) & set(first) == {"mine"}


async def test_equal_large_contexts_of_a_batch_are_stored_once(stage: Stage) -> None:
    item = FAILURE | {"context": "x" * 5000}
    await batch(stage, json.dumps([item, item]).encode())
    assert [record.topic for record in stage.publisher.records] == [PAYLOADS, EVENTS, EVENTS]
