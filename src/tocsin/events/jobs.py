"""Contracts of the jobs domain: what comes in (events) and what was decided (facts), version 1 of each.

A workspace has one quota entity, ``j_<hash of workspace>``, which admits jobs and numbers them; each job is an entity
of its own, ``j_<hash>-<n>``, in the same partition. Times are RFC 3339 UTC; slots of an expression have whole seconds.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from tocsin.events.commands import (
    Answer,
    CommandRefused,
    CommandUnchanged,
    Fact,
    PolicyActivated,
    PolicyApplied,
    TimerDue,
)
from tocsin.events.vocabulary import Catchup, JobStatus, Overlap, RunResult, SlotVerdict

DOMAIN: Final = "jobs"
# One object for every "no payload": msgspec leaves a default out by identity, and an empty Raw is not JSON.
NO_PAYLOAD: Final = msgspec.Raw(b"")


class JobSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What a job is to do, and when: ``cron`` or ``run_at``.

    headers: values that are secret are encrypted. payload: JSON, sent as it is; over 4 KiB it travels once through the
    payloads topic and only its SHA-256 (``payload_digest``) is here. max_attempts counts the first try.
    expected_status: what counts as success; none = every 2xx. resolve_on_success: the next success resolves the ticket
    of a final failure.
    """

    name: str
    callback_url: str
    cron: str = ""
    run_at: str = ""
    timezone: str = "UTC"
    cron_format: str = ""
    dst: str = "vixie"
    payload: msgspec.Raw = NO_PAYLOAD
    payload_digest: str = ""
    headers: dict[str, str] = {}
    max_attempts: int = 4
    catchup: Catchup = "last"
    catchup_window_seconds: int = 86_400
    catchup_on_resume: bool = False
    overlap: Overlap = "allow"
    jitter_seconds: int = 0
    expected_status: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    resolve_on_success: bool = True


# --- events: what people ask -----------------------------------------------------------------------------------------


class JobCreateRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """To the quota entity."""

    spec: JobSpec
    actor: str


class JobUpdateRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``changes``: fields of a spec and their new values. A header whose value is ``***`` keeps the one it has.

    Setting ``cron`` or ``run_at`` takes the place of the other.
    """

    job_id: str
    changes: dict[str, Any]
    actor: str
    if_version: int | None = None


class JobPauseRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    job_id: str
    actor: str
    if_version: int | None = None


class JobResumeRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    job_id: str
    actor: str
    if_version: int | None = None


class JobRunRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Run now, beside the schedule."""

    job_id: str
    actor: str


class JobDeleteRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    job_id: str
    actor: str
    if_version: int | None = None


# --- events: what entities say to each other -------------------------------------------------------------------------


class JobAdmitted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """From the quota entity to the new job. ``requested_at``: when it was asked for; slots before it never were."""

    job_id: str
    spec: JobSpec
    actor: str
    requested_at: str
    answers: tuple[Answer, ...] = ()


