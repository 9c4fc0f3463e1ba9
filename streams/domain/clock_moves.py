"""How one SLA clock moves: each function gives the clock after a change at an instant.

Due times are computed here, once per change, so that waiting for them is comparing integers.
"""

from __future__ import annotations

import msgspec

from tocsin.events.vocabulary import Metric
from tocsin.streams.domain.sla_rules import Goal, SlaPolicy
from tocsin.streams.domain.sla_state import Clock, Sla

replace = msgspec.structs.replace


def started(metric: Metric, cycle: int, goal: Goal, sla: Sla, rules: SlaPolicy, at: int) -> Clock:
    """A new clock that runs since ``at``."""
    clock = Clock(
        metric,
        cycle,
        "in_progress",
        sla.priority,
        sla.customer_tier,
        goal.target_ms,
        goal.calendar,
        rules.version,
        at,
        0,
        at,
        goal.calendar_version,
    )
    return _scheduled(clock, rules)


def elapsed_at(clock: Clock, rules: SlaPolicy, at: int) -> int:
    """Open time consumed by then, ms."""
    if clock.stage != "in_progress":
        return clock.elapsed_ms
    return clock.elapsed_ms + rules.calendar(clock.calendar, clock.calendar_version).between(clock.as_of, at)


def paused(clock: Clock, rules: SlaPolicy, at: int, reason: str) -> Clock:
    return replace(
        _resting(clock, rules, at),
        stage="paused",
        paused_at=max(at, clock.as_of),
        pause_reason=reason,
    )


def resumed(clock: Clock, rules: SlaPolicy, at: int) -> Clock:
    """After a pause; the due time has moved by the open time in between."""
    return _scheduled(replace(_unpaused(clock, rules, at), stage="in_progress", as_of=max(at, clock.as_of)), rules)


def stopped(clock: Clock, rules: SlaPolicy, at: int) -> Clock:
    """Over: breached if it was missed before, else met."""
    over = _resting(_unpaused(clock, rules, at), rules, at)
    result = "breached" if clock.breached_at else "met"
    return replace(over, stage="completed", stopped_at=max(at, clock.as_of), result=result)


def cancelled(clock: Clock, rules: SlaPolicy, at: int) -> Clock:
    return replace(_resting(_unpaused(clock, rules, at), rules, at), stage="cancelled")


def reopened(clock: Clock, rules: SlaPolicy, at: int) -> Clock:
    """One that was stopped goes on with what it had consumed; the time in between does not count."""
    again = replace(clock, stage="in_progress", as_of=max(at, clock.as_of), stopped_at=0, result=None)
    return _scheduled(again, rules)


def retargeted(clock: Clock, goal: Goal, sla: Sla, rules: SlaPolicy, at: int) -> Clock:
    """Another goal: what was consumed by then, by the calendar that governed, is kept. Warnings that it has not reached
    any more may come again; a breach stays."""
    elapsed = elapsed_at(clock, rules, at)
    reached = [percent for percent in rules.body.warn_at if elapsed * 100 >= percent * goal.target_ms]
    changed = replace(
        clock,
        priority=sla.priority,
        customer_tier=sla.customer_tier,
        target_ms=goal.target_ms,
        calendar=goal.calendar,
        calendar_version=goal.calendar_version,
        policy_version=rules.version,
        elapsed_ms=elapsed,
        as_of=max(at, clock.as_of) if clock.stage == "in_progress" else clock.as_of,
        warned_percent=min(clock.warned_percent, max(reached, default=0)),
    )
    return _scheduled(changed, rules) if clock.stage == "in_progress" else changed


def warned(clock: Clock, rules: SlaPolicy, now: int) -> tuple[Clock, int]:
    """The clock after the highest warning that was reached by now, and when that was. Only where one is due."""
    consumed = elapsed_at(clock, rules, now)
    percent = max(
        (one for one in rules.body.warn_at if one * clock.target_ms <= consumed * 100),
        default=clock.next_warning_percent,
    )
    percent = max(percent, clock.next_warning_percent)
    at = clock.next_warning_at
    if percent != clock.next_warning_percent:
        at = _passed(clock, rules, share(clock.target_ms, percent))
    return _scheduled(replace(clock, warned_percent=percent), rules), at


def breached(clock: Clock, now: int) -> Clock:
    return replace(clock, breached_at=clock.due_at, detected_at=now, next_warning_at=0, next_warning_percent=0)


def _resting(clock: Clock, rules: SlaPolicy, at: int) -> Clock:
    return replace(
        clock,
        elapsed_ms=elapsed_at(clock, rules, at),
        as_of=max(at, clock.as_of),
        due_at=0,
        next_warning_at=0,
        next_warning_percent=0,
    )


def _unpaused(clock: Clock, rules: SlaPolicy, at: int) -> Clock:
    if clock.stage != "paused":
        return clock
    rested = rules.calendar(clock.calendar, clock.calendar_version).between(clock.paused_at, at)
    return replace(clock, paused_at=0, pause_reason="", paused_ms=clock.paused_ms + rested)


def _scheduled(clock: Clock, rules: SlaPolicy) -> Clock:
    """With its due time and its next warning, as of ``as_of``. What is reached already is due at once."""
    if clock.breached_at:
        due = clock.breached_at if clock.elapsed_ms >= clock.target_ms else _passed(clock, rules, clock.target_ms)
        return replace(clock, due_at=due, next_warning_at=0, next_warning_percent=0)
    percent = next((one for one in rules.body.warn_at if one > clock.warned_percent), 0)
    return replace(
        clock,
        due_at=_passed(clock, rules, clock.target_ms),
        next_warning_percent=percent,
        next_warning_at=_passed(clock, rules, share(clock.target_ms, percent)) if percent else 0,
    )


def share(target_ms: int, percent: int) -> int:
    """So many percent of a goal, rounded up to a whole millisecond."""
    return -(-target_ms * percent // 100)


def _passed(clock: Clock, rules: SlaPolicy, consumed: int) -> int:
    """When so much will have been consumed, Unix ms; ``as_of`` when it has been."""
    return rules.calendar(clock.calendar, clock.calendar_version).after(clock.as_of, consumed - clock.elapsed_ms)
