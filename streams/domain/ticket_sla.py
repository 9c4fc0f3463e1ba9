"""The SLA half of the tickets decisions: what follows for clocks and levels from an event, and from time passing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tocsin.events import sla as contract
from tocsin.events import tickets
from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339
from tocsin.streams.domain import clock_moves
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.sla_rules import SlaPolicy
from tocsin.streams.domain.sla_state import Climb, Clock
from tocsin.streams.domain.sla_telling import Telling
from tocsin.streams.domain.ticket_clocks import Why, follow, stale
from tocsin.streams.domain.ticket_escalation import Rising
from tocsin.streams.domain.ticket_state import Episode, TicketState, evolve

_NEVER: Final = 1 << 62
_AT_MOST: Final = 1000
"""Steps of ladders in one go; none has so many."""


def next_due(episode: Episode, rules: SlaPolicy) -> int | None:
    """When something of an unresolved ticket is due, Unix ms; at once when the policy wants other clocks."""
    if stale(episode, rules):
        return rules.body.activated_at
    return episode.sla.next_due if episode.sla is not None else None


def advance(state: TicketState, episode: Episode, received: Received, rules: SlaPolicy) -> Sequence[Fact]:
    """What is due by now. The policy governs from its activation on: what was due before that was due under the terms
    before, whenever it is noticed."""
    telling = Telling(state, episode, received, rules)
    rising = Rising(telling)
    if stale(episode, rules):
        since = min(rules.body.activated_at, received.now)
        run_timers(telling, rising, since)
        follow(telling, since, "policy")
        rising.sweep()
    run_timers(telling, rising, received.now)
    rising.finish()
    return telling.facts


def after(
    state: TicketState,
    episode: Episode,
    received: Received,
    rules: SlaPolicy,
    why: Why,
    *,
    notify: bool = True,
) -> Sequence[Fact]:
    """What follows from a change of the ticket, which is as ``state`` says."""
    telling = Telling(state, episode, received, rules, notify=notify)
    follow(telling, received.now, why)
    due = telling.sla.next_due
    if due is not None and due <= received.now:
        rising = Rising(telling)
        run_timers(telling, rising, received.now)
        rising.finish()
    return telling.facts


_MOVING: Final[dict[type, Why]] = {
    tickets.TicketOpened: "status",
    tickets.TicketReopened: "status",
    tickets.StatusChanged: "status",
    tickets.PriorityRaised: "priority",
}


def followed(state: TicketState | None, facts: Sequence[Fact], received: Received, rules: SlaPolicy) -> Sequence[Fact]:
    """What a change of a ticket that was just decided means for its clocks. ``state``: before it."""
    changed: Any = facts[-1]
    if (why := _MOVING.get(type(changed))) is None:
        return ()
    if type(changed) is tickets.TicketOpened and changed.status not in rules.pause_on:
        return ()  # it carries the clocks it begins with, and they run
    for fact in facts:
        state = evolve(state, fact)
    episode = state.episode(changed.ticket_id) if state else None
    if state is None or episode is None:
        return ()
    return after(state, episode, received, rules, why)


def run_timers(telling: Telling, rising: Rising, until: int) -> None:
    """Warnings, breaches and steps of ladders that are due by then, in order of time."""
    for _ in range(_AT_MOST):
        clock, clock_due = _first_clock(telling, until)
        climb, climb_due = _first_climb(telling, rising, until)
        if clock is not None and clock_due <= climb_due:
            if clock.due_at <= until:
                _breach(telling, rising, clock)
            else:
                _warn(telling, clock, until)
        elif climb is not None:
            rising.due(climb, climb_due)
        else:
            return


def _first_clock(telling: Telling, until: int) -> tuple[Clock | None, int]:
    """The clock that is due first by then. A breach that is due as well stands for the warning before it."""
    first, earliest = None, _NEVER
    for clock in telling.sla.clocks:
        due = clock.next_due
        if due and due <= until:
            due = clock.due_at if clock.due_at <= until else due
            if due < earliest:
                first, earliest = clock, due
    return first, earliest


def _first_climb(telling: Telling, rising: Rising, until: int) -> tuple[Climb | None, int]:
    first, earliest = None, _NEVER
    snoozed = telling.sla.snoozed_until
    for climb in rising.climbs.values():
        due = max(climb.next_at, snoozed)
        if climb.next_at and due <= until and due < earliest:
            first, earliest = climb, due
    return first, earliest


def _breach(telling: Telling, rising: Rising, clock: Clock) -> None:
    now = telling.received.now
    missed = clock_moves.breached(clock, now)
    rising.breached(missed)
    telling.clock(
        contract.ClockBreached,
        "due_passed",
        missed,
        lateness_ms=max(0, now - missed.breached_at),
        level=rising.level,
        values={"due_at": rfc3339(missed.breached_at), "target_ms": clock.target_ms},
    )


def _warn(telling: Telling, clock: Clock, until: int) -> None:
    changed, at = clock_moves.warned(clock, telling.rules, until)
    telling.clock(
        contract.ClockWarned,
        "threshold_passed",
        changed,
        percent=changed.warned_percent,
        warned_at=rfc3339(at),
        level=telling.sla.level,
    )
