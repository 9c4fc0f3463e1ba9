"""Calendars and quiet hours as people write them in a policy file, read into the minutes that business time counts."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tocsin.business_time import DAY_MINUTES, Interval
from tocsin.cron.errors import ZoneError
from tocsin.cron.zones import zone

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT: Final = {name[:3]: number for number, name in enumerate(DAYS)}
_DAYS: Final = {**_SHORT, **{name: number for number, name in enumerate(DAYS)}}
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_INTERVAL: Final = re.compile(r"(\d\d:\d\d)\s*-\s*(\d\d:\d\d)")


def _minute(text: str) -> int:
    if not _CLOCK.fullmatch(text):
        raise ValueError(f"{text!r} is no time of day such as 09:00 or 24:00")
    return int(text[:2]) * 60 + int(text[3:])


def interval(value: object) -> Interval:
    """``09:00-17:00`` → minutes of the day, the end excluded; the end may lie on the next day. Raises ValueError."""
    found = _INTERVAL.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no interval such as 09:00-17:00")
    start, end = _minute(found[1]), _minute(found[2])
    if start in (end, DAY_MINUTES):
        raise ValueError(f"{value!r} has no length; a whole day is 00:00-24:00")
    return start, end


def weekdays(value: object) -> tuple[int, ...]:
    """``mon``, ``mon-fri``, ``sat, sun``, ``daily`` → 0 = Monday. Raises ValueError."""
    text = str(value).lower()
    if text == "daily":
        return tuple(range(7))
    found: list[int] = []
    for part in text.split(","):
        first, _, last = (name.strip() for name in part.partition("-"))
        if first not in _DAYS or (last and last not in _DAYS):
            raise ValueError(f"{value!r} names no days; write mon, mon-fri, 'sat, sun' or daily")
        start, end = _DAYS[first], _DAYS[last or first]
        found += [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]
    return tuple(found)


def _holiday(value: object) -> tuple[str, Interval]:
    """``2026-12-25``, or ``2026-12-24 12:00-24:00`` for a part of a day. Raises ValueError."""
    day, _, hours = str(value).strip().partition(" ")
    try:
        date.fromisoformat(day)
    except ValueError:
        raise ValueError(f"{value!r} is no holiday; write 2026-12-25 or 2026-12-24 12:00-24:00") from None
    closed = interval(hours) if hours.strip() else (0, DAY_MINUTES)
    if closed[1] <= closed[0]:
        raise ValueError(f"{value!r} ends on the next day; write the part after midnight under that date")
    return day, closed


def _zone(name: str) -> str:
    try:
        zone(name)
    except ZoneError as error:
        raise ValueError(str(error)) from None
    return name


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Zone = Annotated[str, AfterValidator(_zone)]
Intervals = Annotated[
    list[Annotated[Interval, BeforeValidator(interval)]], BeforeValidator(_listed), Field(min_length=1, max_length=24)
]
Holiday = Annotated[tuple[str, Interval], BeforeValidator(_holiday)]


class WeeklyHours(BaseModel):
    """``hours``: days → intervals by the wall clock of ``timezone``, ends excluded; 22:00-06:00 ends the next day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: Zone
    hours: dict[str, Intervals] = Field(min_length=1)
    holidays: list[Holiday] = Field([], max_length=2000)

    @model_validator(mode="after")
    def _hours_are_disjoint(self) -> WeeklyHours:
        week = self.week()
        for day, intervals in enumerate(week):
            for (_, end), (start, _) in pairwise(intervals):
                if start < end:
                    raise ValueError(f"the hours of {DAYS[day]} overlap")
        return self

    def week(self) -> list[list[Interval]]:
        """The open minutes of each day, Monday first, in order."""
        week: list[list[Interval]] = [[] for _ in DAYS]
        for days, intervals in self.hours.items():
            for day in weekdays(days):
                for start, end in intervals:
                    if start < end:
                        week[day].append((start, end))
                    else:
                        week[day].append((start, DAY_MINUTES))
                        if end:
                            week[(day + 1) % 7].append((0, end))
        return [_joined(sorted(intervals)) for intervals in week]

    def body(self) -> dict[str, Any]:
        """As ``business_time.CalendarHours``."""
        holidays: dict[str, list[Interval]] = {}
        for day, closed in sorted(self.holidays):
            holidays[day] = _united([*holidays.get(day, []), closed])
        return {"timezone": self.timezone, "week": self.week(), "holidays": holidays}


def _joined(intervals: list[Interval]) -> list[Interval]:
    """Intervals that touch become one; those that overlap stay as they are, to be refused."""
    joined: list[Interval] = []
    for start, end in intervals:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _united(intervals: list[Interval]) -> list[Interval]:
    united: list[Interval] = []
    for start, end in sorted(intervals):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united
