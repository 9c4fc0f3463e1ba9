"""What the decide stage really says, projected: the rows tell what the decisions remember, and no fact is taken for a
repeat of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import given as words
from tests.unit.domain.sla_story import DAY, START, TICKET, Desk, as_older_logs_say
from tests.unit.domain.test_sla_properties import GOVERNING, HISTORIES, played
from tests.unit.projections.fact_log import FactLog
from tests.unit.projections.memory_tables import MemoryTables
from tocsin.events import sla, tickets
from tocsin.events.times import rfc3339, unix_ms

# What is told of a ticket beside its own row and its clocks.
KEPT = (sla.Escalated, sla.ClockWarned, sla.ClockBreached)


def projected(desk: Desk, batch: int, said: Callable[[Any], list[Any]] = lambda fact: [fact]) -> MemoryTables:
    log = FactLog()
    for fact in desk.facts:
        for one in said(fact):
            log.write(one)
    tables = MemoryTables()
    for at in range(0, len(log.records), batch):
        tables.project(log.records[at : at + batch])
    assert not tables.rejected
    return tables


def assert_told(desk: Desk, tables: MemoryTables, ticket_id: str) -> None:
    row: dict[str, Any] = tables.tables["tickets"]["default", ticket_id]
    episode, memory = desk.episode, desk.sla
    assert (row["version"], row["status"], row["hidden"]) == (episode.version, episode.status, episode.hidden)
    assert unix_ms(row["updated_at"]) == episode.updated_at
    assert (row["priority"], row["customer_tier"]) == (memory.priority, memory.customer_tier)
    assert row["escalation_level"] == memory.level
    clocks = {(metric, cycle): clock for (_, _, metric, cycle), clock in tables.tables["clocks"].items()}
    for known in memory.clocks:
        clock = clocks[known.metric, known.cycle]
        assert (clock["stage"], clock["target_ms"]) == (known.stage, known.target_ms)
        assert (clock["due_at"] or "") == (rfc3339(known.due_at) if known.due_at and clock["due_at"] else "")
        assert bool(clock["breached_at"]) == bool(known.breached_at)
    ahead = [
        clock["due_at"]
        for clock in clocks.values()
        if clock["stage"] == "in_progress" and not clock["breached_at"] and clock["due_at"]
    ]
    assert row["next_due_at"] == min(ahead, default=None)


def assert_kept(desk: Desk, tables: MemoryTables) -> None:
    kept = Counter(alert["kind"] for alert in tables.tables["alerts"].values())
    said = Counter(type(fact) for fact in desk.facts)
    assert [kept[kind] for kind in ("escalation", "warning", "breach")] == [said[kind] for kind in KEPT]
    asked = {one.notification_id for fact in desk.facts if type(fact) is sla.Escalated for one in fact.notifications}
    assert {key[1] for key in tables.tables["notifications"]} == asked
    moves = [fact for fact in desk.facts if type(fact) is tickets.StatusChanged]
    assert len(moves) == sum(entry["kind"] == "StatusChanged" for entry in tables.tables["history"].values())


@given(GOVERNING, HISTORIES, st.booleans(), st.integers(1, 20))
def test_X1_rows_of_reported_tickets_tell_what_decisions_remember(
    governing: Any, history: list[tuple[Any, int]], punctual: bool, batch: int
) -> None:
    desk = played(governing, history, punctual=punctual)
    desk.until(2 * DAY)
    tables = projected(desk, batch)
    assert_told(desk, tables, TICKET)
    assert_kept(desk, tables)


@given(GOVERNING, HISTORIES, st.integers(1, 20))
def test_X1_an_older_log_with_first_clocks_of_their_own_gives_the_same_rows(
    governing: Any, history: list[tuple[Any, int]], batch: int
) -> None:
    desk = played(governing, history)
    now, before = projected(desk, batch), projected(desk, batch, as_older_logs_say)
    # what tells a repeat of the beginning, and where an entry of the history is in the log, are of the log
    for name in ("clocks", "counts", "search"):
        assert now.tables[name] == before.tables[name], name
    assert shown(now, "tickets", "version_facts") == shown(before, "tickets", "version_facts")
    for name in ("history", "alerts", "notifications"):
        assert shown(now, name, "offset") == shown(before, name, "offset"), name


def shown(tables: MemoryTables, name: str, without: str) -> list[dict[str, Any]]:
    rows = tables.tables[name].values()
    return [{column: value for column, value in row.items() if column != without} for row in rows]


@given(GOVERNING, st.lists(st.sampled_from(["fail", "done", "open", "pending", "ack", "wait"]), max_size=12))
def test_X1_rows_of_failures_tell_what_decisions_remember(governing: Any, story: list[str]) -> None:
    desk = Desk(governing, words.ENTITY)
    desk.at(0, words.failure())
    after = 0
    for what in story:
        after += 40 * 60_000
        ticket_id = desk.state.ticket_id(desk.episode) if desk.state else ""
        if what == "fail":
            desk.at(after, words.failure(severity="critical"))
        elif what == "ack":
            desk.at(after, sla.TicketAcknowledgeRequested(ticket_id=ticket_id, actor="ana"))
        elif what != "wait":
            desk.at(after, words.change(what, ticket_id))
    desk.until(after + DAY)
    tables = projected(desk, 3)
    assert desk.state is not None
    assert desk.now >= START
    assert_told(desk, tables, desk.state.ticket_id(desk.episode))
    assert_kept(desk, tables)
