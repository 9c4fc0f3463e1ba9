"""What clients hear of tickets as it happens; not every occurrence: a storm of repeats changes one ticket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tocsin.events import tickets as contract
from tocsin.events.commands import Fact
from tocsin.events.live import LiveEvent
from tocsin.streams.domain import sla_live


def live(fact: Fact) -> Sequence[LiveEvent]:
    told = _TOLD.get(type(fact))
    return () if told is None else (told(fact),)


def _opened(fact: contract.TicketOpened) -> LiveEvent:
    data: dict[str, Any] = {
        "status": fact.status,
        "workflow": fact.workflow,
        "severity": fact.latest.severity,
        "source": fact.latest.source,
    }
    if fact.previous_ticket_id:
        data["previous_ticket_id"] = fact.previous_ticket_id
    return LiveEvent(type="ticket.opened", occurred_at=fact.at, ticket_id=fact.ticket_id, data=data)


def _reopened(fact: contract.TicketReopened) -> LiveEvent:
    data = {
        "status": fact.status,
        "from_status": fact.from_status,
        "severity": fact.latest.severity,
        "source": fact.latest.source,
    }
    return LiveEvent(type="ticket.reopened", occurred_at=fact.at, ticket_id=fact.ticket_id, data=data)


def _status_changed(fact: contract.StatusChanged) -> LiveEvent:
    data = {"status": fact.status, "from_status": fact.from_status, "actor": fact.actor}
    return LiveEvent(type="ticket.status_changed", occurred_at=fact.at, ticket_id=fact.ticket_id, data=data)


def _hidden(fact: contract.TicketHidden) -> LiveEvent:
    return LiveEvent(type="ticket.hidden", occurred_at=fact.at, ticket_id=fact.ticket_id, data={"actor": fact.actor})


def _registered(fact: contract.TicketRegistered) -> LiveEvent:
    data = {
        "status": fact.status,
        "priority": fact.priority,
        "customer_tier": fact.customer_tier,
        "source": fact.source,
        "title": fact.title,
    }
    return LiveEvent(type="ticket.opened", occurred_at=fact.at, ticket_id=fact.ticket_id, escalation_level=0, data=data)


_TOLD: Final[Mapping[type[Any], Callable[[Any], LiveEvent]]] = {
    contract.TicketOpened: _opened,
    contract.TicketReopened: _reopened,
    contract.StatusChanged: _status_changed,
    contract.TicketHidden: _hidden,
    contract.TicketRegistered: _registered,
    **sla_live.TOLD,
}
