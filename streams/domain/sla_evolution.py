"""What each fact about clocks, levels and reports leaves in the memory of a ticket's SLA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.events import sla as contract
from tocsin.events import tickets
from tocsin.events.times import unix_ms
from tocsin.events.vocabulary import DEFAULT_TIER
from tocsin.streams.domain.sla_state import (
    ORDINARY,
    TAG_LENGTH,
    TAGS_KEPT,
    Sla,
    climbs_of,
    heard,
    heard_first,
    subject_of,
)

SlaChange = contract.SlaFact | tickets.TicketRevised | tickets.PriorityRaised

replace = msgspec.structs.replace


def sla_after(before: Sla, fact: SlaChange) -> Sla:
    """The memory after one of ``SLA_FACTS``."""
    return _CHANGES[type(fact)](before, fact)


def opened(fact: tickets.TicketOpened) -> Sla | None:
    """Of a failure's new ticket; None for the ordinary severity without clocks. What messages will say of it and by
    what they find their channel is needed by clocks alone."""
    if not fact.clocks:
        return None if fact.priority == ORDINARY.priority else Sla(fact.priority)
    return Sla(
        fact.priority,
        clocks=heard_first(fact.clocks, fact.priority, DEFAULT_TIER, fact.at),
        subject=subject_of(f"{fact.workflow}: {fact.latest.message}"),
        tags=(f"workflow:{fact.workflow}"[:TAG_LENGTH],),
    )


def registered(fact: tickets.TicketRegistered) -> Sla:
    """Of another system's new ticket."""
    sla = reported(ORDINARY, fact)
    if not fact.clocks:
        return sla
    return replace(sla, clocks=heard_first(fact.clocks, fact.priority, fact.customer_tier, fact.created_at))


def reported(before: Sla, fact: tickets.ReportFact) -> Sla:
    """After an accepted report. What it does not say stays."""
    return replace(
        before,
        priority=fact.priority,
        customer_tier=fact.customer_tier,
        reported_at=unix_ms(fact.source_updated_at),
        report=fact.digest,
        subject=before.subject if fact.title is None else subject_of(fact.title),
        tags=before.tags if fact.tags is None else tuple(tag[:TAG_LENGTH] for tag in fact.tags[:TAGS_KEPT]),
    )


def _raised(before: Sla, fact: tickets.PriorityRaised) -> Sla:
    return replace(before, priority=fact.priority)


def _clock(before: Sla, fact: contract.ClockFact) -> Sla:
    return before.with_clock(heard(fact.clock))


def _started(before: Sla, fact: contract.ClockStarted) -> Sla:
    after = _clock(before, fact)
    if not fact.subject:
        return after
    return replace(after, subject=fact.subject, tags=fact.tags)


def _escalated(before: Sla, fact: contract.Escalated) -> Sla:
    return replace(before, level=fact.level, climbs=climbs_of(fact.ladders))


def _stopped(before: Sla, fact: contract.EscalationStopped) -> Sla:
    return before.without_climb(fact.metric, fact.cycle)


def _acknowledged(before: Sla, fact: contract.TicketAcknowledged) -> Sla:
    return replace(before, acknowledged_at=unix_ms(fact.at), climbs=climbs_of(fact.ladders))


def _snoozed(before: Sla, fact: contract.TicketSnoozed) -> Sla:
    return replace(before, snoozed_until=unix_ms(fact.until))


_CHANGES: Final[dict[type, Callable[[Sla, Any], Sla]]] = {
    tickets.TicketRevised: reported,
    tickets.PriorityRaised: _raised,
    contract.ClockStarted: _started,
    contract.ClockPaused: _clock,
    contract.ClockResumed: _clock,
    contract.ClockStopped: _clock,
    contract.ClockCancelled: _clock,
    contract.ClockRetargeted: _clock,
    contract.ClockWarned: _clock,
    contract.ClockBreached: _clock,
    contract.Escalated: _escalated,
    contract.EscalationStopped: _stopped,
    contract.TicketAcknowledged: _acknowledged,
    contract.TicketSnoozed: _snoozed,
}
SLA_FACTS: Final = frozenset(_CHANGES)
