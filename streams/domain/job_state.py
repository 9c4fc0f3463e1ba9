"""The state of the jobs domain: what a workspace may still create, and one job with its slots and runs.

It is folded from facts. A job that is over keeps what late commands need.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from tocsin.cron import CronExpression, DstPolicy, next_after, parse, zone
from tocsin.cron.zones import moment_at
from tocsin.events.commands import Answer
from tocsin.events.jobs import JobSpec
from tocsin.events.times import rfc3339, unix_ms
from tocsin.events.vocabulary import COUNTED_JOB_STATUSES, JobStatus

FINISHED: Final[tuple[JobStatus, ...]] = ("completed", "failed", "deleted")


class Quota(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``numbered``: jobs that were ever admitted; ``active``: those that count now."""

    numbered: int = 0
    active: int = 0


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A run whose end is not known. ``slot``: Unix ms, 0 for one beside the schedule."""

    delivery_id: str
    slot: int = 0


class Ending(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A pause or deletion that waits for deliveries to be cancelled."""

    to: JobStatus
    actor: str
    answers: tuple[Answer, ...] = ()


class Job(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One job. cursor: the last slot handled, Unix ms. next_slot: computed from it, None when there is none.

    queued: a slot that waits for the run before it. failing: the last run failed finally. updated_at: Unix ms.
    """

    status: JobStatus
    version: int
    updated_at: int
    spec: JobSpec
    spec_version: int
    cursor: int
    next_slot: int | None
    tzdata: str = ""
    runs: dict[str, Run] = {}
    queued: int | None = None
    failing: bool = False
    ending: Ending | None = None

    @property
    def once(self) -> bool:
        return not self.spec.cron

    @property
    def counted(self) -> bool:
        return self.status in COUNTED_JOB_STATUSES

    @property
    def next_run(self) -> str:
        return "" if self.next_slot is None else slot_text(self.next_slot)


class JobsState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Either the quota of a workspace or one job."""

    entity: str
    quota: Quota | None = None
    job: Job | None = None


def slot_text(slot: int) -> str:
    return rfc3339(slot)


def slot_of(text: str) -> int:
    """Unix ms of an instant. Only a job that runs once has slots within a second."""
    return unix_ms(text)


def slot_at(moment: datetime) -> int:
    """Unix ms of a slot of an expression, which has whole seconds."""
    return int(moment.timestamp()) * 1000


def schedule(spec: JobSpec) -> CronExpression:
    return parse(spec.cron, spec.cron_format or None)


def dst_of(spec: JobSpec) -> DstPolicy:
    policy: DstPolicy = spec.dst  # type: ignore[assignment] # checked when the job was asked for
    return policy


def next_slot(spec: JobSpec, cursor: int) -> int | None:
    """The first slot after the cursor, both in Unix ms."""
    if not spec.cron:
        at = slot_of(spec.run_at)
        return at if at > cursor else None
    found = next_after(schedule(spec), zone(spec.timezone), moment_at(cursor // 1000), dst_of(spec))
    return None if found is None else slot_at(found)
