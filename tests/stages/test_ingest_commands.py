"""Commands without Kafka and PostgreSQL: shape, waiting, replay of answers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.stages.ingest import Stage
from tocsin.events.commands import Cause, CommandRefused
from tocsin.events.envelope import from_headers
from tocsin.events.identity import partition_of
from tocsin.events.tickets import HideRequested, StatusChanged, StatusChangeRequested, TicketHidden

TICKET = "t_ldccopes6uacahgduvspztpl34-1"
PATH = f"/tickets/{TICKET}"
CAUSE = Cause("e", "tocsin.tickets.StatusChangeRequested.v1", 0, 41, "asked")
COMMON: dict[str, Any] = {"entity": "t_x", "at": "2026-01-01T00:00:00.000Z", "cause": CAUSE}
CHANGED = StatusChanged(**COMMON, ticket_id=TICKET, from_status="open", status="done", actor="a")
HIDDEN = TicketHidden(**COMMON, ticket_id=TICKET, actor="a")
UNKNOWN = CommandRefused(**COMMON, subject_id=TICKET, command="change_status", reason="unknown", detail="no such")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage() as running:
        running.fact, running.document = CHANGED, b'{"id":"x","status":"done","version":41}'
        yield running


def requested(stage: Stage) -> StatusChangeRequested:
    return msgspec.json.decode(stage.publisher.records[-1].value, type=StatusChangeRequested)


async def test_W4_a_change_is_answered_with_the_decision(stage: Stage) -> None:
    answer = await stage.http.patch(PATH, json={"status": "done", "reason": "fixed", "actor": "ann"})
    assert (answer.status_code, answer.json()["status"], answer.headers["etag"]) == (200, "done", '"41"')
    assert requested(stage) == StatusChangeRequested(ticket_id=TICKET, status="done", actor="ann", reason="fixed")
    [record] = stage.publisher.records
    assert record.key == b"default/t_ldccopes6uacahgduvspztpl34"
    assert record.partition == partition_of(record.key, 4)
    envelope = from_headers(record.headers)
    assert (envelope.outcome, envelope.sender_given) == ("wait", False)
    assert envelope.request_digest == hashlib.sha256(answer.request.content).hexdigest()


@pytest.mark.parametrize(
    ("word", "status"),
    [("To-Do", "open"), ("resolved", "done"), (" DONE ", "done"), ("in_progress", "in_progress"), ("closed", "closed")],
)
async def test_synonyms_are_understood(stage: Stage, word: str, status: str) -> None:
    assert (await stage.http.patch(PATH, json={"status": word})).status_code == 200
    assert requested(stage).status == status


async def test_a_body_that_curl_calls_a_form_is_read_as_json(stage: Stage) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await stage.http.patch(PATH, content='{"status": "done"}', headers=form)).status_code == 200
    assert requested(stage).status == "done"


async def test_the_actor_is_the_bodys_else_the_headers_else_the_keys(stage: Stage) -> None:
    key = await stage.key(name="deploy-bot")
    for body, headers, actor in (
        ({"actor": "ann"}, {"x-actor": "bob"}, "ann"),
        ({}, {"x-actor": "bob"}, "bob"),
        ({"actor": " "}, {"x-api-key": key}, "deploy-bot"),
        ({}, {}, "anonymous"),
    ):
        await stage.http.patch(PATH, json={"status": "done"} | body, headers=headers)
        assert requested(stage).actor == actor


@pytest.mark.parametrize(("header", "version"), [('"41"', 41), ('W/"7"', 7), ("*", None), (None, None)])
async def test_if_match_becomes_the_expected_version(stage: Stage, header: str | None, version: int | None) -> None:
    await stage.http.patch(PATH, json={"status": "done"}, headers={"if-match": header} if header else {})
    assert requested(stage).if_version == version


@pytest.mark.parametrize(
    ("body", "headers", "status", "field"),
    [
        ({"status": "vanished"}, {}, 422, "status"),
        ({"status": 7}, {}, 422, "status"),
        ({}, {}, 422, "status"),
        ({"status": "done", "priority": "high"}, {}, 422, "priority"),
        ({"status": "done", "reason": "x" * 2001}, {}, 422, "reason"),
        ({"status": "done", "reason": "a\x00"}, {}, 422, "reason"),
        ({"status": "done"}, {"if-match": "41"}, 422, "If-Match"),
        ({"status": "done"}, {"if-match": '"1", "2"'}, 422, "If-Match"),
        ({"status": "done"}, {"idempotency-key": "x" * 256}, 422, "Idempotency-Key"),
    ],
)
async def test_a_wrong_command_names_its_field(
    stage: Stage, body: dict[str, Any], headers: dict[str, str], status: int, field: str
) -> None:
    answer = await stage.http.patch(PATH, json=body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
    assert stage.publisher.records == []


@pytest.mark.parametrize("ticket_id", ["a%20b", "x" * 129, "%0a", "a%0a", "%00"])
async def test_an_id_no_ticket_can_have_is_404(stage: Stage, ticket_id: str) -> None:
    assert (await stage.http.patch(f"/tickets/{ticket_id}", json={"status": "done"})).status_code == 404
    assert (await stage.http.delete(f"/tickets/{ticket_id}")).status_code == 404


async def test_refusals_are_answered_with_their_reason(stage: Stage) -> None:
    stage.fact = UNKNOWN
    answer = await stage.http.patch(PATH, json={"status": "done"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "no such")


async def test_W8_hiding_answers_204(stage: Stage) -> None:
    stage.fact = HIDDEN
    answer = await stage.http.delete(PATH, headers={"x-actor": "ann", "if-match": '"3"'})
    assert (answer.status_code, answer.content) == (204, b"")
    event = msgspec.json.decode(stage.publisher.records[0].value, type=HideRequested)
    assert event == HideRequested(ticket_id=TICKET, actor="ann", if_version=3)


async def test_an_undecided_command_is_202_with_a_link() -> None:
    async with Stage(wait_seconds=0.05) as stage:
        answer = await stage.http.patch(PATH, json={"status": "done"})
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["status_url"] == f"/commands/{answer.json()['event_id']}"


async def test_the_database_being_away_is_202_too() -> None:
    async with Stage(wait_seconds=0.05) as stage:
        stage.fact, stage.available = CHANGED, False
        answer = await stage.http.patch(PATH, json={"status": "done"}, headers={"idempotency-key": "k"})
        assert (answer.status_code, len(stage.publisher.records)) == (202, 1)


async def test_a_repeated_command_replays_its_first_answer(stage: Stage) -> None:
    headers = {"idempotency-key": "k"}
    first = await stage.http.patch(PATH, json={"status": "done"}, headers=headers)
    stage.fact = UNKNOWN
    again = await stage.http.patch(PATH, json={"status": "done"}, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len(stage.publisher.records) == 1
    assert from_headers(stage.publisher.records[0].headers).sender_given


async def test_a_key_used_for_another_body_is_refused(stage: Stage) -> None:
    headers = {"idempotency-key": "k"}
    await stage.http.patch(PATH, json={"status": "done"}, headers=headers)
    other = await stage.http.patch(PATH, json={"status": "open"}, headers=headers)
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (422, "idempotency-key-reused")
    elsewhere = await stage.http.patch("/tickets/OPS-1", json={"status": "open"}, headers=headers)
    assert elsewhere.status_code == 200


async def test_two_bodies_at_once_with_one_key_the_first_decided_wins(stage: Stage) -> None:
    stage.fact = None
    headers = {"idempotency-key": "k"}
    waiting = [
        asyncio.create_task(stage.http.patch(PATH, json={"status": status}, headers=headers))
        for status in ("done", "open")
    ]
    async with asyncio.timeout(5):
        while len(stage.publisher.records) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    stage.fact = CHANGED
    for record in stage.publisher.records:
        stage.decide(record)
    assert sorted([(await answer).status_code for answer in waiting]) == [200, 422]


async def test_waiting_survives_a_missed_notification(stage: Stage) -> None:
    stage.fact = None
    waiting = asyncio.create_task(stage.http.patch(PATH, json={"status": "done"}))
    async with asyncio.timeout(5):
        while not stage.publisher.records:  # noqa: ASYNC110
            await asyncio.sleep(0)
    stage.outcomes.notified = lambda payload: None  # type: ignore[method-assign]
    stage.fact = CHANGED
    stage.decide(stage.publisher.records[0])
    stage.outcomes.wake_all()
    assert (await waiting).status_code == 200
