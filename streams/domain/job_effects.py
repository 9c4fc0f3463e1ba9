"""What jobs tell others: the deliveries domain, tickets, and each other; a function of each fact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.events import deliveries, tickets
from tocsin.events import jobs as contract
from tocsin.events.commands import Fact
from tocsin.events.deliveries import Origin, Request
from tocsin.events.identity import entity_of_numbered
from tocsin.streams.domain.decision import Effect
from tocsin.streams.domain.job_telling import failure_names

SOURCE = "scheduler"


def effects(fact: Fact) -> Sequence[Effect]:
    match fact:
        case contract.JobAccepted():
            return (_job(fact.job_id, _admitted(fact)),)
        case contract.SlotFired() | contract.RunStarted():
            return (_requested(fact.job_id, fact.run_id, fact.request),)
        case contract.RunsSuperseded() | contract.PauseStarted() | contract.DeletionStarted():
            return tuple(_cancelled(fact, *run) for run in fact.runs)
        case contract.JobDeleted(counted=True):
            return (_released(fact.job_id),)
        case contract.RunFinished():
            finished = (_released(fact.job_id),) if fact.counted else ()
            return (*finished, *_ticket(fact))
    return ()


def _job(entity: str, event: Any) -> Effect:
    return Effect(contract.DOMAIN, entity, f"tocsin.jobs.{type(event).__name__}.v1", event)


def _admitted(fact: contract.JobAccepted) -> contract.JobAdmitted:
    return contract.JobAdmitted(
        job_id=fact.job_id, spec=fact.spec, actor=fact.actor, requested_at=fact.at, answers=fact.waiting
    )


def _released(job_id: str) -> Effect:
    return _job(entity_of_numbered(job_id), contract.JobReleased(job_id=job_id))


# --- deliveries -----------------------------------------------------------------------------------------------------


def _delivery(entity: str, event: Any) -> Effect:
    return Effect(deliveries.DOMAIN, entity, f"tocsin.deliveries.{type(event).__name__}.v1", event)


def _origin(job_id: str, run_id: str) -> Origin:
    return Origin(domain="jobs", entity=job_id, run_id=run_id)


def _requested(job_id: str, run_id: str, asked: contract.RunRequest) -> Effect:
    spec = asked.spec
    request = Request(
        url=spec.callback_url,
        headers=spec.headers,
        payload=spec.payload,
        payload_digest=spec.payload_digest,
        expected_status=spec.expected_status,
    )
    event = deliveries.DeliveryRequested(
        delivery_id=asked.delivery_id,
        origin=_origin(job_id, run_id),
        request=request,
        not_before=asked.not_before,
        scheduled_for=asked.scheduled_for,
        max_attempts=spec.max_attempts,
    )
    return _delivery(asked.delivery_id, event)


def _cancelled(fact: contract.JobFact, run_id: str, delivery_id: str) -> Effect:
    event = deliveries.CancelDelivery(
        delivery_id=delivery_id, origin=_origin(fact.job_id, run_id), reason=fact.cause.rule
    )
    return _delivery(delivery_id, event)


# --- tickets --------------------------------------------------------------------------------------------------------


def _ticket(fact: contract.RunFinished) -> Sequence[Effect]:
    """A final failure opens a ticket, the next success resolves it."""
    if not fact.ticket_entity:
        return ()
    workflow, identifier = failure_names(fact.job_id, fact.name)
    event: Any
    if fact.result == "succeeded":
        event = tickets.SuccessReported(
            workflow=workflow, identifier=identifier, occurred_at=fact.finished_at, source=SOURCE
        )
    else:
        event = tickets.FailureReported(
            workflow=workflow,
            identifier=identifier,
            identity_reason="the job",
            message=_message(fact),
            occurred_at=fact.finished_at,
            source=SOURCE,
            context=msgspec.Raw(msgspec.json.encode(_context(fact))),
        )
    return (Effect(tickets.DOMAIN, fact.ticket_entity, f"tocsin.tickets.{type(event).__name__}.v1", event),)


def _message(fact: contract.RunFinished) -> str:
    why = f"the endpoint answered {fact.http_status}" if fact.http_status else fact.detail or fact.error
    return f"{fact.name}: {fact.attempts} attempts failed: {why}"


def _context(fact: contract.RunFinished) -> dict[str, Any]:
    return {
        "job_id": fact.job_id,
        "run_id": fact.run_id,
        "slot": fact.slot or None,
        "callback_url": fact.callback_url,
        "attempts": fact.attempts,
        "status": fact.http_status,
        "error": fact.error or None,
        "detail": fact.detail or None,
    }
