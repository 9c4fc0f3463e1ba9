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
from tocsin.projections.writes import Write, columns_of

Opening = contract.TicketOpened | contract.TicketRegistered
_SAID: Final = (
    *("metric", "priority", "customer_tier", "target_ms", "calendar", "calendar_version", "policy_version"),
    *("started_at", "due_at", "next_warning_percent", "next_warning_at"),
)
# The same of every clock that begins; what is named neither here nor there is null.
_GIVEN: Final = {
    "cycle": "1",
    "stage": "'in_progress'",
    "elapsed_ms": "0",
    "as_of": "started_at",
    "warned_percent": "0",
    "paused_ms": "0",
}
_KEY: Final = ("workspace", "ticket_id", "metric", "cycle")
_REPLACED: Final = ", ".join(f"{name} = excluded.{name}" for name in columns_of(sla_clocks) if name not in _KEY)
_COLUMNS: Final = columns_of(sla_clocks, "workspace", "ticket_id", "workflow", "version", *_SAID)
# Every new ticket has them: of the columns only those travel that tell one from another.
FIRST_CLOCKS: Final = Write(
    "insert first sla_clocks",
    _COLUMNS,
    f"""
    INSERT INTO sla_clocks ({", ".join((*_COLUMNS, *_GIVEN))})
    SELECT {", ".join((*_COLUMNS, *_GIVEN.values()))} FROM {{changed}}
    ON CONFLICT (workspace, ticket_id, metric, cycle) DO UPDATE SET {_REPLACED}
    WHERE sla_clocks.version <= excluded.version
    """,  # noqa: S608 - constants
)


class FirstClocks(NamedTuple):
    """columns: of the ticket. said: of each clock's row what ``FIRST_CLOCKS`` takes after the ticket's own."""

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
        *(clock.metric, clock.priority, clock.customer_tier, clock.target_ms),
        *(clock.calendar, clock.calendar_version or None, clock.policy_version),
        *(instant(clock.started_at), instant(clock.due_at)),
        *(clock.next_warning_percent or None, instant(clock.next_warning_at) if clock.next_warning_at else None),
    )


def next_due_at(clocks: Any) -> str | None:
    """The earliest due time of clocks in progress that was not missed yet."""
    due = [clock.due_at for clock in clocks if clock.stage == "in_progress" and not clock.breached_at and clock.due_at]
    return min(due, default=None)
