"""What clients hear of clocks and escalation as it happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tocsin.events import sla as contract
from tocsin.events.live import LiveEvent


def _of_clock(kind: str, fact: contract.ClockFact, level: int | None, **more: Any) -> LiveEvent:
    clock = fact.clock
    data = {
        "metric": clock.metric,
        "cycle": clock.cycle,
        "priority": clock.priority,
        "customer_tier": clock.customer_tier,
        "target_ms": clock.target_ms,
        "due_at": clock.breached_at or clock.due_at or None,
        **more,
    }
    return LiveEvent(type=kind, occurred_at=fact.at, ticket_id=fact.ticket_id, escalation_level=level, data=data)


def _warned(fact: contract.ClockWarned) -> LiveEvent:
    return _of_clock("sla.warning", fact, fact.level, percent=fact.percent)


def _breached(fact: contract.ClockBreached) -> LiveEvent:
    return _of_clock("sla.breached", fact, fact.level, lateness_ms=fact.lateness_ms)


def _retargeted(fact: contract.ClockRetargeted) -> LiveEvent:
    return _of_clock("sla.retargeted", fact, None, why=fact.why, from_target_ms=fact.from_target_ms)


def _escalated(fact: contract.Escalated) -> LiveEvent:
    data = {
        "from_level": fact.from_level,
        "reason": fact.told.reason,
        "metric": fact.told.metric,
        "cycle": fact.told.cycle,
        "step": fact.told.step,
        "loop": fact.told.loop,
        "due_at": fact.told.due_at,
        "late": fact.late,
        "coalesced": len(fact.coalesced),
        "channels": [one.channel for one in fact.notifications],
        "held_until": fact.held_until or None,
        "subject": fact.subject,
        "priority": fact.priority,
        "customer_tier": fact.customer_tier,
        "actor": fact.actor or None,
    }
    return LiveEvent(
        type="sla.escalated", occurred_at=fact.at, ticket_id=fact.ticket_id, escalation_level=fact.level, data=data
    )


def _acknowledged(fact: contract.TicketAcknowledged) -> LiveEvent:
    data = {"actor": fact.actor, "reason": fact.reason or None, "rearmed_at": fact.rearmed_at or None}
    return LiveEvent(type="sla.acknowledged", occurred_at=fact.at, ticket_id=fact.ticket_id, data=data)


TOLD: Final[Mapping[type[Any], Callable[[Any], LiveEvent]]] = {
    contract.ClockWarned: _warned,
    contract.ClockBreached: _breached,
    contract.ClockRetargeted: _retargeted,
    contract.Escalated: _escalated,
    contract.TicketAcknowledged: _acknowledged,
}
