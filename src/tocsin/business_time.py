"""Business time: how much of it lies between two instants, and when a given amount of it has passed.

A calendar is open at an instant when its local wall clock says so: in the hour that a clock change leaves out nothing
passes, the one it repeats counts twice. Intervals end exclusively. Everything is integer arithmetic: between two clock
changes of a zone local time is UTC plus a constant, and open time up to a local instant is a sum over weeks minus what
holidays take away.
"""

from __future__ import annotations

import functools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import accumulate
from typing import Any, Final

import msgspec

from tocsin.cron.zones import clock_changes, offset_at, zone

MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
WEEK_MS: Final = 7 * DAY_MS
DAY_MINUTES: Final = 24 * 60
ALWAYS: Final = "24x7"
"""Name of the calendar that is always open; every policy has it."""
HORIZON_YEARS: Final = 60
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_FIRST_MONDAY_MS: Final = 4 * DAY_MS  # 1970-01-05

Interval = tuple[int, int]
"""From and to, the end excluded; minutes of a local day, or local milliseconds."""


class CalendarHours(msgspec.Struct, frozen=True):
    """A calendar as policies hold it. timezone: IANA name. week: Monday first, the open minutes of each local day, in
    order. holidays: local date (YYYY-MM-DD) → the minutes closed on it."""

    timezone: str = "UTC"
    week: tuple[tuple[Interval, ...], ...] = (((0, DAY_MINUTES),),) * 7
    holidays: dict[str, tuple[Interval, ...]] = {}


class BeyondHorizon(ValueError):
    """The calendar is not open long enough within the years ahead that are looked at."""


class Calendar:
    """``hours``: what it was made of. Instants are Unix ms, amounts are open ms."""

    def __init__(self, hours: CalendarHours) -> None:
        self.hours = hours
        open_of_week = [
            (day * DAY_MS + start * MINUTE_MS, day * DAY_MS + end * MINUTE_MS)
            for day, intervals in enumerate(hours.week)
            for start, end in intervals
        ]
        self._week = _Intervals(open_of_week)
        self._taken = _Intervals(sorted(_taken(hours)))
        self.always = self._week.total == WEEK_MS and not self._taken.total

    @property
    def open_ms_of_a_week(self) -> int:
        return self._week.total

    def is_open(self, at: int) -> bool:
        return self.between(at, at + 1) == 1

    def between(self, start: int, end: int) -> int:
        """Open time in [start, end); 0 when the end is not after the start."""
        if end <= start:
            return 0
        if self.always:
            return end - start
        return sum(
            self._before(to + offset) - self._before(since + offset)
            for since, to, offset in _segments(self.hours.timezone, start, end)
        )

    def after(self, start: int, amount: int) -> int:
        """The first instant by which so much open time has passed since ``start``; ``start`` itself when none is asked.

        Raises BeyondHorizon when that is more than ``HORIZON_YEARS`` away.
        """
        if amount <= 0:
            return start
        if self.always:
            return start + amount
        if not self._week.total:
            raise BeyondHorizon("the calendar is never open")
        left = amount
        for since, to, offset in _segments(self.hours.timezone, start, start + HORIZON_YEARS * 366 * DAY_MS):
            passed = self._before(since + offset)
            here = self._before(to + offset) - passed
            if here >= left:
                return self._reached(passed + left, since + offset) - offset
            left -= here
        raise BeyondHorizon(f"{amount} ms of open time are not there within {HORIZON_YEARS} years")

    def opening(self, at: int) -> int:
        """The first open instant at or after ``at``. Raises BeyondHorizon."""
        return self.after(at, 1) - 1

    def closing(self, at: int) -> int:
        """The first closed instant at or after ``at``; raises BeyondHorizon when it is open for a month on end."""
        low, width = at, MINUTE_MS
        while self.between(at, at + width) == width:
            low, width = at + width, width * 2
            if width > 32 * DAY_MS:
                raise BeyondHorizon("it does not close")
        high = at + width
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.between(at, middle) == middle - at else (low, middle)
        return low if low == at and not self.is_open(at) else high - 1

    def _before(self, local: int) -> int:
        """Open time of this calendar before a local instant, from the first Monday of 1970 on."""
        weeks, rest = divmod(local - _FIRST_MONDAY_MS, WEEK_MS)
        return weeks * self._week.total + self._week.before(rest) - self._taken.before(local)

    def _reached(self, amount: int, low: int) -> int:
        """The first local instant before which there is this much open time; it is after ``low``.

        From below, one holiday at a time: nothing passes in what a holiday takes away, so it is never within that.
        """
        taken = self._taken.through(low)
        while True:
            weeks, rest = divmod(amount + taken - 1, self._week.total)
            found = _FIRST_MONDAY_MS + weeks * WEEK_MS + self._week.reached(rest + 1)
            if (through := self._taken.through(found)) == taken:
                return found
            taken = through


class _Intervals:
    """Disjoint intervals in order, with how much of them lies before a point."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self._starts = [start for start, _ in intervals]
        self._ends = [end for _, end in intervals]
        self._sums = [0, *accumulate(end - start for start, end in intervals)]
        self.total = self._sums[-1]

    def before(self, point: int) -> int:
        begun = bisect_right(self._starts, point)
        if not begun:
            return 0
        return self._sums[begun] - max(0, self._ends[begun - 1] - point)

    def through(self, point: int) -> int:
        """How much there is up to the end of the last one that began before the point."""
        return self._sums[bisect_left(self._starts, point)]

    def reached(self, amount: int) -> int:
        """The first point before which there is this much, 1 to the total."""
        begun = bisect_left(self._sums, amount)
        return self._ends[begun - 1] - (self._sums[begun] - amount)


def _taken(hours: CalendarHours) -> Iterator[Interval]:
    """What holidays take away of the open hours, in local milliseconds."""
    for day, closed in hours.holidays.items():
        which = date.fromisoformat(day)
        midnight = (which.toordinal() - _EPOCH_ORDINAL) * DAY_MS
        for open_start, open_end in hours.week[which.weekday()]:
            for closed_start, closed_end in closed:
                start, end = max(open_start, closed_start), min(open_end, closed_end)
                if start < end:
                    yield midnight + start * MINUTE_MS, midnight + end * MINUTE_MS


def _segments(timezone: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """[start, end) cut where the zone's clock changes and at new years, since most ends are near: since, to, and the
    offset from UTC between them, all in ms."""
    since, offset = start, offset_at(zone(timezone), start // 1000) * 1000
    year = datetime.fromtimestamp(start // 1000, UTC).year
    while since < end:
        for at, after in _changes_of_year(timezone, year):
            if since < at < end:
                yield since, at, offset
            if start < at < end:
                since, offset = at, after
        year += 1
        to = min(end, _new_year(year) * 1000)
        if since < to:
            yield since, to, offset
        since = to


@functools.lru_cache(4096)
def _changes_of_year(timezone: str, year: int) -> tuple[Interval, ...]:
    changes = clock_changes(zone(timezone), _new_year(year) - 1, _new_year(year + 1) - 1)
    return tuple((change.at * 1000, change.after * 1000) for change in changes)


@functools.cache
def _new_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


ALWAYS_OPEN: Final = Calendar(CalendarHours())


def calendar_of(body: Mapping[str, Any]) -> Calendar:
    """A calendar of a policy's body. Raises msgspec.ValidationError, ValueError or ZoneError when it is none."""
    return Calendar(msgspec.convert(body, CalendarHours))
