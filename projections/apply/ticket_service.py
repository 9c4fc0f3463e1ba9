"""What facts about reports, clocks and escalation change on the row of their ticket. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from tocsin.events import sla
from tocsin.events import tickets as contract
from tocsin.events.commands import Fact
from tocsin.events.vocabulary import DEFAULT_TIER, PRIORITY_OF_SEVERITY
from tocsin.projections.apply.facts import instant
from tocsin.projections.apply.first_clocks import first_clocks, next_due_at
from tocsin.projections.apply.ticket_known import Columns, Known

REPORTED_EPISODE: Final = 0
_SEVERITY: Final = {priority: severity for severity, priority in PRIORITY_OF_SEVERITY.items()}
_WORDS: Final = ("title", "url", "assignee", "requester")
NO_SERVICE: Final[Mapping[str, Any]] = {
    "customer_tier": DEFAULT_TIER,
    **dict.fromkeys(_WORDS, ""),
    "tags": "[]",
    "source_updated_at": None,
    "escalation_level": 0,
    "sla_state": None,
    "next_due_at": None,
    "acknowledged_at": None,
    "snoozed_until": None,
}
"""Of a ticket that was never reported and has no clocks."""
SERVICE_COLUMNS: Final = ("priority", *NO_SERVICE)


def _registered(fact: contract.TicketRegistered, _ticket: Known) -> Columns:
    created_at = instant(fact.created_at)
    return {
        **NO_SERVICE,
        **begun(fact),
        **_reported(fact),
        "episode": REPORTED_EPISODE,
        "previous_ticket_id": None,
        "workflow": "",
        "identifier": fact.ticket_id,
        "identity_reason": "reported",
        "status": fact.status,
        "hidden": False,
        "severity": _SEVERITY[fact.priority],
        "source": fact.source,
        "step": "",
        "message": fact.title or "",
        "run_url": "",
        "context": None,
        "context_digest": None,
        "occurrences": 1,
        "deliveries": 1,
        "first_seen_at": created_at,
        "last_seen_at": instant(fact.source_updated_at),
        "created_at": created_at,
        "updated_at": instant(fact.at),
        "resolved_at": instant(fact.resolved_at) if fact.resolved_at else None,
        "reopen_until": None,
    }


def begun(fact: contract.TicketOpened | contract.TicketRegistered) -> Columns:
    """How the ticket stands by the clocks it begins with."""
    found = first_clocks(fact)
    return {} if found is None else found.columns


def _revised(fact: contract.TicketRevised, ticket: Known) -> Columns:
    found = _reported(fact) | _touched(fact, ticket)
    if ticket.get("episode") != REPORTED_EPISODE:
        return found  # severity and message are the failure's
    found |= {"severity": _SEVERITY[fact.priority], "last_seen_at": instant(fact.source_updated_at)}
    return found if fact.title is None else found | {"message": fact.title, "context": None, "context_digest": None}


def _reported(fact: contract.ReportFact) -> Columns:
    found: Columns = {
        "priority": fact.priority,
        "customer_tier": fact.customer_tier,
        "source_updated_at": instant(fact.source_updated_at),
    }
    found |= {name: value for name in _WORDS if (value := getattr(fact, name)) is not None}
    return found if fact.tags is None else found | {"tags": orjson.dumps(fact.tags).decode()}


def _priority_raised(fact: contract.PriorityRaised, ticket: Known) -> Columns:
    return {"priority": fact.priority} | _touched(fact, ticket)


def _acknowledged(fact: sla.TicketAcknowledged, ticket: Known) -> Columns:
    return {"acknowledged_at": instant(fact.at)} | _touched(fact, ticket)


def _snoozed(fact: sla.TicketSnoozed, ticket: Known) -> Columns:
    return {"snoozed_until": instant(fact.until)} | _touched(fact, ticket)


def _escalated(fact: sla.Escalated, ticket: Known) -> Columns:
    return {"escalation_level": max(fact.level, ticket.get("escalation_level") or 0)} | _touched(fact, ticket)


def _escalation_stopped(_fact: sla.EscalationStopped, _ticket: Known) -> Columns:
    """Nothing of the ticket itself changes."""
    return {}


def _clock_changed(fact: sla.ClockFact, ticket: Known) -> Columns:
    """``updated_at`` stays: nobody touched the ticket."""
    clock = fact.clock
    clocks = {**ticket.clocks, (clock.metric, clock.cycle): clock}.values()
    return {"sla_state": sla.sla_state(clocks), "next_due_at": next_due_at(clocks)}


def _touched(fact: Fact, ticket: Known) -> Columns:
    """``updated_at`` never falls; of what was stored before, PostgreSQL takes the later."""
    at = instant(fact.at)
    return {"updated_at": max(at, ticket.changed.get("updated_at", at))}


COLUMNS: Final[Mapping[type[Any], Callable[[Any, Known], Columns]]] = {
    contract.TicketRegistered: _registered,
    contract.TicketRevised: _revised,
    contract.PriorityRaised: _priority_raised,
    sla.TicketAcknowledged: _acknowledged,
    sla.TicketSnoozed: _snoozed,
    sla.Escalated: _escalated,
    sla.EscalationStopped: _escalation_stopped,
    **dict.fromkeys(
        (
            sla.ClockStarted,
            sla.ClockPaused,
            sla.ClockResumed,
            sla.ClockStopped,
            sla.ClockCancelled,
            sla.ClockRetargeted,
            sla.ClockWarned,
            sla.ClockBreached,
        ),
        _clock_changed,
    ),
}
