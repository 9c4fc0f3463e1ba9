"""What people ask of jobs: create, update, pause, resume, run now, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.cron import tzdata_version
from tocsin.events import jobs as contract
from tocsin.events.commands import Fact
from tocsin.events.identity import run_id
from tocsin.events.jobs import JobSpec
from tocsin.events.times import unix_ms
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.job_firing import drop_queued, handle_due
from tocsin.streams.domain.job_policy import JobsPolicy
from tocsin.streams.domain.job_slots import LEAD_MS
from tocsin.streams.domain.job_state import FINISHED, Job, JobsState, Quota, next_slot, slot_text
from tocsin.streams.domain.job_telling import Telling

KEPT: Final = "***"
"""A header with this value keeps the one it has."""

# --- the quota ------------------------------------------------------------------------------------------------------


def create(state: JobsState | None, received: Received, policy: JobsPolicy) -> Sequence[Fact]:
    """On the quota entity."""
    event: contract.JobCreateRequested = received.event
    telling = Telling(state, received)
    quota = telling.state.quota or Quota()
    if received.duplicate:
        return ()
    if quota.active >= policy.max_jobs:
        detail = f"the workspace has {quota.active} of {policy.max_jobs} jobs; delete one first"
        return telling.refused("create_job", "quota_exceeded", detail)
    telling.plain(
        contract.JobAccepted,
        "within_quota",
        job_id=f"{received.entity}-{quota.numbered + 1}",
        spec=event.spec,
        actor=event.actor,
        active=quota.active + 1,
        waiting=received.answers(),
        values={"active": quota.active, "max_jobs": policy.max_jobs},
    )
    return telling.facts


def released(state: JobsState | None, received: Received) -> Sequence[Fact]:
    """On the quota entity."""
    event: contract.JobReleased = received.event
    telling = Telling(state, received)
    quota = telling.state.quota or Quota()
    active = max(0, quota.active + (1 if event.counts else -1))
    rule = "counts_again" if event.counts else "counts_no_more"
    telling.plain(contract.QuotaChanged, rule, job_id=event.job_id, active=active, counts=event.counts)
    return telling.facts


def admitted(state: JobsState | None, received: Received) -> Sequence[Fact]:
    """On the new job."""
    event: contract.JobAdmitted = received.event
    telling = Telling(state, received)
    if telling.state.job is not None:
        return ()
    # a job that runs once fires even when its time passed on the way here
    cursor = 0 if event.spec.run_at else unix_ms(event.requested_at)
    slot = next_slot(event.spec, cursor)
    telling.about(
        contract.JobCreated,
        "admitted",
        status="active",
        next_run="" if slot is None else slot_text(slot),
        spec=event.spec,
        actor=event.actor,
        cursor=slot_text(cursor),
        tzdata=tzdata_version(),
        answers=event.answers,
    )
    if slot is not None and slot <= received.now + LEAD_MS:
        handle_due(telling)
    return telling.facts


# --- a job ----------------------------------------------------------------------------------------------------------


def update(state: JobsState | None, received: Received) -> Sequence[Fact]:
    event: contract.JobUpdateRequested = received.event
    telling = Telling(state, received)
    job = _addressed(telling, "update_job")
    if job is None:
        return telling.facts
    if job.status in FINISHED:
        return telling.refused("update_job", "over", "the job has run; create another one")
    spec = changed_spec(job.spec, event.changes)
    changed = tuple(name for name in JobSpec.__struct_fields__ if getattr(spec, name) != getattr(job.spec, name))
    if not changed:
        return telling.unchanged("update_job", "same_spec")
    drop_queued(telling, "updated")
    cursor = received.now
    slot = next_slot(spec, cursor)
    telling.about(
        contract.JobUpdated,
        "updated",
        next_run="" if slot is None else slot_text(slot),
        spec=spec,
        spec_version=job.spec_version + 1,
        changed=changed,
        actor=event.actor,
        cursor=slot_text(cursor),
        tzdata=tzdata_version(),
        answers=received.answers(),
    )
    return telling.facts


def changed_spec(spec: JobSpec, changes: Mapping[str, Any]) -> JobSpec:
    """Raises msgspec.ValidationError when a change is none of a spec."""
    new = dict(changes)
    if new.get("cron"):
        new["run_at"] = ""
    elif new.get("run_at"):
        new |= {"cron": "", "cron_format": ""}
    if "headers" in new:
        known = {name.lower(): value for name, value in spec.headers.items()}
        given = new["headers"].items()
        new["headers"] = {name: known.get(name.lower(), value) if value == KEPT else value for name, value in given}
    if "payload" in new and "payload_digest" not in new:
        new["payload_digest"] = ""
    encoded = msgspec.json.decode(msgspec.json.encode(spec), type=dict[str, msgspec.Raw])
    merged = encoded | {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in new.items()}
    if new.get("payload_digest"):
        merged.pop("payload", None)
    return msgspec.json.decode(msgspec.json.encode(merged), type=JobSpec)


def pause(state: JobsState | None, received: Received) -> Sequence[Fact]:
    event: contract.JobPauseRequested = received.event
    telling = Telling(state, received)
    job = _addressed(telling, "pause_job")
    if job is None:
        return telling.facts
    if job.status in FINISHED:
        return telling.refused("pause_job", "over", "the job has run")
    if job.status == "paused":
        return telling.unchanged("pause_job", "paused_already")
    drop_queued(telling, "paused")
    if job.runs:
        telling.about(
            contract.PauseStarted,
            "deliveries_wait",
            actor=event.actor,
            runs=_waiting(job),
            waiting=(*_earlier(job), *received.answers()),
        )
    else:
        telling.about(contract.JobPaused, "paused", status="paused", actor=event.actor, answers=received.answers())
    return telling.facts


def resume(state: JobsState | None, received: Received) -> Sequence[Fact]:
    event: contract.JobResumeRequested = received.event
    telling = Telling(state, received)
    job = _addressed(telling, "resume_job")
    if job is None:
        return telling.facts
    if job.status in FINISHED:
        return telling.refused("resume_job", "over", "the job has run")
    if job.status == "active" and job.ending is None:
        return telling.unchanged("resume_job", "active_already")
    if job.ending is not None:
        return telling.refused("resume_job", "over", "the job is being paused; try again")
    answers = received.answers()
    telling.about(contract.JobResumed, "resumed", status="active", actor=event.actor, answers=answers)
    if telling.job.next_slot is not None and telling.job.next_slot <= received.now + LEAD_MS:
        handle_due(telling)  # it was left for now
    return telling.facts


def run_now(state: JobsState | None, received: Received) -> Sequence[Fact]:
    event: contract.JobRunRequested = received.event
    telling = Telling(state, received)
    job = _addressed(telling, "run_job")
    if job is None:
        return telling.facts
    if job.status in FINISHED:
        return telling.refused("run_job", "over", "the job has run; create another one")
    run = run_id(received.entity, job.spec_version, f"manual/{received.envelope.id}")
    telling.about(
        contract.RunStarted,
        "asked_for",
        run_id=run,
        actor=event.actor,
        request=telling.request(run, received.now, received.now),
        answers=received.answers(),
    )
    return telling.facts


def delete(state: JobsState | None, received: Received) -> Sequence[Fact]:
    event: contract.JobDeleteRequested = received.event
    telling = Telling(state, received)
    job = _addressed(telling, "delete_job")
    if job is None:
        return telling.facts
    answers = received.answers()
    drop_queued(telling, "deleted")
    if job.runs:
        telling.about(
            contract.DeletionStarted, "deliveries_wait", actor=event.actor, runs=_waiting(job), waiting=answers
        )
    else:
        telling.about(
            contract.JobDeleted,
            "deleted",
            status="deleted",
            next_run="",
            actor=event.actor,
            counted=job.counted,
            answers=answers,
        )
    return telling.facts


def _waiting(job: Job) -> tuple[tuple[str, str], ...]:
    return tuple((run, known.delivery_id) for run, known in job.runs.items())


def _earlier(job: Job) -> tuple[Any, ...]:
    return job.ending.answers if job.ending else ()


def _addressed(telling: Telling, command: str) -> Job | None:
    """The job a command names; None after telling why it cannot be had."""
    received, job = telling.received, telling.state.job
    if received.duplicate:
        return None
    if job is None or job.status == "deleted" or (job.ending is not None and job.ending.to == "deleted"):
        telling.refused(command, "unknown", f"no job {received.entity}")
        return None
    version = getattr(received.event, "if_version", None)
    if version is not None and version != job.version:
        detail = f"the job is at version {job.version}, not {version}"
        telling.refused(command, "version_mismatch", detail, current_version=job.version)
        return None
    return job
