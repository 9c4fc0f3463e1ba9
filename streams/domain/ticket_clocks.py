"""Which clocks a ticket has and whether they run, by its status, priority and tier and by the policy that governs."""

from __future__ import annotations

import functools
from typing import Final, Literal

from tocsin.business_time import Calendar
from tocsin.events import sla as contract
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import METRICS, UNRESOLVED, Metric, Priority, TicketStatus
from tocsin.streams.domain import clock_moves
from tocsin.streams.domain.sla_rules import Goal, SlaPolicy
from tocsin.streams.domain.sla_state import OPEN, ORDINARY, Clock, Sla
from tocsin.streams.domain.sla_telling import Telling
from tocsin.streams.domain.ticket_state import Episode

Why = Literal["status", "acknowledged", "priority", "tier", "policy"]
FARTHEST_BACK_MS: Final = 3653 * 86_400_000
"""Clocks of a ticket that claims to be older count ten years."""
_SETTING: Final[frozenset[Why]] = frozenset({"priority", "tier"})
"""Changes upon which goals are asked for anew, whatever the policy says of clocks that run."""


def first_clocks(
    rules: SlaPolicy | None, tier: str, priority: Priority, source: str, *, at: int, now: int, created_at: int
) -> tuple[contract.StartedClock, ...]:
    """Those a ticket begins with, running since ``at``: the fact that begins it carries them. All in Unix ms."""
    if rules is None or source in rules.excluded:
        return ()
    return _first_clocks(rules, tier, priority, max(at, now - FARTHEST_BACK_MS), created_at)


@functools.lru_cache(1024)  # many tickets of a batch begin at one instant
def _first_clocks(
    rules: SlaPolicy, tier: str, priority: Priority, at: int, created_at: int
) -> tuple[contract.StartedClock, ...]:
    started_at = "" if at == created_at else rfc3339(at)
    return tuple(
        [
            contract.StartedClock(
                metric=metric,
                target_ms=goal.target_ms,
                calendar=goal.calendar,
                policy_version=rules.version,
                due_at=rfc3339(calendar.after(at, goal.target_ms)),
                started_at=started_at,
                calendar_version=goal.calendar_version,
                next_warning_percent=percent,
                next_warning_at=rfc3339(calendar.after(at, share)) if percent else "",
            )
            for metric, goal, calendar, percent, share in _first_goals(rules, tier, priority)
        ]
    )


@functools.lru_cache(256)
def _first_goals(
    rules: SlaPolicy, tier: str, priority: Priority
) -> tuple[tuple[Metric, Goal, Calendar, int, int], ...]:
    """What every such ticket begins with: goals, their calendars, the first warning and how much time it stands for."""
    goals, percent = rules.goals_of(tier, priority, ""), next(iter(rules.body.warn_at), 0)
    return tuple(
        (
            metric,
            goals[metric],
            rules.calendar(goals[metric].calendar, goals[metric].calendar_version),
            percent,
            clock_moves.share(goals[metric].target_ms, percent),
        )
        for metric in METRICS
        if metric in goals
    )


def stale(episode: Episode, rules: SlaPolicy) -> bool:
    """Whether the policy that governs wants other clocks than the unresolved ticket has."""
    if not rules.applies_to_running:
        return False
    sla, status = episode.sla or ORDINARY, episode.status
    goals = rules.goals_of(sla.customer_tier, sla.priority, episode.source)
    rests = status in rules.pause_on
    for clock in sla.clocks:
        goal = goals.get(clock.metric)
        if clock.stage in OPEN:
            if goal is None or not _is_by(clock, goal) or rests != (clock.stage == "paused"):
                return True
        elif goal is not None and _may_start(clock.metric, clock, status, sla):
            return True
    if len(sla.clocks) >= len(goals):
        return False
    return any(sla.latest(metric) is None and _may_start(metric, None, status, sla) for metric in goals)


def follow(telling: Telling, at: int, why: Why, status: TicketStatus | None = None) -> None:
    """Brings the clocks in line with the ticket as it is (``status``: as it was at that instant). Doing it again says
    nothing."""
    for metric in METRICS:
        _follow(telling, metric, at, why, status or telling.episode.status)


def _follow(telling: Telling, metric: Metric, at: int, why: Why, status: TicketStatus) -> None:
    rules, episode, sla = telling.rules, telling.episode, telling.sla
    clock = sla.latest(metric)
    if status not in UNRESOLVED:
        if clock is not None and clock.open:
            _stop(telling, clock, at, "resolved")
        return
    goal = rules.goals_of(sla.customer_tier, sla.priority, episode.source).get(metric)
    if clock is None or not clock.open:
        _begin(telling, metric, clock, goal, at, why, status)
    elif metric == "first_response" and _is_answered(status, sla):
        _stop(telling, clock, at, "acknowledged" if status == "open" else "status_left_open")
    else:
        _aim(telling, clock, goal, at)
    if (clock := telling.sla.latest(metric)) is not None and clock.open:
        _rest(telling, clock, at, status)


