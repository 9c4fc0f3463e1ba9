"""Reported tickets and words to the watchdog, without Kafka and PostgreSQL: shape, order, waiting, replay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import orjson
import pytest

from tests.stages.ingest import Stage
from tocsin.events.commands import Cause, CommandRefused
from tocsin.events.envelope import from_headers
from tocsin.events.sla import TicketAcknowledgeRequested, TicketEscalateRequested, TicketReported, TicketSnoozeRequested
from tocsin.events.tickets import TicketRegistered
from tocsin.events.times import unix_ms
from tocsin.ingest.publish import Record
from tocsin.ingest.records import keyed_id, now_ms

CAUSE = Cause("e", "tocsin.tickets.TicketReported.v1", 0, 41, "first_report")
COMMON: dict[str, Any] = {"entity": "T-1", "at": "2026-01-01T00:00:00.000Z", "cause": CAUSE}
ITEM: dict[str, Any] = {
    "id": "T-1",
    "priority": "high",
    "created_at": "2026-11-20T09:00:00Z",
    "updated_at": "2026-11-20T10:05:00+01:00",
    "status": "open",
    "customer_tier": "premium",
}


def decision(record: Record) -> TicketRegistered | CommandRefused:
    """As the decide stage: no failure's ticket is known here."""
    report = msgspec.json.decode(record.value, type=TicketReported)
    if report.ticket_id.startswith("t_"):
        return CommandRefused(
            **COMMON, subject_id=report.ticket_id, command="report", reason="unknown", detail=f"no {report.ticket_id}"
        )
    return TicketRegistered(
        **COMMON,
        ticket_id=report.ticket_id,
        priority=report.priority,
        customer_tier=report.customer_tier,
        source_updated_at=report.updated_at,
        status=report.status,
        created_at=report.created_at,
    )


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage() as running:
        running.decisions = decision
        yield running


def reported(stage: Stage) -> list[TicketReported]:
    return [msgspec.json.decode(record.value, type=TicketReported) for record in stage.publisher.records]


async def test_S1_an_array_is_answered_in_its_order(stage: Stage) -> None:
    items = [ITEM | {"id": f"T-{number}"} for number in range(20)]
    answer = await stage.http.post("/tickets", json=items)
    assert answer.status_code == 200
    assert [one["ticket_id"] for one in answer.json()] == [f"T-{number}" for number in range(20)]
    first = reported(stage)[0]
    assert (first.updated_at, first.created_at) == ("2026-11-20T09:05:00.000Z", "2026-11-20T09:00:00.000Z")
    assert (first.title, first.tags, first.notify) == (None, None, True)
    [record, *_] = stage.publisher.records
    assert record.key == b"default/T-0"
    assert from_headers(record.headers).outcome == "wait"


@pytest.mark.parametrize(
    ("field", "word", "read"),
    [
        ("priority", "URGENT", "critical"),
        ("priority", "P2", "high"),
        ("priority", " normal ", "medium"),
        ("priority", "p4", "low"),
        ("status", "To-Do", "open"),
        ("status", "resolved", "done"),
        ("customer_tier", "Gold", "gold"),
        ("id", 4711, "4711"),
        ("title", "  Checkout  ", "Checkout"),
        ("tags", ["a", "b", "a"], ("a", "b")),
        ("assignee", None, None),
    ],
)
async def test_words_are_understood(stage: Stage, field: str, word: Any, read: Any) -> None:
    assert (await stage.http.post("/tickets", json=[ITEM | {field: word}])).status_code == 200
    [event] = reported(stage)
    assert getattr(event, "ticket_id" if field == "id" else field) == read


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"priority": "asap"}, "priority", "enum"),
        ({"priority": 1}, "priority", "enum"),
        ({"status": "vanished"}, "status", "enum"),
        ({"created_at": "2026-11-20T09:00:00"}, "created_at", "offset_missing"),
        ({"updated_at": "2026-11-20"}, "updated_at", "date_time"),
        ({"updated_at": 1763632800}, "updated_at", "date_time"),
        ({"updated_at": "0001-01-01T00:00:00Z"}, "updated_at", "range"),
        ({"customer_tier": "a b"}, "customer_tier", "string_pattern_mismatch"),
        ({"customer_tier": None}, "customer_tier", "string_type"),
        ({"id": "a b"}, "id", "string_pattern_mismatch"),
        ({"id": "a\n"}, "id", "string_pattern_mismatch"),
        ({"id": "x" * 129}, "id", "string_pattern_mismatch"),
        ({"id": True}, "id", "string_type"),
        ({"title": "x" * 501}, "title", "string_too_long"),
        ({"title": "a\x00b"}, "title", "string_pattern_mismatch"),
        ({"url": "javascript:alert(1)"}, "url", "string_pattern_mismatch"),
        ({"tags": ["x"] * 51}, "tags", "too_long"),
        ({"tags": [""]}, "tags.0", "string_too_short"),
        ({"prioritee": "high"}, "prioritee", "extra_forbidden"),
    ],
)
async def test_S1_a_wrong_field_refuses_the_whole_array_and_is_named(
    stage: Stage, change: dict[str, Any], field: str, code: str
) -> None:
    answer = await stage.http.post("/tickets", json=[ITEM, ITEM | change])
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["code"]) == (422, f"[1].{field}", code)
    assert stage.publisher.records == []


