"""When a job runs: the slots of an expression in a zone, through every clock change.

A *wildcard* job (minute or hour begins with ``*``) runs by elapsed time: whatever the clock shows is matched, so it
runs in both passes of a repeated hour and never at times that do not exist. A *fixed* job means times of the clock;
what a change of less than three hours does to it is a policy (``DstPolicy``). A larger change is a zone that moves, not
daylight saving: then every job follows the clock as it is, and a day that is left out has no runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from tocsin.cron.days import DAY, next_local
from tocsin.cron.expression import FIRST_YEAR, LAST_YEAR, CronExpression
from tocsin.cron.zones import ClockChange, first_change, moment_at, offset_at, unix_seconds

DstPolicy = Literal["vixie", "skip", "shift", "once", "twice"]
"""For fixed jobs. In a gap: ``vixie``, ``once`` and ``twice`` run once right after it, ``skip`` not at all, ``shift``
later by the length of the gap. In an overlap: ``once`` runs in the second pass, ``twice`` in both, the others in the
first."""
DST_POLICIES: Final[tuple[DstPolicy, ...]] = get_args(DstPolicy)
LARGEST_POLICY_CHANGE: Final = 3 * 3600 - 1
_REACH: Final = 2 * DAY
"""How far one looks for a clock change at once; longer than any change is large, so that beyond it the calendar alone
tells where nothing can match."""
_TRUSTED: Final = _REACH - LARGEST_POLICY_CHANGE
_BEGINNING: Final = unix_seconds(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)) - DAY
_END: Final = unix_seconds(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)) + DAY


def next_after(
    expression: CronExpression, zone: ZoneInfo, after_utc: datetime, dst: DstPolicy = "vixie"
) -> datetime | None:
    """The first slot strictly later than ``after_utc``, in UTC; None when there is none up to the last year."""
    return next((moment_at(slot) for slot in _slots(expression, zone, after_utc, dst)), None)


def slots_between(
    expression: CronExpression, zone: ZoneInfo, after_utc: datetime, until_utc: datetime, dst: DstPolicy = "vixie"
) -> Iterator[datetime]:
    """The slots later than ``after_utc`` and not later than ``until_utc``, in order."""
    moments = (moment_at(slot) for slot in _slots(expression, zone, after_utc, dst))
    return takewhile(lambda moment: moment <= until_utc, moments)


def _slots(expression: CronExpression, zone: ZoneInfo, after_utc: datetime, dst: DstPolicy) -> Iterator[int]:
    policy = None if expression.wildcard else dst
    begin = max(unix_seconds(after_utc) + 1, _BEGINNING)
    while begin < _END:
        piece = _piece(zone, begin)
        slot = _first(expression, piece, begin, policy)
        if slot is None and piece.ending is None:
            local = next_local(expression, begin + piece.offset)
            if local is None:
                return
            begin = max(piece.end, local - piece.offset - _REACH)
            continue
        while slot is not None:
            yield slot
            slot = _first(expression, piece, slot + 1, policy)
        begin = piece.end


class _Piece(NamedTuple):
    """A stretch of time with one offset, known up to ``end``."""

    offset: int
    end: int
    begun: ClockChange | None
    """The change it began with, when that was less than three hours ago."""
    ending: ClockChange | None


def _piece(zone: ZoneInfo, at: int) -> _Piece:
    begun = first_change(zone, at - LARGEST_POLICY_CHANGE, at)
    ending = first_change(zone, at, at + _REACH)
    return _Piece(offset_at(zone, at), ending.at if ending else at + _TRUSTED, begun, ending)


def _first(expression: CronExpression, piece: _Piece, begin: int, policy: DstPolicy | None) -> int | None:
    """The first slot of the piece from ``begin`` on."""
    first, end = begin, piece.end
    from_gap = None
    if policy is not None:
        if (begun := _under_policy(piece.begun)) and begun.skipped > 0:
            from_gap = _from_gap(expression, begun, begin, policy)
        elif begun and policy in ("vixie", "skip", "shift"):
            first = max(first, begun.at - begun.skipped)  # the second pass has been run in the first
        if policy == "once" and (ending := _under_policy(piece.ending)) and ending.skipped < 0:
            end += ending.skipped  # the first pass will be run in the second
    local = next_local(expression, first + piece.offset)
    if local is not None and local - piece.offset < end:
        return local - piece.offset if from_gap is None else min(from_gap, local - piece.offset)
    return from_gap


def _under_policy(change: ClockChange | None) -> ClockChange | None:
    return change if change and abs(change.skipped) <= LARGEST_POLICY_CHANGE else None


def _from_gap(expression: CronExpression, gap: ClockChange, begin: int, policy: DstPolicy) -> int | None:
    """The first slot from ``begin`` on that stands for a local time left out by the gap."""
    if policy == "skip" or (policy != "shift" and begin > gap.at):
        return None
    local = next_local(expression, begin + gap.before)
    if local is None or local >= gap.at + gap.after:
        return None
    return local - gap.before if policy == "shift" else gap.at
