"""Live events are written with the fact they tell of: by workspace, in the order of their causes, each with its id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.unit.runtime.records import START, applied, empty_state, record
from tocsin.events import tickets as contract
from tocsin.events.envelope import from_headers
from tocsin.events.identity import failure_entity, partition_of, record_key
from tocsin.events.live import LIVE_EVENTS, LiveEvent, LiveEvents
from tocsin.events.topics import LIVE, facts_topic
from tocsin.streams.domain.decision import no_live
from tocsin.streams.domain.tickets import TICKETS
from tocsin.streams.runtime import live_records
from tocsin.streams.runtime.id_ring import IdRing
from tocsin.streams.runtime.partition_state import PartitionState

FACTS = facts_topic("tickets")


def of_workspace(offset: int, workspace: str, identifier: str, **changes: Any) -> Any:
    key = record_key(workspace, failure_entity(workspace, "nightly", identifier))
    return record(offset, identifier=identifier, key=key, envelope={"workspace": workspace}, **changes)


def here(workspace: str) -> tuple[str, int]:
    return LIVE, partition_of(workspace.encode(), 4)


def test_S5_a_live_event_names_its_cause_and_its_workspace() -> None:
    _, prepared = applied(empty_state(), of_workspace(0, "acme", "a"))
    ((key, value, headers),) = prepared.records[here("acme")]
    envelope = from_headers(headers)
    assert (key, envelope.type, envelope.workspace, envelope.causation_id) == (b"acme", LIVE_EVENTS, "acme", "e0")
    assert envelope.source == "/tocsin/streams/tickets"
    (event,) = msgspec.json.decode(value or b"", type=LiveEvents).events
    (decided,) = prepared.facts
    assert (event.type, event.occurred_at) == ("ticket.opened", decided.fact.at)


def test_S5_the_events_of_a_workspace_are_in_the_order_of_their_causes() -> None:
    """Facts are kept together by entity and repeats counted to the end of the batch; clients see the log's order."""
    records = [of_workspace(number, "acme", identifier) for number, identifier in enumerate("abacbd")]
    _, prepared = applied(empty_state(), *records)
    (written,) = prepared.records[here("acme")]
    events = msgspec.json.decode(written.value or b"", type=LiveEvents).events
    opened = {}
    for decided in prepared.facts:
        if isinstance(decided.fact, contract.TicketOpened):
            opened[decided.fact.ticket_id] = decided.fact.cause.offset
    assert [opened[event.ticket_id or ""] for event in events] == [0, 1, 3, 5]
    envelope = from_headers(written.headers)
    assert (envelope.id, envelope.causation_id) == ("tickets:0:5:0:live", "")
    assert envelope.id not in {from_headers(one.headers).id for one in prepared.records[FACTS, 0]}


def test_S5_a_flood_takes_several_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is larger than a reader takes at a time, or holds more than a position can name."""
    monkeypatch.setattr(live_records, "MAX_EVENTS", 150)
    records = [of_workspace(number, "acme", f"id-{number}") for number in range(400)]
    _, prepared = applied(empty_state(), *records)
    written = prepared.records[here("acme")]
    parts = [msgspec.json.decode(one.value or b"", type=LiveEvents).events for one in written]
    assert [len(part) for part in parts] == [150, 150, 100]
    assert len({event.ticket_id for part in parts for event in part}) == 400
    assert len({from_headers(one.headers).id for one in written}) == 3
    monkeypatch.setattr(live_records, "_BYTES", 1)
    _, prepared = applied(empty_state(), *records)
    assert len(prepared.records[here("acme")]) == 400


def test_S5_workspaces_are_apart() -> None:
    records = [of_workspace(number, workspace, "a") for number, workspace in enumerate(("acme", "beta", "default"))]
    _, prepared = applied(empty_state(), *records)
    written = [one for where, found in prepared.records.items() if where[0] == LIVE for one in found]
    assert sorted(one.key or b"" for one in written) == [b"acme", b"beta", b"default"]
    for one in written:
        assert one in prepared.records[here((one.key or b"").decode())]


def test_repeats_write_no_live_event() -> None:
    state = empty_state()
    applied(state, record(0))
    _, prepared = applied(state, record(1), record(2))
    assert not [where for where in prepared.records if where[0] == LIVE]


def test_a_domain_without_live_events_writes_none() -> None:
    state = PartitionState(replace(TICKETS, live=no_live), IdRing(600_000, 1000))
    _, prepared = applied(state, record(0))
    assert not [where for where in prepared.records if where[0] == LIVE]


def test_a_live_event_that_cannot_be_encoded_is_found_before_the_transaction() -> None:
    def live(fact: Any) -> list[LiveEvent]:
        poisoned = isinstance(fact, contract.TicketOpened) and fact.identifier == "bad"
        return [LiveEvent(type="ticket.opened", occurred_at=fact.at, data={"x": object()})] if poisoned else []

    state = PartitionState(replace(TICKETS, live=live), IdRing(600_000, 1000))
    draft, prepared = applied(
        state,
        of_workspace(0, "acme", "good"),
        of_workspace(1, "acme", "bad"),
        of_workspace(2, "acme", "fine", timestamp=START + 5),
        probe=True,
    )
    assert [(letter.reason, letter.record.offset) for letter in draft.dead_letters] == [("cannot_encode", 1)]
    assert len(prepared.facts) == 2
