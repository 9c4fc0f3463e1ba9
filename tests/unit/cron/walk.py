"""The oracle: every UTC minute of a window with what the clock shows then. It knows nothing of the scheduler's code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from tests.unit.cron.drawing import Drawn

MINUTE = timedelta(minutes=1)
LARGE = timedelta(hours=3)
Clock = tuple[int, int]


def changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """The first UTC minute of every new offset."""
    hour = start
    while hour < end:
        later = hour + timedelta(hours=1)
        if hour.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            offset = hour.astimezone(zone).utcoffset()
            yield next(m for n in range(61) if (m := hour + n * MINUTE).astimezone(zone).utcoffset() != offset)
        hour = later


class Walk:
    """The minutes of a window, looked up by what the clock shows."""

    def __init__(self, zone: ZoneInfo, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end
        self._shown: dict[Clock, list[tuple[datetime, list[datetime]]]] = defaultdict(list)
        self._skipped: dict[Clock, list[tuple[datetime, datetime, timedelta]]] = defaultdict(list)
        for stretch in _stretches(zone, start, end):
            self._add(stretch)

    def _add(self, stretch: list[tuple[datetime, datetime]]) -> None:
        passes: dict[datetime, list[datetime]] = defaultdict(list)
        for utc, local in stretch:
            passes[local].append(utc)
        for local, instants in passes.items():
            self._shown[local.hour, local.minute].append((local, instants))
        for (_, before), (utc, after) in pairwise(stretch):
            missing = before + MINUTE
            while missing < after:
                self._skipped[missing.hour, missing.minute].append((missing, utc, after - before - MINUTE))
                missing += MINUTE

    def slots(self, drawn: Drawn, policy: str = "vixie") -> list[datetime]:
        return sorted(set(self._wildcard(drawn) if drawn.wildcard else self._fixed(drawn, policy)))

    def _wildcard(self, drawn: Drawn) -> Iterator[datetime]:
        for clock in _clocks(drawn):
            for local, instants in self._shown[clock]:
                if drawn.day(local.date()):
                    yield from instants

    def _fixed(self, drawn: Drawn, policy: str) -> Iterator[datetime]:
        for clock in _clocks(drawn):
            for local, instants in self._shown[clock]:
                if drawn.day(local.date()):
                    yield from {"once": instants[-1:], "twice": instants}.get(policy, instants[:1])
            for local, after, length in self._skipped[clock]:
                if drawn.day(local.date()) and policy != "skip":
                    yield self._shifted(local + length) if policy == "shift" else after

    def _shifted(self, local: datetime) -> datetime:
        return next(utcs[0] for one, utcs in self._shown[local.hour, local.minute] if one == local)


def _clocks(drawn: Drawn) -> Iterator[Clock]:
    return ((hour, minute) for hour in drawn.hours for minute in drawn.minutes)


def _stretches(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[list[tuple[datetime, datetime]]]:
    """(UTC, local) of each minute; a change of three hours or more begins a stretch that knows nothing of the old."""
    stretch: list[tuple[datetime, datetime]] = []
    utc = start
    while utc < end:
        local = utc.astimezone(zone).replace(tzinfo=None)
        if stretch and abs(local - stretch[-1][1] - MINUTE) >= LARGE:
            yield stretch
            stretch = []
        stretch.append((utc, local.replace(fold=0)))
        utc += MINUTE
    yield stretch


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
