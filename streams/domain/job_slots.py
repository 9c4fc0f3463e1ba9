"""Which slots are due, and what becomes of each: fired, late, coalesced, skipped or missed. Pure.

A slot is late when more than a minute passed since its time: then the catch-up policy speaks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from tocsin.cron import slots_between, zone
from tocsin.cron.zones import moment_at
from tocsin.events.vocabulary import SlotVerdict
from tocsin.streams.domain.job_state import Job, dst_of, next_slot, schedule, slot_at, slot_of

LEAD_MS: Final = 500
"""Slots are decided this much ahead, so that the request leaves at the slot itself."""
ON_TIME_MS: Final = 60_000
MOST_CAUGHT_UP: Final = 100
CATCH_UP_INTERVAL_MS: Final = 1_000
_LOOKED_BACK_MS: Final = 7 * 86_400_000
"""Slots older than this are not listed one by one."""
_MOST_LISTED: Final = 20_000


class Due(NamedTuple):
    """A slot that becomes a run. Both times in Unix ms."""

    slot: int
    verdict: SlotVerdict
    reason: str
    not_before: int


class Passed(NamedTuple):
    """Slots that become none. ``more``: how many older ones are not listed."""

    verdict: SlotVerdict
    reason: str
    slots: tuple[int, ...]
    more: int = 0


class Decided(NamedTuple):
    """In the order of time: what passed, then what fires."""

    passed: tuple[Passed, ...]
    due: tuple[Due, ...]


def jitter_ms(job_id: str, job: Job, slot: int) -> int:
    """The same for the same slot, below the gap to the next one."""
    window = job.spec.jitter_seconds * 1000
    if not window:
        return 0
    following = next_slot(job.spec, slot)
    if following is not None:
        window = min(window, following - slot)
    digest = hashlib.sha256(f"{job_id}/{slot}".encode()).digest()[:8]
    return int.from_bytes(digest) % window


def due_at(job_id: str, job: Job) -> int | None:
    """When the next slot is to be decided, Unix ms; None when there is none."""
    if job.next_slot is None:
        return None
    return job.next_slot + jitter_ms(job_id, job, job.next_slot) - LEAD_MS


def decided(job_id: str, job: Job, now: int) -> Decided:
    """What becomes of every slot due at ``now`` (Unix ms). Only for a job whose slots fire."""
    slots = _slots_due(job_id, job, now)
    late = [slot for slot in slots if _lateness(job_id, job, slot, now) > ON_TIME_MS]
    on_time = [Due(slot, "fired", "on_time", _not_before(job_id, job, slot)) for slot in slots if slot not in set(late)]
    if not late:
        return Decided((), tuple(on_time))
    return _caught_up(job, late, on_time, now)


def all_due(job_id: str, job: Job, now: int) -> tuple[int, ...]:
    """Every slot due at ``now``, for a job whose slots do not fire."""
    return tuple(_slots_due(job_id, job, now))


def _slots_due(job_id: str, job: Job, now: int) -> list[int]:
    until = now + LEAD_MS
    if job.once:
        slots = [at] if job.cursor < (at := slot_of(job.spec.run_at)) <= until else []
    else:
        begin, end = (moment_at(at // 1000) for at in (max(job.cursor, until - _LOOKED_BACK_MS), until))
        slots = [
            slot_at(moment)
            for moment in slots_between(schedule(job.spec), zone(job.spec.timezone), begin, end, dst_of(job.spec))
        ]
    if slots and _not_before(job_id, job, slots[-1]) > now + LEAD_MS:
        slots.pop()  # its jitter has not passed
    return slots


def _not_before(job_id: str, job: Job, slot: int) -> int:
    return slot + jitter_ms(job_id, job, slot)


def _lateness(job_id: str, job: Job, slot: int, now: int) -> int:
    return now - _not_before(job_id, job, slot)


# --- catching up ----------------------------------------------------------------------------------------------------


def _caught_up(job: Job, late: list[int], on_time: list[Due], now: int) -> Decided:
    """``late`` and ``on_time`` in the order of time."""
    begin = now - job.spec.catchup_window_seconds * 1000
    beyond = [slot for slot in late if slot < begin]
    within = late[len(beyond) :]
    passed = _passed("missed", "beyond_catchup_window", beyond)
    match job.spec.catchup:
        case "none":
            return Decided((*passed, *_passed("missed", "catchup_none", within)), tuple(on_time))
        case "first":
            fires, left = within[:1], within[1:]
            coalesced = _passed("coalesced", "catchup_first", left)
            return Decided((*passed, *coalesced), (*_late(fires, now), *on_time))
        case "all":
            cut = max(0, len(within) - MOST_CAUGHT_UP)
            coalesced = _passed("coalesced", "catchup_limit", within[:cut])
            return Decided((*passed, *coalesced), (*_late(within[cut:], now), *on_time))
    return _only_the_newest(passed, within, on_time, now)


def _only_the_newest(passed: tuple[Passed, ...], within: list[int], on_time: list[Due], now: int) -> Decided:
    """One run stands for all that were missed, the one that is on time if there is one."""
    slots = [*within, *(one.slot for one in on_time)]
    if not slots:
        return Decided(passed, ())
    newest = on_time[-1].not_before if on_time else now
    due = Due(slots[-1], "late", "catch_up", max(newest, now))
    return Decided((*passed, *_passed("coalesced", "catchup_last", slots[:-1])), (due,))


def _late(slots: Sequence[int], now: int) -> list[Due]:
    """One after the other, not all at once."""
    return [Due(slot, "late", "catch_up", now + nth * CATCH_UP_INTERVAL_MS) for nth, slot in enumerate(slots)]


def _passed(verdict: SlotVerdict, reason: str, slots: Sequence[int]) -> tuple[Passed, ...]:
    if not slots:
        return ()
    more = max(0, len(slots) - _MOST_LISTED)
    return (Passed(verdict, reason, tuple(slots[more:]), more),)