async def test_what_is_allowed_is_said(stage: Stage) -> None:
    answer = await stage.http.post("/tickets", json=[ITEM | {"priority": "asap"}])
    [error] = answer.json()["errors"]
    assert error["allowed"] == ["critical", "high", "medium", "low", "normal", "p1", "p2", "p3", "p4", "urgent"]


@pytest.mark.parametrize("missing", list(ITEM))
async def test_every_field_of_S1_is_needed(stage: Stage, missing: str) -> None:
    item = {name: value for name, value in ITEM.items() if name != missing}
    answer = await stage.http.post("/tickets", json=[item])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, f"[0].{missing}")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"[", 400, None),
        (b"", 400, None),
        (b'["\xff"]', 400, None),
        (b"[" * 200 + b"]" * 200, 400, None),
        (orjson.dumps(ITEM), 422, "body"),
        (b"null", 422, "body"),
        (b"[1]", 422, "[0]"),
        (orjson.dumps([ITEM] * 5001), 422, "body"),
    ],
)
async def test_another_shape_is_refused(stage: Stage, body: bytes, status: int, field: str | None) -> None:
    answer = await stage.http.post("/tickets", content=body, headers={"content-type": "application/json"})
    errors = answer.json().get("errors", [{"field": None}])
    assert (answer.status_code, errors[0]["field"]) == (status, field)
    assert stage.publisher.records == []


async def test_very_many_wrong_fields_are_told_bounded(stage: Stage) -> None:
    answer = await stage.http.post("/tickets", json=[{}] * 1000)
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 100)
    assert answer.json()["detail"] == "6000 fields are wrong; the first 100 are named"


async def test_no_tickets_are_answered_with_none(stage: Stage) -> None:
    answer = await stage.http.post("/tickets", json=[])
    assert (answer.status_code, answer.json()) == (200, [])


async def test_items_of_one_id_stay_in_order(stage: Stage) -> None:
    await stage.http.post("/tickets", json=[ITEM, ITEM | {"status": "pending"}, ITEM | {"status": "done"}])
    assert [one.status for one in reported(stage)] == ["open", "pending", "done"]
    assert len({record.partition for record in stage.publisher.records}) == 1


async def test_a_refused_item_holds_its_problem_and_the_others_stand(stage: Stage) -> None:
    unknown = "t_ldccopes6uacahgduvspztpl34-1"
    answer = await stage.http.post("/tickets", json=[ITEM, ITEM | {"id": unknown}, ITEM | {"id": "T-2"}])
    first, second, third = answer.json()
    assert (answer.status_code, first["ticket_id"], third["ticket_id"]) == (200, "T-1", "T-2")
    assert (second["status"], second["detail"]) == (404, f"no {unknown}")


async def test_S12_an_import_tells_nobody(stage: Stage) -> None:
    await stage.http.post("/tickets?notify=false", json=[ITEM])
    assert [one.notify for one in reported(stage)] == [False]
    assert (await stage.http.post("/tickets?notify=perhaps", json=[ITEM])).status_code == 422


async def test_what_is_not_decided_in_time_is_202_with_links_in_its_place() -> None:
    async with Stage(wait_seconds=0.05) as stage:
        stage.decisions = lambda record: decision(record) if b"T-1" in record.key else None
        answer = await stage.http.post("/tickets", json=[ITEM, ITEM | {"id": "T-2"}])
    first, second = answer.json()
    assert (answer.status_code, answer.headers["retry-after"], first["ticket_id"]) == (202, "1", "T-1")
    assert second["status_url"] == f"/commands/{second['event_id']}"


