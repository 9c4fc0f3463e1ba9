"""Time zones by IANA name, and the instants at which their clocks change.

Rules are read from the ``tzdata`` wheel, never from the operating system: every process of one release then computes
the same slots on whatever machine it runs. ``tzdata_version`` names those rules; slots are recomputed when it changes.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from importlib.resources import files
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from tocsin.cron.days import DAY
from tocsin.cron.errors import ZoneError

MAX_LENGTH: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class ClockChange(NamedTuple):
    """The clock of a zone is set at an instant (Unix seconds) from one offset to another (seconds east of UTC)."""

    at: int
    before: int
    after: int

    @property
    def skipped(self) -> int:
        """Local seconds left out; negative = repeated."""
        return self.after - self.before


def zone(key: str) -> ZoneInfo:
    """The zone of an IANA name, exactly as written there. Raises ZoneError."""
    if len(key) > MAX_LENGTH or key not in _keys():
        raise ZoneError("timezone", "unknown_zone", _unknown(key), _similar(key))
    return _load(key)


@functools.lru_cache(1024)
def _load(key: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *key.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key)


@functools.cache
def tzdata_version() -> str:
    """Release of the rules in use, such as ``2026f``."""
    return str(importlib.import_module("tzdata").IANA_VERSION)


@functools.cache
def _keys() -> frozenset[str]:
    names = files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    return frozenset(names) - {"Factory"}  # a placeholder for "not set yet"


def _unknown(key: str) -> str:
    shown = repr(key[:MAX_LENGTH])
    return f"{shown} is not an IANA time zone such as Europe/Berlin or UTC"


def _similar(key: str) -> list[str] | None:
    by_lower = {name.lower(): name for name in _keys()}
    last_parts = {name.rpartition("/")[2]: name for name in sorted(by_lower, reverse=True)}
    wanted = key[:MAX_LENGTH].strip().lower().replace(" ", "_")
    known = {**last_parts, **{name: name for name in by_lower}}
    return [by_lower[known[name]] for name in get_close_matches(wanted, known, n=3, cutoff=0.8)] or None


# --- clock changes --------------------------------------------------------------------------------------------------


def unix_seconds(moment: datetime) -> int:
    """Whole seconds, rounded down. Raises ValueError for a time without an offset."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no offset")
    return (moment - _EPOCH) // _SECOND


def moment_at(second: int) -> datetime:
    return _EPOCH + timedelta(seconds=second)


def offset_at(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    return 0 if offset is None else offset.days * DAY + offset.seconds


def first_change(zone: ZoneInfo, start: int, end: int) -> ClockChange | None:
    """The first change in (start, end].

    Looks once a day: since 1970 no zone has changed its clock twice within a week.
    """
    before = offset_at(zone, start)
    while start < end:
        step = min(start + DAY, end)
        if offset_at(zone, step) != before:
            return _located(zone, start, step, before)
        start = step
    return None


def _located(zone: ZoneInfo, low: int, high: int, before: int) -> ClockChange:
    """The change between an instant of the old offset and one of another."""
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(zone, middle) == before:
            low = middle
        else:
            high = middle
    return ClockChange(high, before, offset_at(zone, high))


def clock_changes(zone: ZoneInfo, start: int, end: int) -> Iterator[ClockChange]:
    """The changes in (start, end], in order."""
    while found := first_change(zone, start, end):
        yield found
        start = found.at
