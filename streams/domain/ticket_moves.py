"""What commands and reports about one ticket share: finding it, moving it, and how they are refused."""

from __future__ import annotations

from typing import Any

from tocsin.events import tickets as contract
from tocsin.events.commands import CommandRefused, CommandUnchanged, RefusalReason
from tocsin.events.identity import TICKET_ID
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import TICKET_MOVES, UNRESOLVED, TicketStatus
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_state import Episode, TicketState


def addressed(
    state: TicketState | None, received: Received, command: str
) -> tuple[TicketState, Episode] | CommandRefused:
    """The episode a command names, or why it cannot be had: unknown, forgotten, or another version than seen."""
    ticket_id: str = received.event.ticket_id
    episode = state.episode(ticket_id) if state else None
    if state is None or episode is None:
        if state and TICKET_ID.match(ticket_id) and int(ticket_id.rpartition("-")[2]) < state.episodes[0].number:
            return refused(received, command, "final", "this episode is too old to be changed")
        return refused(received, command, "unknown", f"no ticket {ticket_id}")
    expected = received.event.if_version
    if expected is not None and expected != episode.version:
        detail = f"the ticket is at version {episode.version}, not {expected}"
        return refused(received, command, "version_mismatch", detail, current_version=episode.version)
    return state, episode


def illegal_move(
    state: TicketState, episode: Episode, status: TicketStatus, received: Received, command: str
) -> CommandRefused | None:
    """Why a ticket does not move there from another status; None: it does."""
    allowed = TICKET_MOVES[episode.status]
    if not allowed:
        return refused(received, command, "final", f"{episode.status} is final")
    if status not in allowed:
        detail = f"{episode.status} does not move to {status}"
        return refused(received, command, "illegal_move", detail, allowed=allowed)
    other = state.unresolved()
    if status in UNRESOLVED and other is not None and other.number != episode.number:
        detail = "a newer ticket of the same failure is unresolved"
        open_ticket = state.ticket_id(other)
        return refused(received, command, "newer_episode_unresolved", detail, open_ticket_id=open_ticket)
    return None


def moved(
    state: TicketState,
    episode: Episode,
    received: Received,
    policy: TicketsPolicy,
    asked: contract.StatusChangeRequested,
    rule: str,
    *,
    answers: bool = True,
) -> contract.StatusChanged:
    """The fact of a legal move. Only a failure's ticket is re-opened by a repeat."""
    now = max(received.now, episode.updated_at + 1)
    resolved_at = 0 if asked.status in UNRESOLVED else episode.resolved_at or now
    window = policy.reopen_within(episode.source) if asked.status == "done" and episode.number else None
    return contract.StatusChanged(
        entity=received.entity,
        at=rfc3339(now),
        cause=received.cause(rule, **{"from": episode.status, "to": asked.status}),
        answers=received.answers() if answers else (),
        ticket_id=state.ticket_id(episode),
        from_status=episode.status,
        status=asked.status,
        actor=asked.actor,
        reason=asked.reason,
        resolved_at=rfc3339(resolved_at) if resolved_at else "",
        reopen_until=rfc3339(resolved_at + window) if window is not None else "",
    )


def refused(received: Received, command: str, reason: RefusalReason, detail: str, **more: Any) -> CommandRefused:
    return CommandRefused(
        entity=received.entity,
        at=received.at,
        cause=received.cause(reason),
        answers=received.answers(),
        subject_id=received.event.ticket_id,
        command=command,
        reason=reason,
        detail=detail,
        **more,
    )


def unchanged(received: Received, command: str, rule: str) -> CommandUnchanged:
    return CommandUnchanged(
        entity=received.entity,
        at=received.at,
        cause=received.cause(rule),
        answers=received.answers(),
        subject_id=received.event.ticket_id,
        command=command,
    )
