"""What people ask of a ticket: another status, or out of sight. Refusals are facts and name what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tocsin.events import tickets as contract
from tocsin.events.commands import CommandRefused, CommandUnchanged, Fact, RefusalReason
from tocsin.events.identity import TICKET_ID
from tocsin.events.times import rfc3339, unix_ms
from tocsin.events.vocabulary import TICKET_MOVES, UNRESOLVED
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_state import Episode, TicketState


def change_status(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    event: contract.StatusChangeRequested = received.event
    if received.duplicate:
        return ()
    found = _addressed(state, received, "change_status")
    if isinstance(found, CommandRefused):
        return (found,)
    known, episode = found
    if event.status == episode.status:
        return (_unchanged(received, "change_status", "same_status"),)
    allowed = TICKET_MOVES[episode.status]
    if not allowed:
        detail = f"{episode.status} is final"
        return (_refused(received, "change_status", "final", detail),)
    if event.status not in allowed:
        detail = f"{episode.status} does not move to {event.status}"
        return (_refused(received, "change_status", "illegal_move", detail, allowed=allowed),)
    other = known.unresolved()
    if event.status in UNRESOLVED and other is not None and other.number != episode.number:
        detail = "a newer ticket of the same failure is unresolved"
        open_ticket = known.ticket_id(other)
        return (_refused(received, "change_status", "newer_episode_unresolved", detail, open_ticket_id=open_ticket),)
    return (_changed(known, episode, received, policy, event),)


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
    return (_changed(state, episode, received, policy, asked),)


def _changed(
    state: TicketState,
    episode: Episode,
    received: Received,
    policy: TicketsPolicy,
    event: contract.StatusChangeRequested,
) -> Fact:
    now = max(received.now, episode.updated_at + 1)
    resolved_at = 0
    if event.status not in UNRESOLVED:
        resolved_at = episode.resolved_at or now
    window = policy.reopen_within(episode.source)
    reopens = event.status == "done" and window is not None
    return contract.StatusChanged(
        entity=received.entity,
        at=rfc3339(now),
        cause=received.cause(_rule(received), **{"from": episode.status, "to": event.status}),
        answers=received.answers(),
        ticket_id=state.ticket_id(episode),
        from_status=episode.status,
        status=event.status,
        actor=event.actor,
        reason=event.reason,
        resolved_at=rfc3339(resolved_at) if resolved_at else "",
        reopen_until=rfc3339(resolved_at + window) if reopens and window is not None else "",
    )


def _rule(received: Received) -> str:
    return "succeeded" if isinstance(received.event, contract.SuccessReported) else "legal_move"


def hide(state: TicketState | None, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    event: contract.HideRequested = received.event
    if received.duplicate:
        return ()
    found = _addressed(state, received, "hide")
    if isinstance(found, CommandRefused):
        return (found,)
    known, episode = found
    if episode.unresolved:
        return (_refused(received, "hide", "unresolved", "only a resolved ticket can be hidden", allowed=("done",)),)
    if episode.hidden:
        return (_unchanged(received, "hide", "already_hidden"),)
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


def _addressed(
    state: TicketState | None, received: Received, command: str
) -> tuple[TicketState, Episode] | CommandRefused:
    """The episode a command names, or why it cannot be had: unknown, forgotten, or another version than seen."""
    ticket_id: str = received.event.ticket_id
    episode = state.episode(ticket_id) if state else None
    if state is None or episode is None:
        if state and TICKET_ID.match(ticket_id) and int(ticket_id.rpartition("-")[2]) < state.episodes[0].number:
            return _refused(received, command, "final", "this episode is too old to be changed")
        return _refused(received, command, "unknown", f"no ticket {ticket_id}")
    expected = received.event.if_version
    if expected is not None and expected != episode.version:
        detail = f"the ticket is at version {episode.version}, not {expected}"
        return _refused(received, command, "version_mismatch", detail, current_version=episode.version)
    return state, episode


def _refused(received: Received, command: str, reason: RefusalReason, detail: str, **more: Any) -> CommandRefused:
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


def _unchanged(received: Received, command: str, rule: str) -> CommandUnchanged:
    return CommandUnchanged(
        entity=received.entity,
        at=received.at,
        cause=received.cause(rule),
        answers=received.answers(),
        subject_id=received.event.ticket_id,
        command=command,
    )
