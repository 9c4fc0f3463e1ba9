"""Reports of one unresolved ticket, one after the other, counted in one go.

A backlog is mostly repeats. Deciding each, evolving the state by it and folding all their facts into one gives a single
fact in the end; this gives the same fact and the same state from a handful of sums. A property test compares the two.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.events import tickets as contract
from tocsin.events.commands import Answer, Fact
from tocsin.events.times import rfc3339
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_priority import raising_severities
from tocsin.streams.domain.ticket_state import Episode, TicketState
from tocsin.streams.domain.ticket_timers import next_due

_NEVER: Final = 1 << 62


def latest_of(event: contract.FailureReported) -> contract.Latest:
    """What a ticket shows of its newest report."""
    return contract.Latest(
        message=event.message,
        severity=event.severity,
        source=event.source,
        step=event.step,
        run_url=event.run_url,
        context=event.context,
        context_digest=event.context_digest,
    )


class Repeats:
    """Counts reports on top of a state, the first one at once; ``finish`` gives the fact and the state after them."""

    __slots__ = (
        "_answers",
        "_counted",
        "_deliveries",
        "_due",
        "_episode",
        "_last_seen_at",
        "_occurrences",
        "_offsets",
        "_raising",
        "_source",
        "_state",
        "_updated_at",
        "last",
    )

    def __init__(
        self, state: TicketState, episode: Episode, due: int, first: Received, raising: frozenset[str], source: str
    ) -> None:
        self._state, self._episode = state, episode
        self._due, self.last = due, first
        self._raising, self._source = raising, source
        self._occurrences = self._deliveries = 0
        self._updated_at, self._last_seen_at = episode.updated_at, episode.last_seen_at
        self._offsets: list[int] = []
        self._answers: list[Answer] = []
        self._counted: Received | None = None
        self.add(first)

    def add(self, received: Received) -> bool:
        """Counts one report; False, with nothing changed, for what is to be decided by itself: another event, a timer
        that comes before it, a severity that raises the priority, a source for which other clocks may be due."""
        event = received.event
        if (
            type(event) is not contract.FailureReported
            or received.now >= self._due
            or event.severity in self._raising
            or (self._source and event.source != self._source)
        ):
            return False
        self._deliveries += 1
        if not received.duplicate:
            self._occurrences += 1
            self._counted = received
            if event.occurred_at > self._last_seen_at:
                self._last_seen_at = event.occurred_at
        if received.now > self._updated_at:
            self._updated_at = received.now
        self._offsets.append(received.offset)
        if received.envelope.outcome:
            self._answers += received.answers()
        self.last = received
        return True

    def finish(self) -> tuple[Fact, TicketState]:
        """One fact for all that was counted, and the state after it."""
        episode, last, counted = self._episode, self.last, self._counted
        cause = last.cause("duplicate_delivery") if counted is None else counted.cause("unresolved_ticket")
        source = episode.source if counted is None else counted.event.source
        fact = contract.OccurrencesCounted(
            entity=last.entity,
            at=rfc3339(self._updated_at),
            cause=msgspec.structs.replace(cause, offset=last.offset, offsets=tuple(self._offsets)),
            answers=tuple(self._answers),
            ticket_id=self._state.ticket_id(episode),
            occurrences=episode.occurrences + self._occurrences,
            deliveries=episode.deliveries + self._deliveries,
            occurrences_added=self._occurrences,
            deliveries_added=self._deliveries,
            last_seen_at=self._last_seen_at,
            latest=None if counted is None else latest_of(counted.event),
        )
        after = Episode(
            episode.number,
            episode.status,
            last.offset,
            self._updated_at,
            fact.occurrences,
            fact.deliveries,
            self._last_seen_at,
            source,
            episode.hidden,
            episode.resolved_at,
            episode.window_open,
            episode.opened_at,
            episode.sla,
        )
        return fact, self._state.with_episode(after)


def repeats(state: TicketState, received: Received, policy: TicketsPolicy) -> Repeats | None:
    """Counts from this report on; None when it is no repeat of an unresolved ticket, or is to be decided by itself."""
    event = received.event
    if type(event) is not contract.FailureReported or (episode := state.unresolved()) is None:
        return None
    raising = raising_severities(episode.sla)
    source = episode.source if policy.sla is not None and policy.sla.excluded else ""
    if event.severity in raising or (source and event.source != source):
        return None
    due = next_due(state, policy)
    if due is None:
        due = _NEVER
    return None if received.now >= due else Repeats(state, episode, due, received, raising, source)
