"""The slots of a job as they come due, and the runs they become, with the overlap policy between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.cron import tzdata_version
from tocsin.events import jobs as contract
from tocsin.events.commands import Fact
from tocsin.events.identity import run_id
from tocsin.events.vocabulary import SlotVerdict
from tocsin.streams.domain import job_slots
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.job_policy import JobsPolicy
from tocsin.streams.domain.job_slots import Due
from tocsin.streams.domain.job_state import Job, JobsState, next_slot, slot_text
from tocsin.streams.domain.job_telling import Telling

_SLOTS_A_FACT: Final = 500


def next_due(state: JobsState, policy: JobsPolicy) -> int | None:
    """When something of the job is to be decided, Unix ms."""
    job = state.job
    if job is None or job.next_slot is None or waits(job):
        return None
    if _other_rules(job, policy):
        return 0
    return job_slots.due_at(state.entity, job)


def waits(job: Job) -> bool:
    """Whether its slots are left for later: it will catch up when it is resumed."""
    return job.status == "paused" and job.spec.catchup_on_resume


def _other_rules(job: Job, policy: JobsPolicy) -> bool:
    return bool(policy.tzdata) and bool(job.spec.cron) and job.tzdata != policy.tzdata


def advance(state: JobsState, received: Received, policy: JobsPolicy) -> Sequence[Fact]:
    telling = Telling(state, received)
    job = state.job
    if job is None or job.next_slot is None or waits(job):
        return ()
    if _other_rules(job, policy):
        _recomputed(telling, policy)
    due = job_slots.due_at(state.entity, telling.job)
    if due is not None and due <= received.now:
        handle_due(telling)
    return telling.facts


def _recomputed(telling: Telling, policy: JobsPolicy) -> None:
    """By the rules this process has; the fact says which release the installation announced."""
    job = telling.job
    slot = next_slot(job.spec, job.cursor)
    telling.about(
        contract.NextRunChanged,
        "time_zone_rules_changed",
        before=job.next_run,
        next_run="" if slot is None else slot_text(slot),
        tzdata=policy.tzdata,
        values={"from": job.tzdata, "to": policy.tzdata, "here": tzdata_version()},
    )


def handle_due(telling: Telling) -> None:
    """Every slot that is due: fired, or passed with its reason."""
    job, job_id, now = telling.job, telling.received.entity, telling.received.now
    if job.status != "active" or job.ending is not None:
        reason = job.ending.to if job.ending else job.status
        pass_slots(telling, "skipped", reason, job_slots.all_due(job_id, job, now))
        return
    found = job_slots.decided(job_id, job, now)
    for passed in found.passed:
        pass_slots(telling, passed.verdict, passed.reason, passed.slots, passed.more)
    for due in found.due:
        _meet(telling, due)


def pass_slots(telling: Telling, verdict: SlotVerdict, reason: str, slots: Sequence[int], more: int = 0) -> None:
    for begin in range(0, len(slots), _SLOTS_A_FACT):
        listed = tuple(slots[begin : begin + _SLOTS_A_FACT])
        telling.about(
            contract.SlotsPassed,
            reason,
            verdict=verdict,
            slots=listed,
            spec_version=telling.job.spec_version,
            more=more if begin == 0 else 0,
            first=slot_text(listed[0]),
            next_run=telling.following(max(listed[-1], telling.job.cursor)),
        )


# --- overlap --------------------------------------------------------------------------------------------------------


def _meet(telling: Telling, due: Due) -> None:
    """A slot comes due while earlier runs may not have ended."""
    job = telling.job
    if not job.runs or job.spec.overlap == "allow":
        fire(telling, due)
    elif job.spec.overlap == "skip":
        pass_slots(telling, "skipped", "overlap", (due.slot,))
    elif job.spec.overlap == "queue_one":
        _queue(telling, due)
    else:
        runs = tuple((run, known.delivery_id) for run, known in job.runs.items())
        telling.about(contract.RunsSuperseded, "overlap", runs=runs)
        fire(telling, due)


def _queue(telling: Telling, due: Due) -> None:
    if (queued := telling.job.queued) is not None:
        pass_slots(telling, "coalesced", "queue_of_one", (queued,))
    telling.about(
        contract.SlotQueued,
        "overlap",
        slot=slot_text(due.slot),
        spec_version=telling.job.spec_version,
        next_run=telling.following(due.slot),
    )


def fire_queued(telling: Telling) -> None:
    """The slot that waited for a run to end."""
    job, now = telling.job, telling.received.now
    if job.queued is None or job.runs or job.status != "active" or job.ending is not None:
        return
    late = now - job.queued > job_slots.ON_TIME_MS
    fire(telling, Due(job.queued, "late" if late else "fired", "queued", now))


def drop_queued(telling: Telling, reason: str) -> None:
    """The slot that waited will not be fired: the job is paused, changed or over."""
    if (queued := telling.job.queued) is not None:
        pass_slots(telling, "skipped", reason, (queued,))


def fire(telling: Telling, due: Due) -> None:
    job, job_id = telling.job, telling.received.entity
    run = run_id(job_id, job.spec_version, slot_text(due.slot))
    telling.about(
        contract.SlotFired,
        due.reason,
        slot=slot_text(due.slot),
        verdict=due.verdict,
        run_id=run,
        spec_version=job.spec_version,
        lateness_ms=max(0, telling.received.now - due.slot),
        request=telling.request(run, due.not_before, due.slot),
        next_run=telling.following(max(due.slot, job.cursor)),
        values={"catchup": job.spec.catchup, "overlap": job.spec.overlap},
    )