# --- start and stop -------------------------------------------------------------------------------------------------


def _is_answered(status: TicketStatus, sla: Sla) -> bool:
    return status != "open" or bool(sla.acknowledged_at)


def _may_start(metric: Metric, clock: Clock | None, status: TicketStatus, sla: Sla) -> bool:
    """The first response is asked for once; a resolution also again, after a re-open."""
    if metric == "first_response":
        fresh = clock is None or clock.stage == "cancelled"
        return fresh and not sla.forgotten and not _is_answered(status, sla)
    return True


def _begin(
    telling: Telling, metric: Metric, clock: Clock | None, goal: Goal | None, at: int, why: Why, status: TicketStatus
) -> None:
    rules, sla = telling.rules, telling.sla
    if goal is None or not _may_start(metric, clock, status, sla):
        return
    if clock is not None and clock.stage == "completed":
        if rules.body.on_reopen == "resume":
            telling.clock(contract.ClockResumed, "reopened", clock_moves.reopened(clock, rules, at))
            _aim(telling, telling.sla.latest(metric) or clock, goal, at)
        else:
            again = clock_moves.started(metric, clock.cycle + 1, goal, sla, rules, at)
            telling.clock(contract.ClockStarted, "new_cycle", again)
    elif clock is None and sla.forgotten:
        again = clock_moves.started(metric, sla.forgotten + 1, goal, sla, rules, at)
        telling.clock(contract.ClockStarted, "new_cycle", again)
    elif why in _SETTING or rules.applies_to_running:
        since = max(min(telling.episode.opened_at or at, at), telling.received.now - FARTHEST_BACK_MS)
        new = clock_moves.started(metric, clock.cycle + 1 if clock else 1, goal, sla, rules, since)
        rule = why if why in _SETTING else "policy"
        telling.clock(
            contract.ClockStarted,
            rule,
            new,
            values={"target_ms": goal.target_ms},
        )


def _stop(telling: Telling, clock: Clock, at: int, rule: str) -> None:
    telling.clock(contract.ClockStopped, rule, clock_moves.stopped(clock, telling.rules, at))
    end_ladder(telling, clock.metric, clock.cycle, "clock_stopped")


def end_ladder(telling: Telling, metric: Metric, cycle: int, rule: str) -> None:
    for climb in telling.sla.climbs:
        if (climb.metric, climb.cycle) == (metric, cycle):
            at, ladder = telling.received.now, climb.ladder
            telling.say(contract.EscalationStopped, rule, at=at, metric=metric, cycle=cycle, ladder=ladder)


# --- goals and pauses -----------------------------------------------------------------------------------------------


def _is_by(clock: Clock, goal: Goal) -> bool:
    return (clock.target_ms, clock.calendar, clock.calendar_version) == goal


def _aim(telling: Telling, clock: Clock, goal: Goal | None, at: int) -> None:
    """Another goal, or none any more."""
    rules, sla = telling.rules, telling.sla
    why: Literal["priority", "tier", "policy"]
    if clock.priority != sla.priority:
        why = "priority"
    elif clock.customer_tier != sla.customer_tier:
        why = "tier"
    elif rules.applies_to_running and (goal is None or not _is_by(clock, goal)):
        why = "policy"
    else:
        return
    if goal is None:
        telling.clock(contract.ClockCancelled, why, clock_moves.cancelled(clock, rules, at))
        end_ladder(telling, clock.metric, clock.cycle, "clock_cancelled")
        return
    changed = clock_moves.retargeted(clock, goal, sla, rules, at)
    telling.clock(
        contract.ClockRetargeted,
        why,
        changed,
        why=why,
        from_target_ms=clock.target_ms,
        from_calendar=clock.calendar,
        from_due_at=rfc3339(clock.due_at) if clock.due_at else "",
        from_policy_version=clock.policy_version,
    )


def _rest(telling: Telling, clock: Clock, at: int, status: TicketStatus) -> None:
    """Paused in the statuses that pause, else running."""
    rules, rests = telling.rules, status in telling.rules.pause_on
    if rests and clock.stage == "in_progress":
        telling.clock(contract.ClockPaused, "status_pauses", clock_moves.paused(clock, rules, at, status))
    elif not rests and clock.stage == "paused":
        telling.clock(contract.ClockResumed, "status_left", clock_moves.resumed(clock, rules, at))
