"""What clients hear of jobs as it happens: what went wrong for good, not every run."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.events import jobs as contract
from tocsin.events.commands import Fact
from tocsin.events.live import LiveEvent


def live(fact: Fact) -> Sequence[LiveEvent]:
    match fact:
        case contract.RunFinished(result="failed" | "gone"):
            return (_run_failed(fact),)
        case contract.JobDisabled():
            data = {"job_id": fact.job_id, "reason": fact.cause.rule}
            return (LiveEvent(type="job.disabled", occurred_at=fact.at, data=data),)
    return ()


def _run_failed(fact: contract.RunFinished) -> LiveEvent:
    data = {
        "job_id": fact.job_id,
        "run_id": fact.run_id,
        "name": fact.name,
        "slot": fact.slot or None,
        "result": fact.result,
        "attempts": fact.attempts,
        "http_status": fact.http_status,
        "error": fact.error or None,
    }
    return LiveEvent(type="job.run_failed", occurred_at=fact.at, data=data)
