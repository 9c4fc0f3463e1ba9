"""The state of a job, or of a workspace's quota, after each fact about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from tocsin.events import jobs as contract
from tocsin.events.commands import Fact
from tocsin.events.times import unix_ms
from tocsin.streams.domain.job_state import FINISHED, Ending, Job, JobsState, Quota, Run, slot_of

replace = msgspec.structs.replace


def evolve(state: JobsState | None, fact: Fact) -> JobsState | None:
    """The state after a fact. Facts that change nothing (refusals, policies) leave it as it is."""
    change = _CHANGES.get(type(fact))
    if change is not None:
        return change(state or JobsState(fact.entity), fact)
    amend = _OF_JOBS.get(type(fact))
    return amend_job(state, fact, amend) if amend is not None and isinstance(fact, contract.JobFact) else state


def amend_job(state: JobsState | None, fact: contract.JobFact, amend: Callable[[Job, Any], Job]) -> JobsState:
    """The job with the columns every fact has, and what this one says. Raises ValueError when there is none."""
    if state is None or state.job is None:
        raise ValueError(f"fact about {fact.job_id}, which this state does not know")
    common = replace(
        state.job,
        status=fact.status,
        version=fact.version,
        updated_at=unix_ms(fact.at),
        next_slot=_slot(fact.next_run),
    )
    return replace(state, job=amend(common, fact))


def _slot(text: str) -> int | None:
    return slot_of(text) if text else None


# --- the quota ------------------------------------------------------------------------------------------------------


def _accepted(state: JobsState, fact: contract.JobAccepted) -> JobsState:
    numbered = int(fact.job_id.rpartition("-")[2])
    return replace(state, quota=Quota(numbered, fact.active))


def _quota_changed(state: JobsState, fact: contract.QuotaChanged) -> JobsState:
    return replace(state, quota=replace(state.quota or Quota(), active=fact.active))


def _created(state: JobsState, fact: contract.JobCreated) -> JobsState:
    job = Job(
        fact.status,
        fact.version,
        unix_ms(fact.at),
        fact.spec,
        1,
        slot_of(fact.cursor),
        _slot(fact.next_run),
        fact.tzdata,
    )
    return replace(state, job=job)


# --- a job ----------------------------------------------------------------------------------------------------------


def _updated(job: Job, fact: contract.JobUpdated) -> Job:
    return replace(
        job,
        spec=fact.spec,
        spec_version=fact.spec_version,
        cursor=slot_of(fact.cursor),
        tzdata=fact.tzdata,
        queued=None,
    )


def _paused(job: Job, fact: contract.JobPaused) -> Job:
    return replace(job, ending=None, queued=None)


def _pause_started(job: Job, fact: contract.PauseStarted) -> Job:
    return replace(job, ending=Ending("paused", fact.actor, fact.waiting), queued=None)


def _deletion_started(job: Job, fact: contract.DeletionStarted) -> Job:
    earlier = job.ending.answers if job.ending else ()
    return replace(job, ending=Ending("deleted", fact.actor, (*earlier, *fact.waiting)), queued=None)


def _deleted(job: Job, fact: contract.JobDeleted) -> Job:
    return _over(replace(job, ending=None))


def _same(job: Job, fact: contract.JobFact) -> Job:
    return job


def _rules_changed(job: Job, fact: contract.NextRunChanged) -> Job:
    return replace(job, tzdata=fact.tzdata)


def _fired(job: Job, fact: contract.SlotFired) -> Job:
    slot = slot_of(fact.slot)
    runs = job.runs | {fact.run_id: Run(fact.request.delivery_id, slot)}
    queued = None if job.queued == slot else job.queued
    return replace(job, cursor=max(job.cursor, slot), runs=runs, queued=queued)


def _passed(job: Job, fact: contract.SlotsPassed) -> Job:
    queued = None if job.queued in fact.slots else job.queued
    return replace(job, cursor=max((job.cursor, *fact.slots)), queued=queued)


def _queued(job: Job, fact: contract.SlotQueued) -> Job:
    slot = slot_of(fact.slot)
    return replace(job, cursor=max(job.cursor, slot), queued=slot)


def _started(job: Job, fact: contract.RunStarted) -> Job:
    return replace(job, runs=job.runs | {fact.run_id: Run(fact.request.delivery_id)})


def _finished(job: Job, fact: contract.RunFinished) -> Job:
    left = without(job.runs, (fact.run_id,))
    failing = job.failing if fact.result == "cancelled" else fact.result != "succeeded"
    job = replace(job, runs=left, failing=failing)
    return _over(job) if fact.status in FINISHED else job


def _over(job: Job) -> Job:
    """What late commands need of a job that is over."""
    spec = replace(job.spec, payload=contract.NO_PAYLOAD, headers={}, tags=())
    return replace(job, spec=spec, next_slot=None, queued=None)


def without(runs: Mapping[str, Run], gone: Iterable[str]) -> dict[str, Run]:
    left = set(runs) - set(gone)
    return {run_id: run for run_id, run in runs.items() if run_id in left}


_CHANGES: Final[dict[type, Callable[[JobsState, Any], JobsState]]] = {
    contract.JobAccepted: _accepted,
    contract.QuotaChanged: _quota_changed,
    contract.JobCreated: _created,
}
_OF_JOBS: Final[dict[type, Callable[[Job, Any], Job]]] = {
    contract.JobUpdated: _updated,
    contract.JobPaused: _paused,
    contract.JobResumed: _same,
    contract.JobDisabled: _same,
    contract.PauseStarted: _pause_started,
    contract.DeletionStarted: _deletion_started,
    contract.JobDeleted: _deleted,
    contract.NextRunChanged: _rules_changed,
    contract.SlotFired: _fired,
    contract.SlotsPassed: _passed,
    contract.SlotQueued: _queued,
    contract.RunStarted: _started,
    contract.RunsSuperseded: _same,
    contract.RunFinished: _finished,
}
