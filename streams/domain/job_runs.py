"""How runs end, and what that means for their job: its ticket, its end when it runs once, what waited for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tocsin.events import jobs as contract
from tocsin.events.commands import Fact
from tocsin.events.vocabulary import JobStatus, RunResult
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.job_firing import drop_queued, fire_queued
from tocsin.streams.domain.job_state import JobsState, Run, slot_text
from tocsin.streams.domain.job_telling import Telling


def ended(state: JobsState | None, received: Received) -> Sequence[Fact]:
    event: contract.RunEnded = received.event
    telling = Telling(state, received)
    run = _run(telling, event.job_id, event.run_id)
    if run is not None:
        _finished(telling, event, run)
        if event.result == "gone" and telling.job.status == "active":
            drop_queued(telling, "disabled")
            telling.about(contract.JobDisabled, "endpoint_gone", status="disabled")
        _after(telling)
    return telling.facts


def cancelled(state: JobsState | None, received: Received) -> Sequence[Fact]:
    event: contract.DeliveryCancelled = received.event
    telling = Telling(state, received)
    run = _run(telling, event.job_id, event.run_id)
    if run is not None:
        end = contract.RunEnded(
            job_id=event.job_id,
            run_id=event.run_id,
            result="cancelled",
            attempts=event.attempts,
            finished_at=received.at,
        )
        _finished(telling, end, run)
        _after(telling)
    return telling.facts


def _run(telling: Telling, job_id: str, run_id: str) -> Run | None:
    """The run, if its end is not known yet."""
    job = telling.state.job
    run = job.runs.get(run_id) if job else None
    if run is None:
        rule = "unknown_job" if job is None else "over_already"
        telling.plain(contract.RunIgnored, rule, job_id=job_id, run_id=run_id)
    return run


def _finished(telling: Telling, event: contract.RunEnded, run: Run) -> None:
    job = telling.job
    fields: dict[str, Any] = {}
    if (status := _status_after(telling, run, event.result)) is not None:
        fields = {"status": status, "next_run": "", "counted": True}
    telling.about(
        contract.RunFinished,
        f"run_{event.result}",
        run_id=event.run_id,
        slot=slot_text(run.slot) if run.slot else "",
        result=event.result,
        attempts=event.attempts,
        finished_at=event.finished_at,
        name=job.spec.name,
        callback_url=job.spec.callback_url,
        http_status=event.status,
        error=event.error,
        detail=event.detail,
        ticket_entity=_ticket_concerned(telling, event.result),
        **fields,
    )


def _status_after(telling: Telling, run: Run, result: RunResult) -> JobStatus | None:
    """Of a job that runs once and has; None when its status stays."""
    job = telling.job
    if not job.once or not run.slot or job.status != "active" or result == "cancelled":
        return None
    return "completed" if result == "succeeded" else "failed"


def _ticket_concerned(telling: Telling, result: RunResult) -> str:
    job = telling.job
    resolves = result == "succeeded" and job.failing and job.spec.resolve_on_success
    return telling.ticket_entity() if resolves or result in ("failed", "gone") else ""


def _after(telling: Telling) -> None:
    """What waited for the run to end: a pause, a deletion, a queued slot."""
    job = telling.job
    if job.ending is None:
        fire_queued(telling)
    elif not job.runs:
        settle(telling)


def settle(telling: Telling) -> None:
    """The pause or deletion that waited for the last delivery."""
    ending = telling.job.ending
    if ending is None:
        return
    answers = {"answers": ending.answers, "actor": ending.actor}
    if ending.to == "deleted":
        counted = telling.job.counted
        telling.about(
            contract.JobDeleted, "deliveries_cancelled", status="deleted", next_run="", counted=counted, **answers
        )
    else:
        telling.about(contract.JobPaused, "deliveries_cancelled", status="paused", **answers)
