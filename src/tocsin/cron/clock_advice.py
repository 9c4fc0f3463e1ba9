"""What the coming clock changes do to a job, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from tocsin.cron.days import DAY, next_local
from tocsin.cron.expression import CronExpression
from tocsin.cron.slots import LARGEST_POLICY_CHANGE, DstPolicy
from tocsin.cron.words import listed, series
from tocsin.cron.zones import ClockChange, clock_changes, moment_at, unix_seconds

DAYS_AHEAD: Final = 400
_MOST_TIMES: Final = 4


def clock_warnings(
    expression: CronExpression, zone: ZoneInfo, dst: DstPolicy, around_utc: datetime
) -> Iterator[tuple[str, str]]:
    """The first gap and the first overlap that meet the job, each as (code, sentence)."""
    begin = unix_seconds(around_utc)
    changes = list(clock_changes(zone, begin, begin + DAYS_AHEAD * DAY))
    if expression.wildcard and len(expression.hour.values) == 24:
        return  # every hour is like the other: nothing is missed and nothing unexpected
    if expression.hour.starred and any(change.skipped < 0 and _met(expression, change) for change in changes):
        yield "star_step", _star_step(expression)
    for code, sign in (("dst_gap", 1), ("dst_overlap", -1)):
        for change in changes:
            if change.skipped * sign > 0 and (met := _met(expression, change)):
                yield code, _sentence(expression, zone, change, met, dst)
                break


def _clocks(change: ClockChange) -> tuple[int, int]:
    """What the clock would show and what it shows."""
    return change.at + change.before, change.at + change.after


def _met(expression: CronExpression, change: ClockChange) -> list[int]:
    """The minutes of the clock, skipped or repeated by the change, in which the job runs."""
    found: list[int] = []
    local = next_local(expression, min(_clocks(change)))
    while local is not None and local < max(_clocks(change)):
        found.append(local - local % 60)
        local = next_local(expression, found[-1] + 60)
    return found


def _star_step(expression: CronExpression) -> str:
    hours = ",".join(str(hour) for hour in expression.hour.values)
    return (
        f"hour {expression.hour.text} begins with *, so the job runs by elapsed time: when the clock goes back, a "
        f"repeated hour that matches ({series(expression.hour.values)}) runs twice. "
        f"Write {hours} to run at times of the clock."
    )


def _sentence(expression: CronExpression, zone: ZoneInfo, change: ClockChange, met: list[int], dst: DstPolicy) -> str:
    first, last = (moment_at(clock) for clock in sorted(_clocks(change)))
    until = _time(last) if first.date() == last.date() else f"{last:%Y-%m-%d} {_time(last)}"
    policy = None if expression.wildcard or abs(change.skipped) > LARGEST_POLICY_CHANGE else dst
    verb, effect = ("skips", _in_gap) if change.skipped > 0 else ("repeats", _in_overlap)
    clock = f"On {first:%Y-%m-%d} the clock of {zone.key} {verb} {_time(first)} to {until}"
    return f"{clock}. {_times(met)}: {effect(change, met, policy)}."


def _in_gap(change: ClockChange, met: list[int], policy: DstPolicy | None) -> str:
    if policy is None or policy == "skip":
        return "no run that day"
    if policy == "shift":
        return f"run at {_times([local + change.skipped for local in met])} instead"
    return f"one run at {_times([change.at + change.after])} instead"


def _in_overlap(change: ClockChange, met: list[int], policy: DstPolicy | None) -> str:
    each = " each" if len(met) > 1 else ""
    if policy is None or policy == "twice":
        return f"two runs{each}"
    return f"one run{each}, the {'second' if policy == 'once' else 'first'} time"


def _times(locals_: list[int]) -> str:
    shown = [_time(moment_at(local)) for local in locals_]
    return listed(shown) if len(shown) <= _MOST_TIMES else f"{shown[0]}, {shown[1]}, … {shown[-1]}"


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M}"