class JobReleased(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """From a job to the quota entity: it counts no more, or (``counts``) again."""

    job_id: str
    counts: bool = False


class RunEnded(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """From the deliveries domain: the last word on a run. ``error``: the class of the last failure.

    result ``gone``: the endpoint wants no more (410).
    """

    job_id: str
    run_id: str
    result: RunResult
    attempts: int
    finished_at: str
    status: int | None = None
    error: str = ""
    detail: str = ""


class DeliveryCancelled(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """From the deliveries domain: no attempt of this run starts any more."""

    job_id: str
    run_id: str
    attempts: int = 0


# --- facts ----------------------------------------------------------------------------------------------------------


class JobAccepted(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """On the quota entity: the workspace has room. ``active``: with this one. ``waiting``: who hears of the job."""

    job_id: str
    spec: JobSpec
    actor: str
    active: int
    waiting: tuple[Answer, ...] = ()


class QuotaChanged(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """On the quota entity: a job counts no more, or again."""

    job_id: str
    active: int
    counts: bool = False


class JobFact(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A fact about one job, with its columns after it; ``at`` is its ``updated_at`` and strictly increases.

    next_run: the next slot; empty when there is none.
    """

    job_id: str
    status: JobStatus
    next_run: str = ""


class JobCreated(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``at`` is also its ``created_at``. cursor: slots up to here are none of this job. tzdata: release of the rules
    the next run was computed by."""

    spec: JobSpec
    actor: str
    cursor: str
    tzdata: str = ""


class JobUpdated(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The whole spec afterwards. ``changed``: names of the fields that differ. cursor: slots up to here never fire."""

    spec: JobSpec
    spec_version: int
    changed: tuple[str, ...]
    actor: str
    cursor: str
    tzdata: str = ""


class JobPaused(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    actor: str


class JobResumed(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    actor: str


class JobDisabled(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """By tocsin itself: the endpoint answered that it wants no more."""


class DeletionStarted(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """It fires no more; deliveries that may still be waiting are cancelled first. ``waiting``: who hears of the end."""

    actor: str
    runs: tuple[tuple[str, str], ...]
    waiting: tuple[Answer, ...] = ()


class PauseStarted(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """As DeletionStarted, for a pause."""

    actor: str
    runs: tuple[tuple[str, str], ...]
    waiting: tuple[Answer, ...] = ()


class JobDeleted(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``counted``: it counted against the quota until now."""

    actor: str
    counted: bool = True


class NextRunChanged(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The rules of a time zone changed: ``before`` is what the next slot had been."""

    before: str
    tzdata: str


class RunRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What the deliveries domain is asked to do for a run. ``not_before``, ``scheduled_for``: RFC 3339 UTC."""

    delivery_id: str
    not_before: str
    scheduled_for: str
    spec: JobSpec


class SlotFired(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A slot became a run; ``verdict`` is ``fired`` or ``late``. run_id: SHA-256 of job, spec version and slot.

    lateness_ms: how long after the slot it was decided, 0 when before it.
    """

    slot: str
    verdict: SlotVerdict
    run_id: str
    spec_version: int
    lateness_ms: int
    request: RunRequest


class SlotsPassed(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Slots that became no run, all for the same reason (``cause.rule``), oldest first.

    slots: Unix ms. more: how many older ones are not listed, when there were very many; ``first`` is the oldest.
    """

    verdict: SlotVerdict
    slots: tuple[int, ...]
    spec_version: int
    more: int = 0
    first: str = ""


class SlotQueued(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A slot waits for the run before it to end (overlap ``queue_one``)."""

    slot: str
    spec_version: int


class RunStarted(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A run beside the schedule, asked for by ``actor``."""

    run_id: str
    actor: str
    request: RunRequest


class RunsSuperseded(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A new slot takes the place of the waiting retries of these runs (overlap ``cancel_retries``)."""

    runs: tuple[tuple[str, str], ...]


class RunFinished(JobFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The end of a run, and of a job that runs once.

    ticket_entity: the ticket of this job's failures, when it is to hear of this end: a failure, or the first success
    after one. counted: the job counted against the quota until now, and does no more.
    """

    run_id: str
    slot: str
    result: RunResult
    attempts: int
    finished_at: str
    name: str
    callback_url: str
    http_status: int | None = None
    error: str = ""
    detail: str = ""
    ticket_entity: str = ""
    counted: bool = False


class RunIgnored(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A word about a run that is over, or was never begun; ``cause.rule`` says which."""

    job_id: str
    run_id: str


Runs = tuple[tuple[str, str], ...]
"""(run id, delivery id) of each."""
Trigger = Literal["slot", "manual"]

EVENTS: Final[dict[str, type[Any]]] = {
    f"tocsin.jobs.{cls.__name__}.v1": cls
    for cls in (
        JobCreateRequested,
        JobUpdateRequested,
        JobPauseRequested,
        JobResumeRequested,
        JobRunRequested,
        JobDeleteRequested,
        JobAdmitted,
        JobReleased,
        RunEnded,
        DeliveryCancelled,
        TimerDue,
        PolicyActivated,
    )
}
FACTS: Final[dict[str, type[Any]]] = {
    f"tocsin.jobs.{cls.__name__}.v1": cls
    for cls in (
        JobAccepted,
        QuotaChanged,
        JobCreated,
        JobUpdated,
        JobPaused,
        JobResumed,
        JobDisabled,
        DeletionStarted,
        PauseStarted,
        JobDeleted,
        NextRunChanged,
        SlotFired,
        SlotsPassed,
        SlotQueued,
        RunStarted,
        RunsSuperseded,
        RunFinished,
        RunIgnored,
        PolicyApplied,
        CommandUnchanged,
        CommandRefused,
    )
}
