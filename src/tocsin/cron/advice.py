"""What may surprise the author of an expression: named warnings, each with a sentence that says what will happen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from tocsin.cron.clock_advice import clock_warnings
from tocsin.cron.expression import CronExpression, DayOfMonth, Field
from tocsin.cron.slots import DstPolicy, next_after
from tocsin.cron.words import MONTH_NAMES, listed, series

_LENGTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LONGEST_STEP: Final = {"second": 60, "minute": 60, "hour": 24}
_STEP: Final = re.compile(r"\*/(\d+)")


class CronWarning(NamedTuple):
    code: str
    message: str


def warnings(expression: CronExpression, zone: ZoneInfo, dst: DstPolicy, around_utc: datetime) -> list[CronWarning]:
    """Everything worth saying before the job is saved; clock changes are looked up for 400 days from ``around_utc``."""
    found = [*_never(expression, zone, around_utc), *_sub_minute(expression), *_days(expression), *_steps(expression)]
    found += _numbering(expression)
    return found + [CronWarning(*one) for one in clock_warnings(expression, zone, dst, around_utc)]


def _never(expression: CronExpression, zone: ZoneInfo, around: datetime) -> Iterator[CronWarning]:
    if next_after(expression, zone, around) is None:
        yield CronWarning("never_fires", f"{expression.text} never runs after {around:%Y-%m-%d}: its years are over.")


def _sub_minute(expression: CronExpression) -> Iterator[CronWarning]:
    if (count := len(expression.second.values)) > 1:
        yield CronWarning("sub_minute", f"It runs {count} times in each minute that matches.")


# --- days -----------------------------------------------------------------------------------------------------------


def _days(expression: CronExpression) -> Iterator[CronWarning]:
    by_date, by_weekday = expression.day_of_month, expression.day_of_week
    if expression.either_day:
        yield CronWarning(
            "day_or_weekday",
            f"Day of month ({by_date.text}) and day of week ({by_weekday.text}) are both given: a day runs when EITHER "
            "matches. Begin one with * if both must.",
        )
    elif len(by_date.values) < 31 and len(by_weekday.values) < 7:
        yield CronWarning(
            "day_and_weekday",
            f"Day of month ({by_date.text}) or day of week ({by_weekday.text}) begins with *: a day runs only when "
            "BOTH match. Some other schedulers run when either does.",
        )
    if short := _short_months(expression):
        yield short


def _short_months(expression: CronExpression) -> CronWarning | None:
    days = _late_days(expression.day_of_month)
    months = [MONTH_NAMES[month - 1] for month in expression.month.values if days and _LENGTHS[month - 1] < days[-1]]
    if 29 in days and 2 in expression.month.values:
        months = [name for name in months if name != "February"] + ["February outside leap years"]
    if not months:
        return None
    skipped = f"Day {days[0]} is" if len(days) == 1 else f"Days {series(days)} are"
    message = f"{skipped} skipped where the month has no such day ({listed(months)}). L is the last day of every month."
    return CronWarning("short_months", message)


def _late_days(field: DayOfMonth) -> list[int]:
    """The days 29 to 31 that the field means as such, not as part of every day or every n-th."""
    if field.starred or len(field.values) == 31:
        return []
    return sorted({day for day in (*field.values, *field.nearest_weekday) if day > 28})


# --- writing --------------------------------------------------------------------------------------------------------


def _steps(expression: CronExpression) -> Iterator[CronWarning]:
    for name, length in _LONGEST_STEP.items():
        field: Field = getattr(expression, name)
        found = _STEP.fullmatch(field.text)
        if found and length % int(found[1]):
            shown = series(field.values)
            yield CronWarning("uneven_step", f"{name} {field.text} is {shown} and begins anew after {length - 1}.")


def _numbering(expression: CronExpression) -> Iterator[CronWarning]:
    if expression.cron_format in ("seconds-first", "year-last") and re.search(r"(?<!#)\d", expression.day_of_week.text):
        message = (
            f"day of week {expression.day_of_week.text}: 0 and 7 are Sunday, 1 is Monday. Quartz and EventBridge count "
            "Sunday as 1; names (MON) are the same everywhere."
        )
        yield CronWarning("weekday_numbers", message)
