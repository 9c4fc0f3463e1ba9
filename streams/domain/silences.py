"""Silences and maintenance windows: whether one lasts at an instant, when it ends, and which keep an alert quiet.

They reach every partition as part of its policy (``amended``), since every partition has alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from tocsin.events import alerts as contract
from tocsin.events.alerts import Recurrence, Silence, SilenceEndRequested, SilenceRequested
from tocsin.events.commands import CommandRefused, Fact
from tocsin.events.times import round_down_ms, unix_ms
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.matching import Fields, compared

_NEVER: Final = 1 << 62
_DAY: Final = timedelta(days=1)


def window_end(silence: Silence, now: int) -> int | None:
    """Unix ms at which the window that lasts at ``now`` ends; None when none lasts then."""
    begin = unix_ms(silence.starts_at)
    end = unix_ms(silence.ends_at) if silence.ends_at else _NEVER
    if not begin <= now < end:
        return None
    if silence.recurrence is None:
        return end
    for start, stop in _windows(silence.recurrence, now):
        if start <= now < stop:
            return min(stop, end)
    return None


def _windows(recurrence: Recurrence, now: int) -> Iterator[tuple[int, int]]:
    """The windows that may last at ``now``. One that starts in a gap of the clock starts when the gap ends; one that
    starts in a repeated hour starts the first time."""
    zone = ZoneInfo(recurrence.timezone)
    hour, minute = map(int, recurrence.start.split(":"))
    today = datetime.fromtimestamp(now / 1000, zone).date()
    for days_ago in range(recurrence.duration_ms // 86_400_000 + 2):
        day = today - days_ago * _DAY
        if recurrence.weekdays and day.weekday() not in recurrence.weekdays:
            continue
        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
        start = round_down_ms(local.astimezone(UTC))
        yield start, start + recurrence.duration_ms


def suppressing(silences: Iterable[Silence], fields: Fields, now: int) -> tuple[str, ...]:
    """Ids of the silences that keep such an alert quiet at ``now``."""
    return tuple(
        one.silence_id
        for one in silences
        if window_end(one, now) is not None and compared(one.matchers, fields) is not None
    )


def looked_at_again(silences: Sequence[Silence], suppressed_by: Iterable[str], held_at: int) -> int:
    """When an alert that these silences keep quiet is to be looked at again, Unix ms: at the first end of a window.

    held_at: when they were looked at last. One that was ended by hand is over at once.
    """
    known = {one.silence_id: one for one in silences}
    ends = [window_end(known[name], held_at) if name in known else None for name in suppressed_by]
    return min((held_at if end is None else end for end in ends), default=held_at)


# --- as part of the policy ------------------------------------------------------------------------------------------


MAX_SILENCES: Final = 200
"""So many last at once in a workspace: they are part of every partition's policy and asked of every alert."""
AMENDING: Final = frozenset({SilenceRequested, SilenceEndRequested})


def amended(body: Mapping[str, Any], received: Received) -> Mapping[str, Any]:
    """The body of the policy after a silence was asked for or ended, or after another file was activated: silences do
    not come from the file and stay. Those that are over are left out, so that the policy does not grow."""
    event = received.event
    silences: dict[str, tuple[Silence, ...]] = msgspec.convert(body.get("silences", {}), dict[str, tuple[Silence, ...]])
    workspace = received.envelope.workspace
    if isinstance(event, SilenceRequested):
        others = _without(silences, workspace, event.silence.silence_id)
        if _admits(others, received.now):
            silences[workspace] = (*others, event.silence)
    elif isinstance(event, SilenceEndRequested):
        silences[workspace] = _without(silences, workspace, event.silence_id)
    else:
        body = event.body
    lasting = {name: tuple(one for one in known if not _over(one, received.now)) for name, known in silences.items()}
    return {**body, "silences": msgspec.to_builtins({name: known for name, known in lasting.items() if known})}


def _admits(silences: Iterable[Silence], now: int) -> bool:
    return sum(not _over(one, now) for one in silences) < MAX_SILENCES


def _without(silences: Mapping[str, Sequence[Silence]], workspace: str, silence_id: str) -> tuple[Silence, ...]:
    return tuple(one for one in silences.get(workspace, ()) if one.silence_id != silence_id)


def _over(silence: Silence, now: int) -> bool:
    return bool(silence.ends_at) and unix_ms(silence.ends_at) <= now


def decide(received: Received, silences: Iterable[Silence]) -> Sequence[Fact]:
    """The fact of a silence, on the one partition that records it. ``silences``: those before the event."""
    event = received.event
    if not event.recorded or received.duplicate:
        return ()
    common: dict[str, Any] = {"entity": received.entity, "at": received.at, "answers": received.answers()}
    if isinstance(event, SilenceRequested) and not _admits(silences, received.now):
        return (
            CommandRefused(
                cause=received.cause("too_many", limit=MAX_SILENCES),
                subject_id=event.silence.silence_id,
                command="create_silence",
                reason="too_many",
                detail=f"{MAX_SILENCES} silences last already; end one, or match more with one",
                **common,
            ),
        )
    if isinstance(event, SilenceRequested):
        return (contract.SilenceCreated(cause=received.cause("silence_created"), silence=event.silence, **common),)
    if any(one.silence_id == event.silence_id and not _over(one, received.now) for one in silences):
        return (
            contract.SilenceEnded(
                cause=received.cause("ended_by_hand"), silence_id=event.silence_id, actor=event.actor, **common
            ),
        )
    return (
        CommandRefused(
            cause=received.cause("unknown"),
            subject_id=event.silence_id,
            command="end_silence",
            reason="unknown",
            detail=f"no silence {event.silence_id} that could be ended",
            **common,
        ),
    )
