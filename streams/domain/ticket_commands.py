"""What people ask of a ticket: another status, or out of sight. Refusals are facts and name what is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.events import tickets as contract
from tocsin.events.commands import CommandRefused, Fact
from tocsin.events.times import rfc3339, unix_ms
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.ticket_moves import addressed, illegal_move, moved, refused, unchanged
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_state import TicketState


def change_status(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    event: contract.StatusChangeRequested = received.event
    if received.duplicate:
        return ()
    found = addressed(state, received, "change_status")
    if isinstance(found, CommandRefused):
        return (found,)
    known, episode = found
    if event.status == episode.status:
        return (unchanged(received, "change_status", "same_status"),)
    if (why := illegal_move(known, episode, event.status, received, "change_status")) is not None:
        return (why,)
    return (moved(known, episode, received, policy, event, "legal_move"),)


def succeeded(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    """What had failed works again. A success that nobody waits for leaves no trace."""
    event: contract.SuccessReported = received.event
    episode = state.unresolved() if state and not received.duplicate else None
    if state is None or episode is None or unix_ms(event.occurred_at) < unix_ms(episode.last_seen_at):
        return ()  # nothing is open, or it failed again since
    asked = contract.StatusChangeRequested(
        ticket_id=state.ticket_id(episode),
        status="done",
        actor=event.source,
        reason=event.reason or "it works again",
    )
    return (moved(state, episode, received, policy, asked, "succeeded"),)


def hide(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    event: contract.HideRequested = received.event
    if received.duplicate:
        return ()
    found = addressed(state, received, "hide")
    if isinstance(found, CommandRefused):
        return (found,)
    known, episode = found
    if episode.unresolved:
        return (refused(received, "hide", "unresolved", "only a resolved ticket can be hidden", allowed=("done",)),)
    if episode.hidden:
        return (unchanged(received, "hide", "already_hidden"),)
    return (
        contract.TicketHidden(
            entity=received.entity,
            at=rfc3339(max(received.now, episode.updated_at + 1)),
            cause=received.cause("resolved"),
            answers=received.answers(),
            ticket_id=known.ticket_id(episode),
            actor=event.actor,
        ),
    )
