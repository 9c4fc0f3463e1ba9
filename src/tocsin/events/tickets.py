"""Contracts of the tickets domain: what comes in (events) and what was decided (facts), version 1 of each."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tocsin.events.commands import (
    CommandRefused,
    CommandUnchanged,
    DeliveryIgnored,
    Fact,
    PolicyActivated,
    PolicyApplied,
    TimerDue,
)
from tocsin.events.vocabulary import Severity, TicketStatus

__all__ = ["DeliveryIgnored", "PolicyActivated", "PolicyApplied", "TimerDue"]  # of every domain, named here too

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


Event = FailureReported | StatusChangeRequested | HideRequested | TimerDue | PolicyActivated
AnyFact = (
    TicketOpened
    | OccurrencesCounted
    | TicketReopened
    | StatusChanged
    | TicketHidden
    | ReopenWindowEnded
    | DeliveryIgnored
    | PolicyApplied
    | CommandUnchanged
    | CommandRefused
)

EVENTS: Final[dict[str, type[Any]]] = {
    f"tocsin.tickets.{cls.__name__}.v1": cls
    for cls in (FailureReported, SuccessReported, StatusChangeRequested, HideRequested, TimerDue, PolicyActivated)
}
FACTS: Final[dict[str, type[Any]]] = {
    f"tocsin.tickets.{cls.__name__}.v1": cls
    for cls in (
        TicketOpened,
        OccurrencesCounted,
        TicketReopened,
        StatusChanged,
        TicketHidden,
        ReopenWindowEnded,
        DeliveryIgnored,
        PolicyApplied,
        CommandUnchanged,
        CommandRefused,
    )
}
