"""What tickets ask of others: messages about escalations, from the deliveries domain; a function of each fact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.events import deliveries
from tocsin.events.commands import Fact
from tocsin.events.sla import Escalated, Notification
from tocsin.streams.domain import slack_message
from tocsin.streams.domain.decision import Effect


def effects(fact: Fact) -> Sequence[Effect]:
    if type(fact) is not Escalated:
        return ()
    return tuple(_requested(fact, one) for one in fact.notifications)


def _requested(fact: Escalated, one: Notification) -> Effect:
    content = slack_message.payload(fact) if one.kind == "slack" else _document(fact)
    event = deliveries.DeliveryRequested(
        delivery_id=one.delivery_id,
        origin=deliveries.Origin(domain="tickets", entity=fact.ticket_id, run_id=one.notification_id),
        request=deliveries.Request(
            url=one.url,
            payload=msgspec.Raw(msgspec.json.encode(content)),
            by_operator=True,
            rate_key=(one.known_as or f"channel:{one.channel}") if one.rate_per_second else "",
            rate_per_second=one.rate_per_second,
            channel=one.known_as,
        ),
        not_before=fact.at,
        scheduled_for=fact.told.due_at,
    )
    name = f"tocsin.{deliveries.DOMAIN}.DeliveryRequested.v1"
    return Effect(deliveries.DOMAIN, one.delivery_id, name, event)


def _document(fact: Escalated) -> dict[str, Any]:
    """The payload of a webhook, as Standard Webhooks recommends it: type, timestamp, data."""
    return {
        "type": "sla.escalated",
        "timestamp": fact.at,
        "data": {
            "ticket_id": fact.ticket_id,
            "subject": fact.subject,
            "link": fact.link or None,
            "priority": fact.priority,
            "customer_tier": fact.customer_tier,
            "escalation_level": fact.level,
            "reason": fact.told.reason,
            "metric": fact.told.metric,
            "step": fact.told.step,
            "loop": fact.told.loop,
            "ladder": fact.ladder or None,
            "due_at": fact.clock.breached_at or fact.clock.due_at or None if fact.clock else None,
            "late": fact.late,
            "lateness_ms": fact.lateness_ms,
            "coalesced": len(fact.coalesced),
            "actor": fact.actor or None,
            "remark": fact.remark or None,
        },
    }
