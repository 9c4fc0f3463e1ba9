"""Who hears of the end of a delivery; a function of each fact.

Only jobs ask for deliveries so far: another origin is one more line in ``_TELLING``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from tocsin.events import deliveries as contract
from tocsin.events import jobs
from tocsin.events.commands import Fact
from tocsin.streams.domain.decision import Effect


def effects(fact: Fact) -> Sequence[Effect]:
    if not isinstance(fact, contract.DeliveryEnded | contract.CancellationConfirmed):
        return ()
    telling = _TELLING.get(fact.origin.domain)
    return (telling(fact),) if telling else ()


def _job(fact: contract.DeliveryEnded | contract.CancellationConfirmed) -> Effect:
    job_id, run_id = fact.origin.entity, fact.origin.run_id
    if isinstance(fact, contract.CancellationConfirmed):
        return _to_job(jobs.DeliveryCancelled(job_id=job_id, run_id=run_id))
    if fact.result == "cancelled":
        return _to_job(jobs.DeliveryCancelled(job_id=job_id, run_id=run_id, attempts=fact.attempts))
    ended = jobs.RunEnded(
        job_id=job_id,
        run_id=run_id,
        result=fact.result,
        attempts=fact.attempts,
        finished_at=fact.finished_at,
        status=fact.status,
        error=fact.error,
        detail=fact.detail,
    )
    return _to_job(ended)


def _to_job(event: jobs.RunEnded | jobs.DeliveryCancelled) -> Effect:
    return Effect(jobs.DOMAIN, event.job_id, f"tocsin.jobs.{type(event).__name__}.v1", event)


_TELLING: Final[dict[str, Callable[[Any], Effect]]] = {jobs.DOMAIN: _job}
