"""Reports, clocks and escalation to rows: what each fact changes, and that neither batches nor repeats matter."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.projections.fact_log import FactLog
from tests.unit.projections.memory_tables import MemoryTables
from tests.unit.projections.service_log import Served, ServiceLog, random_service_log
from tocsin.events.vocabulary import METRICS

REPLAYED = ("tickets", "clocks", "alerts", "notifications", "counts", "history", "policies")


def projected(log: FactLog) -> MemoryTables:
    tables = MemoryTables()
    tables.project(log.records)
    assert not tables.rejected
    return tables


def row(tables: MemoryTables, ticket_id: str) -> dict[str, Any]:
    found: dict[str, Any] = tables.tables["tickets"]["default", ticket_id]
    return found


def counters(tables: MemoryTables) -> dict[tuple[str, str], int]:
    return {(name, labels): value for (name, labels, _), (value,) in tables.tables["counters"].items()}


def test_S1_a_reported_ticket_is_a_row_of_its_own() -> None:
    service = ServiceLog()
    service.registered("T-1", title="Checkout is down", tags=("team:payments",), priority="critical")
    found = row(projected(service.log), "T-1")
    shown = {name: found[name] for name in ("priority", "customer_tier", "title", "message", "severity", "source")}
    assert shown == {
        "priority": "critical",
        "customer_tier": "gold",
        "title": "Checkout is down",
        "message": "Checkout is down",
        "severity": "critical",
        "source": "report",
    }
    assert (found["escalation_level"], found["sla_state"], found["episode"]) == (0, None, 0)
    assert (found["created_at"], found["updated_at"]) == ("2025-10-09T07:53:20.000Z", service.log.at)
    assert orjson.loads(found["tags"]) == ["team:payments"]


def test_S1_a_report_counts_no_occurrence() -> None:
    service = ServiceLog()
    service.registered()
    tables = projected(service.log)
    assert tables.tables["occurrences"] == {}
    assert ("occurrences_counted", "{}") not in counters(tables)


def test_a_later_report_changes_what_it_says_and_nothing_else() -> None:
    service = ServiceLog()
    one = service.registered(title="old", assignee="ana", tags=("a",))
    service.revised(one, priority="low", title="new")
    found = row(projected(service.log), "T-1")
    assert (found["priority"], found["severity"], found["title"], found["assignee"]) == ("low", "info", "new", "ana")
    assert found["tags"] == '["a"]'


def test_a_report_about_a_failure_leaves_its_words_and_severity() -> None:
    service = ServiceLog()
    failure = Served(service.log.opened(message="no space left", severity="error"))
    assert row(projected(service.log), failure.ticket_id)["priority"] == "high"
    service.revised(failure, priority="critical", title="Disk", customer_tier="gold")
    found = row(projected(service.log), failure.ticket_id)
    assert (found["message"], found["severity"], found["priority"], found["title"], found["customer_tier"]) == (
        "no space left",
        "error",
        "critical",
        "Disk",
        "gold",
    )


def test_the_state_of_a_ticket_follows_its_clocks() -> None:
    service = ServiceLog()
    one = service.registered()
    states = []

    def look() -> None:
        found = row(projected(service.log), "T-1")
        states.append((found["sla_state"], found["next_due_at"]))

    service.started(one, "first_response", due_at="2025-10-09T09:00:00.000Z")
    service.started(one, "resolution", same_event=True, due_at="2025-10-09T12:00:00.000Z")
    look()
    service.warned(one, "first_response")
    look()
    service.stopped(one, "first_response")
    look()
    service.paused(one, "resolution")
    look()
    service.resumed(one, "resolution")
    service.breached(one, "resolution")
    look()
    assert states == [
        ("on_track", "2025-10-09T09:00:00.000Z"),
        ("at_risk", "2025-10-09T09:00:00.000Z"),
        ("on_track", "2025-10-09T12:00:00.000Z"),
        ("paused", None),
        ("breached", None),
    ]


def test_a_ticket_and_the_clocks_it_begins_with_come_of_one_fact() -> None:
    service = ServiceLog()
    clocks = service.first_clocks(calendar_version="1f3a9b2c", next_warning_percent=75, next_warning_at=service.log.at)
    failure = service.opened(clocks=clocks)
    service.registered("T-1", clocks=service.first_clocks(started_at="2025-10-09T07:00:00.000Z"))
    tables = projected(service.log)
    assert {(key[1], key[2]) for key in tables.tables["clocks"]} == {
        (ticket_id, metric) for ticket_id in (failure.ticket_id, "T-1") for metric in METRICS
    }
    found = row(tables, failure.ticket_id)
    assert (found["sla_state"], found["next_due_at"]) == ("on_track", clocks[0].due_at)
    clock = tables.tables["clocks"]["default", failure.ticket_id, "resolution", 1]
    shown = {name: clock[name] for name in clock if clock[name] is not None}
    assert shown == {
        "workspace": "default",
        "ticket_id": failure.ticket_id,
        "metric": "resolution",
        "cycle": 1,
        "stage": "in_progress",
        "priority": "high",
        "customer_tier": "default",
        "workflow": "deploy",
        "target_ms": 3_600_000,
        "calendar": "24x7",
        "calendar_version": "1f3a9b2c",
        "policy_version": clocks[1].policy_version,
        "started_at": found["created_at"],
        "elapsed_ms": 0,
        "as_of": found["created_at"],
        "due_at": clocks[1].due_at,
        "warned_percent": 0,
        "next_warning_percent": 75,
        "next_warning_at": clocks[1].next_warning_at,
        "paused_ms": 0,
        "version": found["version"],
    }
    reported = tables.tables["clocks"]["default", "T-1", "resolution", 1]
    assert (reported["started_at"], reported["customer_tier"]) == ("2025-10-09T07:00:00.000Z", "gold")


def test_a_first_clock_that_is_no_clock_rejects_its_ticket_alone() -> None:
    service = ServiceLog()
    service.registered("T-1", clocks=service.first_clocks(due_at="soon"))
    service.registered("T-2")
    tables = MemoryTables()
    tables.project(service.log.records)
    assert [one.item.body.ticket_id for one in tables.rejected] == ["T-1"]
    assert {key[1] for key in tables.tables["tickets"]} == {"T-2"}


def test_S2_warnings_breaches_and_escalations_are_kept_with_what_explains_them() -> None:
    service = ServiceLog()
    one = service.registered()
    service.started(one, "resolution")
    service.warned(one, "resolution", 90)
    service.breached(one, "resolution", lateness_ms=12)
    service.escalated(one, same_event=True)
    tables = projected(service.log)
    alerts = list(tables.tables["alerts"].values())
    assert [(alert["kind"], alert["percent"], alert["level"], alert["lateness_ms"]) for alert in alerts] == [
        ("warning", 90, 0, 0),
        ("breach", None, 1, 12),
        ("escalation", None, 1, 0),
    ]
    assert orjson.loads(alerts[2]["notifications"]) == [
        {"notification_id": "T-1-n1", "channel": "slack", "kind": "slack"}
    ]
    assert orjson.loads(alerts[1]["clock"])["target_ms"] == 3_600_000
    assert "sealed" not in str(tables.tables["alerts"])
    assert row(tables, "T-1")["escalation_level"] == 1


def test_the_level_never_falls() -> None:
    service = ServiceLog()
    one = service.registered()
    service.escalated(one, level=3)
    service.escalated(one, level=2)
    assert row(projected(service.log), "T-1")["escalation_level"] == 3


def test_two_clocks_of_one_event_are_both_kept_even_in_two_batches() -> None:
    service = ServiceLog()
    one = service.registered()
    service.started(one, "first_response", same_event=True)
    service.started(one, "resolution", same_event=True)
    tables = MemoryTables()
    for record in service.log.records:
        tables.project([record])
    assert {key[2] for key in tables.tables["clocks"]} == {"first_response", "resolution"}


def test_messages_go_from_requested_to_their_result_once() -> None:
    service = ServiceLog()
    one = service.registered()
    service.escalated(one)
    service.recorded(one, "T-1-n1", "failed")
    service.recorded(one, "T-1-n1", "succeeded")
    tables = projected(service.log)
    message = tables.tables["notifications"]["default", "T-1-n1"]
    assert (message["result"], message["attempts"], message["reason"], message["level"]) == ("failed", 2, "breach", 1)
    found = counters(tables)
    assert found["sla_notifications", '{"result":"requested"}'] == 1
    assert found["sla_notifications", '{"result":"failed"}'] == 1
    assert ("sla_notifications", '{"result":"succeeded"}') not in found


def test_the_end_of_a_message_nobody_asked_for_is_rejected() -> None:
    service = ServiceLog()
    one = service.registered()
    service.recorded(one, "other")
    tables = MemoryTables()
    tables.project(service.log.records)
    assert [one.reason for one in tables.rejected] == ["notification other was never asked for"]


def test_counters_tell_breaches_and_how_late_they_were_noticed() -> None:
    service = ServiceLog()
    one = service.registered()
    service.started(one, "resolution")
    service.warned(one, "resolution")
    service.breached(one, "resolution", lateness_ms=600)
    service.escalated(one, same_event=True)
    found = counters(projected(service.log))
    assert found["sla_warnings", '{"metric":"resolution"}'] == 1
    assert found["sla_breaches", '{"metric":"resolution","priority":"high"}'] == 1
    assert found["sla_escalations", '{"reason":"breach"}'] == 1
    assert found["sla_lateness_bucket", '{"le":"1"}'] == 1
    assert found["sla_lateness_milliseconds", "{}"] == 600


def test_history_has_what_people_did_and_no_running_of_clocks() -> None:
    service = ServiceLog()
    one = service.registered()
    service.started(one, "resolution", same_event=True)
    service.acknowledged(one)
    service.snoozed(one)
    service.breached(one, "resolution")
    service.escalated(one, same_event=True)
    history = list(projected(service.log).tables["history"].values())
    assert [(entry["kind"], entry["actor"], entry["reason"]) for entry in history] == [
        ("TicketRegistered", None, None),
        ("TicketAcknowledged", "ana", "on it"),
        ("TicketSnoozed", "ana", None),
        ("Escalated", None, None),
    ]


def test_a_time_that_is_none_rejects_its_fact_alone() -> None:
    service = ServiceLog()
    one = service.registered()
    service.started(one, "resolution", started_at="yesterday")
    service.started(one, "first_response", same_event=True)
    tables = MemoryTables()
    tables.project(service.log.records)
    assert len(tables.rejected) == 1
    assert [key[2] for key in tables.tables["clocks"]] == ["first_response"]


# --- batches and repeats --------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_any_batching_gives_the_same_rows(seed: int, sizes: list[int]) -> None:
    log = random_service_log(60, seed)
    whole, cut = projected(log), MemoryTables()
    choose, at = random.Random(seed), 0
    while at < len(log.records):
        size = choose.choice(sizes)
        cut.project(log.records[at : at + size])
        at += size
    assert cut.tables == whole.tables


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 9))
def test_facts_torn_and_written_again_change_nothing(seed: int, torn: int, batch: int) -> None:
    """Any run of the newest facts comes a second time at later offsets, as a torn transaction would leave it."""
    log = random_service_log(40, seed)
    once, twice = projected(log), MemoryTables()
    again = [record._replace(offset=record.offset + 10_000) for record in log.records[-torn:]]
    records = [*log.records, *again]
    for at in range(0, len(records), batch):
        twice.project(records[at : at + batch])
    for name in REPLAYED:
        assert twice.tables[name] == once.tables[name], name


@given(st.integers(0, 2**32))
def test_counts_are_those_of_the_tickets(seed: int) -> None:
    tables = projected(random_service_log(60, seed))
    by_hand: Counter[tuple[object, ...]] = Counter()
    for one in tables.tables["tickets"].values():
        for dimension, value in (("", ""), ("customer_tier", one["customer_tier"])):
            kind = one["priority"], one["sla_state"] or "", one["escalation_level"]
            by_hand[dimension, value, one["status"], one["hidden"], one["severity"], *kind] += 1
    kept = {key[1:-1]: number for key, (number,) in tables.tables["counts"].items() if key[1] in ("", "customer_tier")}
    assert kept == by_hand
