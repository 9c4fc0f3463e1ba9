"""An expression as an English sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Final
from zoneinfo import ZoneInfo

from tocsin.cron.expression import FIRST_YEAR, LAST_YEAR, CronExpression, DayOfMonth, DayOfWeek

MONTH_NAMES: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAY_NAMES: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")
_MOST_TIMES: Final = 6


def describe(expression: CronExpression, zone: ZoneInfo) -> str:
    """``30 2 13 * 5`` in Berlin: "At 02:30 on day 13 of the month or on Friday, by the clock of Europe/Berlin."."""
    parts = (_times(expression), _days(expression), _months(expression), _years(expression))
    sentence = " ".join(part for part in parts if part)
    return f"{sentence[0].upper()}{sentence[1:]}, by the clock of {zone.key}."


# --- times ----------------------------------------------------------------------------------------------------------


def _times(expression: CronExpression) -> str:
    hours, minutes, seconds = expression.hour.values, expression.minute.values, expression.second.values
    if len(hours) * len(minutes) * len(seconds) <= _MOST_TIMES:
        clock = [clock_time(h, m, s) for h, m, s in product(hours, minutes, seconds)]
        return f"at {listed(clock)}" + (" every day" if _every_day(expression) else "")
    parts = [] if seconds == (0,) else [_unit("second", seconds)]
    if len(minutes) < 60 or not parts:
        parts.append(_unit("minute", minutes))
    return ", ".join(parts) + _hours(hours, minutes)


def clock_time(hour: int, minute: int, second: int = 0) -> str:
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def _unit(name: str, values: Sequence[int]) -> str:
    """Seconds of a minute or minutes of an hour."""
    step = 60 // len(values)
    if tuple(values) == tuple(range(0, 60, step)) and len(values) * step == 60 and len(values) > 1:
        return f"every {name}" if step == 1 else f"every {step} {name}s"
    return f"at {_plural(name, values)} {series(values)}"


def _hours(hours: Sequence[int], minutes: Sequence[int]) -> str:
    if len(hours) == 24:
        return " of every hour" if len(minutes) == 1 else ""
    if len(hours) > 1 and hours[-1] - hours[0] == len(hours) - 1:
        return f" from {clock_time(hours[0], minutes[0])} to {clock_time(hours[-1], minutes[-1])}"
    return f" in {_plural('hour', hours)} {series(hours, '{:02}'.format)}"


# --- days -----------------------------------------------------------------------------------------------------------


def _every_day(expression: CronExpression) -> bool:
    by_date, by_weekday = len(expression.day_of_month.values) == 31, len(expression.day_of_week.values) == 7
    return by_date or by_weekday if expression.either_day else by_date and by_weekday


def _days(expression: CronExpression) -> str:
    if _every_day(expression):
        return ""
    by_date, by_weekday = _by_date(expression.day_of_month), _by_weekday(expression.day_of_week)
    if expression.either_day:
        return f"{by_date} or {by_weekday}"
    if len(expression.day_of_month.values) == 31:
        return by_weekday
    return by_date if len(expression.day_of_week.values) == 7 else f"{by_date}, but only {by_weekday}"


def _by_date(field: DayOfMonth) -> str:
    parts = [f"{_plural('day', field.values)} {series(field.values)} of the month"] if field.values else []
    parts += [f"the weekday nearest to day {day}" for day in field.nearest_weekday]
    parts += ["the last day of the month"] if field.last else []
    parts += ["the last Monday-to-Friday day of the month"] if field.last_weekday else []
    return f"on {listed(parts)}"


def _by_weekday(field: DayOfWeek) -> str:
    parts = [series(field.values, WEEKDAY_NAMES.__getitem__)] if field.values else []
    parts += [f"the {ORDINALS[which - 1]} {WEEKDAY_NAMES[day]} of the month" for day, which in field.nth]
    parts += [f"the last {WEEKDAY_NAMES[day]} of the month" for day in field.last]
    return f"on {listed(parts)}"


def _months(expression: CronExpression) -> str:
    months = expression.month.values
    return "" if len(months) == 12 else f"in {series([month - 1 for month in months], MONTH_NAMES.__getitem__)}"


def _years(expression: CronExpression) -> str:
    years = expression.year.values
    return "" if len(years) == LAST_YEAR - FIRST_YEAR + 1 else f"in {series(years)}"


# --- lists ----------------------------------------------------------------------------------------------------------


def series(values: Sequence[int], shown: Callable[[int], str] = str) -> str:
    """``1 to 5``, ``1, 3, … 31``, or the values one by one."""
    steps = {later - earlier for earlier, later in pairwise(values)}
    if len(values) > 2 and steps == {1}:
        return f"{shown(values[0])} to {shown(values[-1])}"
    if len(values) > 4 and len(steps) == 1:
        return f"{shown(values[0])}, {shown(values[1])}, … {shown(values[-1])}"
    return listed([shown(value) for value in values])


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _plural(name: str, values: Sequence[int]) -> str:
    return name if len(values) == 1 else f"{name}s"
