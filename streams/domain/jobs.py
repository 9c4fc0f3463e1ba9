"""Jobs: cron and one-time webhooks. The quota of a workspace, and each job's schedule, slots and runs.

Semantics of time: docs/howto/cron.md and ``tocsin.cron``. A slot is decided a moment ahead (``job_slots.LEAD_MS``), so
that the request leaves at the slot itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from tocsin.events import jobs as contract
from tocsin.events.commands import Fact
from tocsin.streams.domain import job_commands, job_runs
from tocsin.streams.domain.decision import Domain, Received
from tocsin.streams.domain.job_effects import effects
from tocsin.streams.domain.job_evolution import evolve
from tocsin.streams.domain.job_firing import advance, next_due
from tocsin.streams.domain.job_live import live
from tocsin.streams.domain.job_policy import JobsPolicy, policy_of
from tocsin.streams.domain.job_state import JobsState

__all__ = ["JOBS", "advance", "decide", "effects", "evolve", "next_due"]


def decide(state: JobsState | None, received: Received, policy: JobsPolicy) -> Sequence[Fact]:
    if type(received.event) is contract.JobCreateRequested:
        return job_commands.create(state, received, policy)
    decision = _DECISIONS.get(type(received.event))
    return decision(state, received) if decision else ()


_DECISIONS: Final[dict[type, Callable[[JobsState | None, Received], Sequence[Fact]]]] = {
    contract.JobReleased: job_commands.released,
    contract.JobAdmitted: job_commands.admitted,
    contract.JobUpdateRequested: job_commands.update,
    contract.JobPauseRequested: job_commands.pause,
    contract.JobResumeRequested: job_commands.resume,
    contract.JobRunRequested: job_commands.run_now,
    contract.JobDeleteRequested: job_commands.delete,
    contract.RunEnded: job_runs.ended,
    contract.DeliveryCancelled: job_runs.cancelled,
}


def fold_key(fact: Fact) -> Hashable | None:
    return None


def fold(run: Sequence[Any]) -> Fact:
    raise NotImplementedError("no facts of jobs are folded")


JOBS: Final[Domain[JobsState, JobsPolicy]] = Domain(
    name=contract.DOMAIN,
    events=contract.EVENTS,
    facts=contract.FACTS,
    state_type=JobsState,
    policy=policy_of,
    decide=decide,
    advance=advance,
    evolve=evolve,
    next_due=next_due,
    fold_key=fold_key,
    fold=fold,
    effects=effects,
    live=live,
)
