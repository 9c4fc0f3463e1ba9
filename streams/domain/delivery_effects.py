"""Who hears of the end of a delivery; a function of each fact. Another origin is one more line in ``_TELLING``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from tocsin.events import deliveries as contract
from tocsin.events import jobs, sla, tasks, tickets
from tocsin.events.commands import Fact
from tocsin.events.identity import entity_of_ticket
from tocsin.streams.domain.decision import Effect


def effects(fact: Fact) -> Sequence[Effect]:
    if not isinstance(fact, contract.DeliveryEnded | contract.CancellationConfirmed):
        return ()
    telling = _TELLING.get(fact.origin.domain)
    told = telling(fact) if telling else None
    return () if told is None else (told,)


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


def _ticket(fact: contract.DeliveryEnded | contract.CancellationConfirmed) -> Effect:
    """A message about a ticket has come to its end; a failed one is for the ledger only."""
    ended = fact if isinstance(fact, contract.DeliveryEnded) else None
    event = sla.NotificationFinished(
        ticket_id=fact.origin.entity,
        notification_id=fact.origin.run_id,
        delivery_id=fact.delivery_id,
        result=ended.result if ended else "cancelled",
        attempts=ended.attempts if ended else 0,
        finished_at=ended.finished_at if ended else fact.at,
        status=ended.status if ended else None,
        error=ended.error if ended else "",
        detail=ended.detail if ended else "",
    )
    entity = entity_of_ticket(event.ticket_id)
    return Effect(tickets.DOMAIN, entity, f"tocsin.tickets.{type(event).__name__}.v1", event)


def _task(fact: contract.DeliveryEnded | contract.CancellationConfirmed) -> Effect | None:
    """Nobody waits for what a task cancelled, nor for the end of a notice."""
    if isinstance(fact, contract.CancellationConfirmed) or fact.result == "cancelled":
        return None
    telling = _PURPOSES.get(fact.origin.purpose)
    if telling is None:
        return None
    event = telling(fact)
    return Effect(tasks.DOMAIN, fact.origin.entity, f"tocsin.tasks.{type(event).__name__}.v1", event)


def _poll(fact: contract.DeliveryEnded) -> tasks.PollFinished:
    return tasks.PollFinished(
        task_id=fact.origin.entity,
        run_id=fact.origin.run_id,
        result=fact.result,
        finished_at=fact.finished_at,
        status=fact.status,
        error=fact.error,
        detail=fact.detail,
        answer=fact.answer,
    )


def _settlement(fact: contract.DeliveryEnded) -> tasks.SettlementFinished:
    return tasks.SettlementFinished(
        task_id=fact.origin.entity,
        run_id=fact.origin.run_id,
        result=fact.result,
        attempts=fact.attempts,
        finished_at=fact.finished_at,
        error=fact.error,
        detail=fact.detail,
        code=fact.code,
        uncertain=fact.uncertain,
    )


def _heartbeat(fact: contract.DeliveryEnded) -> tasks.HeartbeatForwarded:
    return tasks.HeartbeatForwarded(
        task_id=fact.origin.entity,
        run_id=fact.origin.run_id,
        result=fact.result,
        code=fact.code,
        detail=fact.detail,
    )


_PURPOSES: Final[dict[str, Callable[[contract.DeliveryEnded], Any]]] = {
    "poll": _poll,
    "settlement": _settlement,
    "heartbeat": _heartbeat,
}
_TELLING: Final[dict[str, Callable[[Any], Effect | None]]] = {
    jobs.DOMAIN: _job,
    tickets.DOMAIN: _ticket,
    tasks.DOMAIN: _task,
}
