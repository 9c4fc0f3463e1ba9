"""What tasks tell others: the deliveries domain and tickets; a function of each fact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tocsin.events import deliveries, tickets
from tocsin.events import tasks as contract
from tocsin.events.commands import Fact
from tocsin.events.deliveries import Origin
from tocsin.events.tasks import Call
from tocsin.streams.domain.decision import Effect
from tocsin.streams.domain.task_confirming import failure_names

SOURCE: Final = "tasks"


def effects(fact: Fact) -> Sequence[Effect]:
    match fact:
        case contract.PollStarted():
            return (_requested(fact, fact.call),)
        case contract.TaskPolled(call=Call() as call) | contract.HeartbeatAccepted(call=Call() as call):
            return (_requested(fact, call),)
        case contract.TaskSettled():
            asked = tuple(_requested(fact, call) for call in fact.calls)
            return (*asked, *(_cancelled(fact, *poll) for poll in fact.cancelled))
        case contract.SettlementConcluded() if fact.ticket_entity:
            return (_ticket(fact),)
    return ()


def _requested(fact: contract.TaskFact, call: Call) -> Effect:
    event = deliveries.DeliveryRequested(
        delivery_id=call.delivery_id,
        origin=Origin(domain="tasks", entity=fact.task_id, run_id=call.run_id, purpose=call.purpose),
        request=call.request,
        not_before=call.not_before,
        scheduled_for=call.not_before,
        max_attempts=call.max_attempts,
    )
    return _delivery(call.delivery_id, event)


def _cancelled(fact: contract.TaskSettled, run_id: str, delivery_id: str) -> Effect:
    origin = Origin(domain="tasks", entity=fact.task_id, run_id=run_id, purpose="poll")
    event = deliveries.CancelDelivery(delivery_id=delivery_id, origin=origin, reason=fact.cause.rule)
    return _delivery(delivery_id, event)


def _delivery(entity: str, event: Any) -> Effect:
    return Effect(deliveries.DOMAIN, entity, f"tocsin.deliveries.{type(event).__name__}.v1", event)


def _ticket(fact: contract.SettlementConcluded) -> Effect:
    """The workflow may wait for ever, or has gone on without the result: somebody has to look."""
    workflow, identifier = failure_names(fact.task_id, fact.external_job_id)
    context = {
        "task_id": fact.task_id,
        "status": fact.status,
        "confirmation": fact.confirmation,
        "code": fact.code or None,
        "attempts": fact.attempts,
        "detail": fact.detail or None,
    }
    why = fact.code or fact.error or "no answer"
    event = tickets.FailureReported(
        workflow=workflow,
        identifier=identifier,
        identity_reason="the task",
        message=f"AWS did not take the settlement of {fact.task_id} ({fact.status}): {why}",
        occurred_at=fact.finished_at,
        source=SOURCE,
        context=msgspec.Raw(msgspec.json.encode(context)),
    )
    return Effect(tickets.DOMAIN, fact.ticket_entity, "tocsin.tickets.FailureReported.v1", event)