async def test_a_repeated_key_replays_and_asks_only_for_what_is_missing(stage: Stage) -> None:
    items, headers = [ITEM, ITEM | {"id": "T-2"}], {"idempotency-key": "k"}
    first = await stage.http.post("/tickets", json=items, headers=headers)
    ids = [from_headers(record.headers).id for record in stage.publisher.records]
    assert ids == [keyed_id("default", "POST", "/tickets", "k", index) for index in range(2)]
    again = await stage.http.post("/tickets", json=items, headers=headers)
    assert (again.status_code, again.content, len(stage.publisher.records)) == (200, first.content, 2)
    del stage.rows["default", ids[1]]
    assert (await stage.http.post("/tickets", json=items, headers=headers)).content == first.content
    assert [from_headers(record.headers).id for record in stage.publisher.records[2:]] == [ids[1]]
    other = await stage.http.post("/tickets", json=[ITEM], headers=headers)
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (422, "idempotency-key-reused")
    other = await stage.http.post("/tickets?notify=false", json=items, headers=headers)
    assert other.status_code == 422


async def test_the_log_being_away_is_503(stage: Stage) -> None:
    stage.publisher.available = False
    assert (await stage.http.post("/tickets", json=[ITEM])).status_code == 503


# --- words to the watchdog ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticket_id", ["T-1", "a.b:c_d-9", "t_ldccopes6uacahgduvspztpl34-1"])
async def test_every_id_a_ticket_can_have_is_addressed(stage: Stage, ticket_id: str) -> None:
    stage.decisions, stage.fact = None, TicketRegistered(**COMMON, **_columns())
    for method, path, body in (
        ("PATCH", "", {"status": "done"}),
        ("POST", "/acknowledge", None),
        ("POST", "/snooze", {"minutes": 5}),
        ("POST", "/escalate", {"reason": "VIP"}),
    ):
        answer = await stage.http.request(method, f"/tickets/{ticket_id}{path}", json=body)
        assert answer.status_code == 200, answer.text
    entity = ticket_id.rpartition("-")[0] if ticket_id.startswith("t_") else ticket_id
    assert {record.key for record in stage.publisher.records} == {f"default/{entity}".encode()}


def _columns() -> dict[str, Any]:
    return {
        "ticket_id": "T-1",
        "priority": "high",
        "customer_tier": "gold",
        "source_updated_at": COMMON["at"],
        "status": "open",
        "created_at": COMMON["at"],
    }


async def test_an_acknowledgement_says_who_and_why(stage: Stage) -> None:
    stage.decisions, stage.fact = None, TicketRegistered(**COMMON, **_columns())
    headers = {"x-actor": "ana", "if-match": '"41.17"'}
    await stage.http.post("/tickets/T-1/acknowledge", json={"reason": "on it"}, headers=headers)
    event = msgspec.json.decode(stage.publisher.records[0].value, type=TicketAcknowledgeRequested)
    assert event == TicketAcknowledgeRequested(ticket_id="T-1", actor="ana", reason="on it", if_version=41)
    await stage.http.post("/tickets/T-1/escalate", json={"actor": "bo"})
    asked = msgspec.json.decode(stage.publisher.records[1].value, type=TicketEscalateRequested)
    assert asked == TicketEscalateRequested(ticket_id="T-1", actor="bo")


async def test_a_snooze_ends_at_an_instant_or_after_minutes(stage: Stage) -> None:
    stage.decisions, stage.fact = None, TicketRegistered(**COMMON, **_columns())
    before = now_ms()
    await stage.http.post("/tickets/T-1/snooze", json={"minutes": 30})
    event = msgspec.json.decode(stage.publisher.records[0].value, type=TicketSnoozeRequested)
    assert before + 1_800_000 <= unix_ms(event.until) <= now_ms() + 1_800_000


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "until"),
        ({"minutes": 5, "until": "2026-11-20T09:00:00Z"}, "until"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": 43_201}, "minutes"),
        ({"until": "2026-11-20T09:00:00"}, "until"),
        ({"until": "2099-11-20T09:00:00Z"}, "until"),
        ({"minutes": 5, "reason": "x" * 2001}, "reason"),
        ({"minutes": 5, "who": "me"}, "who"),
    ],
)
async def test_a_wrong_snooze_names_its_field(stage: Stage, body: dict[str, Any], field: str) -> None:
    answer = await stage.http.post("/tickets/T-1/snooze", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert stage.publisher.records == []
