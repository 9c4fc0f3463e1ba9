"""Where a ladder goes: its steps one after the other, whom they tell, and when those may be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import msgspec

from tocsin.business_time import BeyondHorizon, Calendar
from tocsin.events.vocabulary import Priority
from tocsin.streams.domain.sla_rules import TEAM, Ladder, SlaPolicy, Step
from tocsin.streams.domain.sla_state import Climb, Clock, Sla

_LOOKS: Final = 50
"""So often support hours and quiet hours are held against each other; then people are told anyway."""


class Told(NamedTuple):
    """Whom a step tells now. ``held_until``: nobody yet; Unix ms, 0 = now. ``quiet``: left out."""

    channels: tuple[str, ...]
    quiet: tuple[str, ...] = ()
    held_until: int = 0


def begun(clock: Clock, name: str, ladder: Ladder) -> Climb:
    """The ladder of a clock that was just missed."""
    return Climb(clock.metric, clock.cycle, name, 1, 1, clock.breached_at + ladder.steps[0].after_ms)


def step_of(climb: Climb, ladder: Ladder) -> tuple[int, Step]:
    """The step to come, the last one when all have been; and its number, 1 is the first."""
    number = min(climb.step, len(ladder.steps))
    return number, ladder.steps[number - 1]


def past(climb: Climb, ladder: Ladder, at: int) -> Climb:
    """After its step was told at ``at``: waits for the next one, or is at its end."""
    number, _ = step_of(climb, ladder)
    if number < len(ladder.steps):
        return _waiting(climb, number + 1, climb.loop, at + ladder.steps[number].after_ms)
    if climb.loop <= ladder.repeat:
        # another pass does not begin with the end of the one before
        pause = ladder.steps[0].after_ms or max(step.after_ms for step in ladder.steps)
        return _waiting(climb, 1, climb.loop + 1, at + pause)
    return _waiting(climb, len(ladder.steps) + 1, climb.loop, 0)


def held(climb: Climb, until: int) -> Climb:
    """Its step has counted; people are told then."""
    return msgspec.structs.replace(climb, next_at=until, waits_for="telling")


def acknowledged(climb: Climb, ladder: Ladder | None, at: int) -> Climb | None:
    """Goes on at the ack timeout; None: it does not."""
    if ladder is None or ladder.ack_timeout_ms is None:
        return None
    return msgspec.structs.replace(climb, next_at=at + ladder.ack_timeout_ms, waits_for="resolution")


def _waiting(climb: Climb, step: int, loop: int, next_at: int) -> Climb:
    return Climb(climb.metric, climb.cycle, climb.ladder, step, loop, next_at)


# --- whom and when --------------------------------------------------------------------------------------------------


def channels_of(step: Step, sla: Sla, rules: SlaPolicy) -> tuple[str, ...]:
    """The channels a step tells, each once; ``team`` leads to that of the first route with a tag of the ticket."""
    named = [_team(sla, rules) if name == TEAM else name for name in step.channels]
    return tuple(dict.fromkeys(name for name in named if name in rules.body.channels))


def _team(sla: Sla, rules: SlaPolicy) -> str:
    for route in rules.body.routes:
        if any(fnmatchcase(tag, pattern) for tag in sla.tags for pattern in route.tags):
            return route.channel
    return rules.body.default_channel


def tell(channels: Sequence[str], ladder: Ladder, sla: Sla, rules: SlaPolicy, now: int) -> Told:
    """Who is told now, or when somebody may be: not while the ticket is snoozed, outside support hours that hold, or in
    the quiet hours of every channel."""
    if not channels:
        return Told(())
    when = now
    for _ in range(_LOOKS):
        begin = _allowed(max(when, sla.snoozed_until), ladder, rules)
        quiet = {name: _quiet_until(name, sla.priority, rules, begin) for name in channels}
        when = min(quiet.values())
        if when == begin:
            break
    if when > now:
        return Told((), tuple(channels), when)
    return Told(
        tuple(name for name in channels if quiet[name] <= now), tuple(name for name in channels if quiet[name] > now)
    )


def _allowed(at: int, ladder: Ladder, rules: SlaPolicy) -> int:
    """When support hours let the ladder tell somebody."""
    hours = ladder.support_hours
    if hours is None or hours.outside == "page":
        return at
    return _or_now(rules.named_calendar(hours.calendar).opening, at)


def _quiet_until(channel: str, priority: Priority, rules: SlaPolicy, at: int) -> int:
    calendar: Calendar | None = rules.quiet.get(channel)
    quiet = rules.body.channels[channel].quiet_hours
    if calendar is None or quiet is None or priority in quiet.except_for or not calendar.is_open(at):
        return at
    return _or_now(calendar.closing, at)


def _or_now(look: Callable[[int], int], at: int) -> int:
    """What a calendar says; one that never changes holds nobody."""
    try:
        return look(at)
    except BeyondHorizon:
        return at
