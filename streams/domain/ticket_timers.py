"""The timers of tickets: the end of a re-open window, from which on a repeat opens a new ticket; clocks and ladders."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.events import tickets as contract
from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339
from tocsin.streams.domain import ticket_sla
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_state import Episode, TicketState


def _window_end(episode: Episode, policy: TicketsPolicy) -> int | None:
    if not episode.window_open:
        return None
    return episode.resolved_at + (policy.reopen_within(episode.source) or 0)


def next_due(state: TicketState, policy: TicketsPolicy) -> int | None:
    """When a re-open window of the entity ends, or a clock or ladder of its unresolved ticket is due, Unix ms."""
    earliest: int | None = None
    for episode in state.episodes:
        if episode.window_open:
            end = _window_end(episode, policy)
            if end is not None and (earliest is None or end < earliest):
                earliest = end
        elif policy.sla is not None and episode.unresolved:
            due = ticket_sla.next_due(episode, policy.sla)
            if due is not None and (earliest is None or due < earliest):
                earliest = due
    return earliest


def advance(state: TicketState, received: Received, policy: TicketsPolicy) -> Sequence[Fact]:
    facts: list[Fact] = []
    for episode in state.episodes:
        if not episode.window_open:
            if policy.sla is not None and episode.unresolved:
                facts += ticket_sla.advance(state, episode, received, policy.sla)
            continue
        end = _window_end(episode, policy)
        if end is not None and end <= received.now:
            facts.append(
                contract.ReopenWindowEnded(
                    entity=state.entity,
                    at=received.at,
                    cause=received.cause("reopen_window_passed", ended_at=rfc3339(end)),
                    ticket_id=state.ticket_id(episode),
                )
            )
    return facts
