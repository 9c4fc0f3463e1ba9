"""The clocks that a ticket begins with: their rows, and what they make of the row of the ticket. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tocsin.events import sla
from tocsin.events import tickets as contract
from tocsin.events.vocabulary import DEFAULT_TIER, Priority
from tocsin.projections.apply.facts import instant
from tocsin.projections.apply.ticket_known import ClockKey, Columns
from tocsin.projections.projection import Row
from tocsin.projections.tables import sla_clocks
from tocsin.projections.writes import append, columns_of, insert

Opening = contract.TicketOpened | contract.TicketRegistered
_KEY: Final = ("workspace", "ticket_id", "metric", "cycle")
# What is not named is null.
_COLUMNS: Final = (
    *("workspace", "ticket_id", "workflow", "version"),
    *("metric", "cycle", "stage", "priority", "customer_tier", "target_ms", "calendar", "calendar_version"),
    *("policy_version", "started_at", "elapsed_ms", "as_of", "due_at"),
    *("warned_percent", "next_warning_percent", "next_warning_at", "paused_ms"),
)
_REPLACED: Final = ", ".join(f"{name} = excluded.{name}" for name in columns_of(sla_clocks) if name not in _KEY)
NEW_CLOCKS: Final = append(sla_clocks, *_COLUMNS)
# Of a ticket that was there, see ``ticket_rows.OPENED``.
FIRST_CLOCKS: Final = insert(
    sla_clocks,
    f"(workspace, ticket_id, metric, cycle) DO UPDATE SET {_REPLACED} WHERE sla_clocks.version <= excluded.version",
    *_COLUMNS,
)


class FirstClocks(NamedTuple):
    """columns: of the ticket. said: of each clock's row what stands after the ticket's own."""

    clocks: Mapping[ClockKey, sla.Clock]
    columns: Columns
    said: tuple[Row, ...]


def first_clocks(fact: Opening) -> FirstClocks | None:
    """None without clocks. Raises ValueError for a time that is none."""
    if not fact.clocks:
        return None
    if isinstance(fact, contract.TicketOpened):
        return _first_clocks(fact.clocks, fact.priority, DEFAULT_TIER, fact.at)
    return _first_clocks(fact.clocks, fact.priority, fact.customer_tier, fact.created_at)


@lru_cache(1024)  # the tickets of a batch begin with the same clocks
def _first_clocks(
    started: tuple[sla.StartedClock, ...], priority: Priority, customer_tier: str, created_at: str
) -> FirstClocks:
    clocks = [one.whole(priority, customer_tier, created_at) for one in started]
    return FirstClocks(
        {(clock.metric, clock.cycle): clock for clock in clocks},
        {"sla_state": sla.sla_state(clocks), "next_due_at": next_due_at(clocks)},
        tuple([_said(clock) for clock in clocks]),
    )


def _said(clock: sla.Clock) -> Row:
    return (
        *(clock.metric, clock.cycle, clock.stage, clock.priority, clock.customer_tier, clock.target_ms),
        *(clock.calendar, clock.calendar_version or None, clock.policy_version),
        *(instant(clock.started_at), clock.elapsed_ms, instant(clock.as_of), instant(clock.due_at)),
        *(clock.warned_percent, clock.next_warning_percent or None),
        *(instant(clock.next_warning_at) if clock.next_warning_at else None, clock.paused_ms),
    )


def next_due_at(clocks: Any) -> str | None:
    """The earliest due time of clocks in progress that was not missed yet."""
    due = [clock.due_at for clock in clocks if clock.stage == "in_progress" and not clock.breached_at and clock.due_at]
    return min(due, default=None)
