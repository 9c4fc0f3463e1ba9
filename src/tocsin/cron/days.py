"""The days and times of the calendar that an expression matches. No zones here: a local time is a number of seconds
since 1970-01-01 00:00 on the wall."""

from __future__ import annotations

import functools
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator
from datetime import date
from typing import Final

from tocsin.cron.expression import CronExpression, DayOfMonth, DayOfWeek

DAY: Final = 86_400
_EPOCH: Final = date(1970, 1, 1).toordinal()


def next_local(expression: CronExpression, local: int) -> int | None:
    """The first matching local second from ``local`` on, None when there is none up to the last year."""
    day, second = divmod(local, DAY)
    today = date.fromordinal(_EPOCH + day)
    if _matches(expression, today):
        time = _next_time(expression, second)
        if time is not None:
            return day * DAY + time
    found = _next_day(expression, date.fromordinal(_EPOCH + day + 1))
    if found is None:
        return None
    return (found.toordinal() - _EPOCH) * DAY + _first_time(expression)


def has_a_day(expression: CronExpression) -> bool:
    return any(
        _month_days(expression, year, month) for year, month in _months(expression, expression.year.values[0], 1)
    )


def _matches(expression: CronExpression, day: date) -> bool:
    return (
        day.month in expression.month.values
        and day.year in expression.year.values
        and day.day in _month_days(expression, day.year, day.month)
    )


def _next_day(expression: CronExpression, start: date) -> date | None:
    for year, month in _months(expression, start.year, start.month):
        begin = start.day if (year, month) == (start.year, start.month) else 1
        for day in _month_days(expression, year, month):
            if day >= begin:
                return date(year, month, day)
    return None


def _months(expression: CronExpression, year: int, month: int) -> Iterator[tuple[int, int]]:
    """The months that match, from the given one on."""
    years = expression.year.values
    for later in years[bisect_left(years, year) :]:
        for one in expression.month.values:
            if later > year or one >= month:
                yield later, one


def _month_days(expression: CronExpression, year: int, month: int) -> tuple[int, ...]:
    first, length = monthrange(year, month)
    return _matching_days(expression.day_of_month, expression.day_of_week, (first + 1) % 7, length)


@functools.lru_cache(4096)
def _matching_days(of_month: DayOfMonth, of_week: DayOfWeek, first: int, length: int) -> tuple[int, ...]:
    """Days of a month that begins on weekday ``first`` (0 = Sunday) and has ``length`` days."""
    by_date = _days_by_date(of_month, first, length)
    by_weekday = _days_by_weekday(of_week, first, length)
    both = of_month.starred or of_week.starred
    return tuple(sorted(by_date & by_weekday if both else by_date | by_weekday))


def _days_by_date(field: DayOfMonth, first: int, length: int) -> set[int]:
    days = {day for day in field.values if day <= length}
    days |= {_nearest_weekday(day, first, length) for day in field.nearest_weekday if day <= length}
    if field.last:
        days.add(length)
    if field.last_weekday:
        days.add(_nearest_weekday(length, first, length))
    return days


def _nearest_weekday(day: int, first: int, length: int) -> int:
    """Monday to Friday, the day itself or its neighbour; at the edge of the month one goes the other way."""
    weekday = (first + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else 3
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


def _days_by_weekday(field: DayOfWeek, first: int, length: int) -> set[int]:
    weekdays = {day: (first + day - 1) % 7 for day in range(1, length + 1)}
    return {
        day
        for day, weekday in weekdays.items()
        if weekday in field.values
        or (weekday, (day + 6) // 7) in field.nth
        or (weekday in field.last and day + 7 > length)
    }


def _first_time(expression: CronExpression) -> int:
    return expression.hour.values[0] * 3600 + expression.minute.values[0] * 60 + expression.second.values[0]


def _next_time(expression: CronExpression, second: int) -> int | None:
    """The first matching second of a day from the given one on."""
    hour, rest = divmod(second, 3600)
    hours, minutes, seconds = expression.hour.values, expression.minute.values, expression.second.values
    if hour in hours:
        minute, least = divmod(rest, 60)
        if minute in minutes and least <= seconds[-1]:
            return second - least + seconds[bisect_left(seconds, least)]
        if minute < minutes[-1]:
            return hour * 3600 + minutes[bisect_left(minutes, minute + 1)] * 60 + seconds[0]
    if hour < hours[-1]:
        return hours[bisect_left(hours, hour + 1)] * 3600 + minutes[0] * 60 + seconds[0]
    return None
