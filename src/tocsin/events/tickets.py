"""Contracts of the tickets domain: what comes in (events) and what was decided (facts), version 1 of each."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tocsin.events import sla
from tocsin.events.commands import (
    CommandRefused,
    CommandUnchanged,
    DeliveryIgnored,
    Fact,
    PolicyActivated,
    PolicyApplied,
    TimerDue,
)
from tocsin.events.sla import TicketReported
from tocsin.events.vocabulary import DEFAULT_TIER, Priority, Severity, TicketStatus

# of every domain, named here too; and the report of a ticket, whose facts are here
__all__ = ["DeliveryIgnored", "PolicyActivated", "PolicyApplied", "TicketReported", "TimerDue"]

DOMAIN: Final = "tickets"
# One object for every "no context": msgspec leaves a default out by identity, and an empty Raw is not JSON.
NO_CONTEXT: Final = msgspec.Raw(b"")


# --- events ---------------------------------------------------------------------------------------------------------


class FailureReported(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A workflow failed. ``identity_reason`` says how the identifier was found; times are RFC 3339 UTC.

    ``context`` is any JSON, kept verbatim; over 4 KiB it travels once through the payloads topic and only its
    SHA-256 (``context_digest``) is here.
    """

    workflow: str
    identifier: str
    identity_reason: str
    message: str
    occurred_at: str
    severity: Severity = "error"
    source: str = "api"
    step: str = ""
    run_url: str = ""
    context: msgspec.Raw = NO_CONTEXT
    context_digest: str = ""


class SuccessReported(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What had failed works again: an unresolved ticket of it is done. Nothing else comes of it."""

    workflow: str
    identifier: str
    occurred_at: str
    source: str
    reason: str = ""


class StatusChangeRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Somebody asks for another status of one ticket. ``if_version``: the version the client saw (If-Match)."""

    ticket_id: str
    status: TicketStatus
    actor: str
    reason: str = ""
    if_version: int | None = None


class HideRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Somebody asks to hide a resolved ticket from lists (DELETE)."""

    ticket_id: str
    actor: str
    if_version: int | None = None


# --- facts ----------------------------------------------------------------------------------------------------------


class TicketFact(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A fact about one ticket."""

    ticket_id: str


class Latest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What the latest occurrence said; replaces what the ticket showed before."""

    message: str
    severity: Severity
    source: str
    step: str = ""
    run_url: str = ""
    context: msgspec.Raw = NO_CONTEXT
    context_digest: str = ""


class TicketOpened(TicketFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``priority`` follows from the severity; the customer tier is ``default``. clocks: those it begins with."""

    episode: int
    workflow: str
    identifier: str
    identity_reason: str
    first_seen_at: str
    latest: Latest
    status: TicketStatus = "open"
    occurrences: int = 1
    deliveries: int = 1
    previous_ticket_id: str = ""
    priority: Priority = "high"
    clocks: tuple[sla.StartedClock, ...] = ()


class OccurrencesCounted(TicketFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """More of the same. ``occurrences`` and ``deliveries`` are the totals afterwards, ``*_added`` what this adds.

    A retried delivery of an event already counted adds a delivery only (``latest`` is then absent).
    """

    occurrences: int
    deliveries: int
    occurrences_added: int
    deliveries_added: int
    last_seen_at: str
    latest: Latest | None = None


class TicketReopened(TicketFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A resolved ticket failed again inside its re-open window."""

    from_status: TicketStatus
    occurrences: int
    deliveries: int
    last_seen_at: str
    latest: Latest
    status: TicketStatus = "open"


class StatusChanged(TicketFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``reopen_until``: until then a repeat re-opens this ticket; empty when it never does."""

    from_status: TicketStatus
    status: TicketStatus
    actor: str
    reason: str = ""
    resolved_at: str = ""
    reopen_until: str = ""


class TicketHidden(TicketFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    actor: str


class ReopenWindowEnded(TicketFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """From here on a repeat opens a new ticket that links this one."""


class ReportFact(TicketFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A report that counts. ``source_updated_at``: the reporter's ``updated_at``, against which later ones are held.

    title, url, assignee, requester, tags: None = not said, what was known stays. digest: of the whole report, by which
    the same one is known again.
    """

    priority: Priority
    customer_tier: str
    source_updated_at: str
    digest: str = ""
    title: str | None = None
    url: str | None = None
    assignee: str | None = None
    requester: str | None = None
    tags: tuple[str, ...] | None = None


class TicketRegistered(ReportFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The first report of a ticket of another system; its ``episode`` is 0 and ``ticket_id`` the reporter's own.

    created_at: the reporter's. resolved_at: when it is resolved already, else empty. clocks: those it begins with;
    what became of them since is told by facts about them.
    """

    status: TicketStatus
    created_at: str
    source: str = "report"
    resolved_at: str = ""
    clocks: tuple[sla.StartedClock, ...] = ()


class TicketRevised(ReportFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A later report, or the first one about a failure's ticket. A StatusChanged follows where the status moved."""

    from_priority: Priority
    from_customer_tier: str


class ReportIgnored(TicketFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Answered with the ticket as it is. Rule ``stale``: older than the last accepted one; ``identical``: the same."""

    source_updated_at: str
    reported_updated_at: str


class PriorityRaised(TicketFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A repeat was more severe than the ticket's priority; it stands beside the fact that counts the repeat.

    Only until a report has set the priority, and never downwards.
    """

    from_priority: Priority
    priority: Priority
    severity: Severity


def first_clocks(fact: TicketOpened | TicketRegistered) -> tuple[sla.Clock, ...]:
    """The clocks a ticket begins with, whole."""
    if isinstance(fact, TicketOpened):
        return tuple([clock.whole(fact.priority, DEFAULT_TIER, fact.at) for clock in fact.clocks])
    return tuple([clock.whole(fact.priority, fact.customer_tier, fact.created_at) for clock in fact.clocks])


_EVENTS: Final[tuple[type[Any], ...]] = (
    FailureReported,
    SuccessReported,
    StatusChangeRequested,
    HideRequested,
    *sla.EVENTS,
    TimerDue,
    PolicyActivated,
)
_FACTS: Final[tuple[type[Any], ...]] = (
    TicketOpened,
    OccurrencesCounted,
    TicketReopened,
    StatusChanged,
    TicketHidden,
    ReopenWindowEnded,
    TicketRegistered,
    TicketRevised,
    ReportIgnored,
    PriorityRaised,
    *sla.FACTS,
    DeliveryIgnored,
    PolicyApplied,
    CommandUnchanged,
    CommandRefused,
)
EVENTS: Final[dict[str, type[Any]]] = {f"tocsin.tickets.{cls.__name__}.v1": cls for cls in _EVENTS}
FACTS: Final[dict[str, type[Any]]] = {f"tocsin.tickets.{cls.__name__}.v1": cls for cls in _FACTS}
