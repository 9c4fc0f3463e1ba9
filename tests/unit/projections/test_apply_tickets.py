"""Facts to rows: what each fact changes, and that batching changes nothing."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.projections.fact_log import FactLog, Ticket, random_log
from tests.unit.projections.memory_tables import MemoryTables


def projected(log: FactLog) -> MemoryTables:
    tables = MemoryTables()
    tables.project(log.records)
    return tables


def row(tables: MemoryTables, ticket: Ticket) -> dict[str, Any]:
    found: dict[str, Any] = tables.tables["tickets"]["default", ticket.ticket_id]
    return found


def test_an_opened_ticket_shows_its_failure_verbatim() -> None:
    log = FactLog()
    context = b'{"n":1e400,"z":"\\u0000"}'
    ticket = log.opened("deploy", "run-1", message="no space left", context=msgspec.Raw(context))
    found = row(projected(log), ticket)
    assert (found["status"], found["hidden"], found["occurrences"], found["deliveries"]) == ("open", False, 1, 1)
    assert found["created_at"] == found["updated_at"] == log.at
    assert found["context"] == context.decode()
    assert found["message"] == "no space left"


def test_a_fact_changes_only_what_it_carries() -> None:
    log = FactLog()
    ticket = log.opened(message="first", severity="critical")
    log.changed(ticket, "in_progress")
    log.counted(ticket, occurrences=0)
    found = row(projected(log), ticket)
    assert (found["message"], found["severity"], found["status"]) == ("first", "critical", "in_progress")
    assert (found["occurrences"], found["deliveries"]) == (1, 2)


def test_resolution_and_re_opening_set_and_clear_their_times() -> None:
    log = FactLog()
    ticket = log.opened()
    log.changed(ticket, "done", reason="fixed")
    resolved_at = log.at
    done = row(projected(log), ticket)
    assert done["resolved_at"] == resolved_at
    assert done["reopen_until"] is not None
    log.hidden(ticket)
    assert row(projected(log), ticket)["hidden"] is True
    log.reopened(ticket, message="again")
    again = row(projected(log), ticket)
    assert (again["status"], again["resolved_at"], again["reopen_until"], again["hidden"]) == (
        "open",
        None,
        None,
        False,
    )
    assert again["message"] == "again"


def test_a_command_that_re_opens_unhides() -> None:
    log = FactLog()
    ticket = log.opened()
    log.changed(ticket, "done")
    log.hidden(ticket)
    log.changed(ticket, "open")
    assert row(projected(log), ticket)["hidden"] is False


def test_the_end_of_the_window_moves_only_the_version() -> None:
    log = FactLog()
    ticket = log.opened()
    log.changed(ticket, "done")
    before = dict(row(projected(log), ticket))
    log.window_ended(ticket)
    after = row(projected(log), ticket)
    assert {name for name in after if after[name] != before[name]} == {"version", "version_facts"}


def test_history_has_every_move_with_its_cause_and_no_counting() -> None:
    log = FactLog()
    ticket = log.opened()
    log.counted(ticket)
    log.changed(ticket, "done", reason="fixed")
    log.hidden(ticket)
    history = list(projected(log).tables["history"].values())
    assert [(one["kind"], one["from_status"], one["status"], one["actor"]) for one in history] == [
        ("TicketOpened", None, "open", None),
        ("StatusChanged", "open", "done", "ada"),
        ("TicketHidden", "done", "done", "ada"),
    ]
    assert msgspec.json.decode(history[1]["cause"])["rule"] == "legal_move"
    assert history[1]["reason"] == "fixed"


def test_occurrences_add_up_by_the_hour_they_were_accepted_in() -> None:
    log = FactLog()
    ticket = log.opened()
    log.counted(ticket, 4, 6)
    log.now += 3_600_000
    log.counted(ticket, 0, 1)
    hours = projected(log).tables["occurrences"]
    assert sorted(hours.values()) == [(0, 1), (5, 7)]


def test_counters_name_the_decisions() -> None:
    log = FactLog()
    ticket = log.opened()
    log.counted(ticket, 3)
    log.refused(ticket.ticket_id)
    counters = {(name, labels): value for (name, labels, _), (value,) in projected(log).tables["counters"].items()}
    assert counters["tickets_opened", "{}"] == 1
    assert counters["occurrences_counted", "{}"] == 4
    assert counters["decisions", '{"domain":"tickets","fact":"CommandRefused","reason":"final"}'] == 1


def test_a_fact_about_an_unknown_ticket_is_rejected_with_its_reason() -> None:
    log = FactLog()
    ticket = log.opened()
    log.counted(ticket)
    tables = MemoryTables()
    tables.project(log.records[1:])
    assert [one.reason for one in tables.rejected] == [f"ticket {ticket.ticket_id} was never opened"]


def test_a_time_that_is_none_rejects_its_fact_alone() -> None:
    log = FactLog()
    ticket = log.opened()
    record = log.records[0]
    assert record.value is not None
    broken = record._replace(value=record.value.replace(b'"first_seen_at":"2', b'"first_seen_at":"x'))
    other = log.opened("deploy", "run-2")
    tables = MemoryTables()
    tables.project([broken, log.records[1]])
    assert len(tables.rejected) == 1
    assert ("default", ticket.ticket_id) not in tables.tables["tickets"]
    assert row(tables, other)["status"] == "open"


def test_two_facts_of_one_event_both_count_even_in_two_batches() -> None:
    log = FactLog()
    ticket = log.opened()
    log.changed(ticket, "done")
    log.window_ended(ticket)
    version = log.version
    log.version -= 1  # the command that woke the entity is the cause of both
    log.changed(ticket, "open")
    assert log.version == version
    tables = MemoryTables()
    for record in log.records:
        tables.project([record])
    assert row(tables, ticket)["status"] == "open"


def test_facts_written_again_at_later_offsets_change_nothing() -> None:
    """A torn transaction: the same decision twice in the log."""
    log = random_log(60, 7)
    once, twice = MemoryTables(), MemoryTables()
    once.project(log.records)
    shifted = [record._replace(offset=record.offset + 10_000) for record in log.records]
    twice.project(log.records)
    twice.project(shifted)
    assert twice.tables["tickets"] == once.tables["tickets"]
    assert twice.tables["counts"] == once.tables["counts"]
    assert twice.tables["occurrences"] == once.tables["occurrences"]


@given(st.integers(0, 2**32), st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_any_batching_gives_the_same_rows(seed: int, sizes: list[int]) -> None:
    log = random_log(120, seed)
    whole, cut = MemoryTables(), MemoryTables()
    whole.project(log.records)
    choose = random.Random(seed)
    at = 0
    while at < len(log.records):
        size = choose.choice(sizes)
        cut.project(log.records[at : at + size])
        at += size
    assert cut.tables == whole.tables
    assert not whole.rejected


@given(st.integers(0, 2**32))
def test_counts_are_those_of_the_tickets(seed: int) -> None:
    log = random_log(150, seed)
    tables = projected(log)
    by_hand: dict[tuple[object, ...], int] = {}
    for one in tables.tables["tickets"].values():
        for dimension in ("", "workflow", "source", "customer_tier"):
            value = one[dimension] if dimension else ""
            kind = one["status"], one["hidden"], one["severity"], one["priority"], "", one["escalation_level"]
            cell = (one["workspace"], dimension, value, *kind, 0)
            by_hand[cell] = by_hand.get(cell, 0) + 1
    assert {key: value for key, (value,) in tables.tables["counts"].items()} == by_hand
