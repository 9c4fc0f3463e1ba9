"""Tickets decided once more, in memory, under another SLA policy: which goals would have been missed, who told of it.

The decisions are those of the domain, with what people did as it was recorded. Wake-ups come at their time.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tocsin.events import sla as contract
from tocsin.events import tickets
from tocsin.events.commands import CommandRefused, Fact, TimerDue
from tocsin.events.envelope import Envelope
from tocsin.events.times import rfc3339
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.recorded import Recorded
from tocsin.streams.domain.ticket_policy import SLA
from tocsin.streams.domain.ticket_state import TicketState
from tocsin.streams.domain.tickets import TICKETS

WANTED: Final = (
    tickets.FailureReported,
    tickets.SuccessReported,
    tickets.StatusChangeRequested,
    tickets.TicketReported,
    contract.TicketAcknowledgeRequested,
    contract.TicketSnoozeRequested,
    contract.TicketEscalateRequested,
)


class Judged(NamedTuple):
    """What became of one ticket: missed: ``metric due``; the rest at the end of the log."""

    ticket_id: str
    subject: str
    missed: tuple[str, ...]
    level: int
    messages: int
    clocks: int


class SlaOutcome(NamedTuple):
    """What a policy made of the log. clocks: by metric and how they stand or ended: ``met``, ``breached``, ``running``.

    older: events about tickets that were opened before the part of the log that was read.
    """

    tickets: int
    clocks: dict[str, dict[str, int]]
    escalations: dict[str, int]
    messages: dict[str, int]
    older: int
    judged: list[Judged]


class SlaReplay:
    """Takes recorded events in order of time; ``outcome`` says what became of them."""

    def __init__(self, sla: Mapping[str, Any], tickets_body: Mapping[str, Any]) -> None:
        self._policy = TICKETS.policy({**tickets_body, SLA: {**sla, "version": "backtest", "activated_at": 0}})
        self._states: dict[tuple[str, str], TicketState] = {}
        self._heap: list[tuple[int, tuple[str, str]]] = []
        self._seen: set[tuple[str, str]] = set()
        self._offset = 0
        self._subjects: dict[str, str] = {}
        self._missed: dict[str, list[str]] = {}
        self._levels: dict[str, int] = {}
        self._clocks: dict[tuple[str, str, int], contract.Clock] = {}
        self._messages: Counter[str] = Counter()
        self._by_ticket: Counter[str] = Counter()
        self._escalations: Counter[str] = Counter()
        self._older = 0

    def take(self, recorded: Recorded) -> None:
        """Decides one event, after every timer due before it."""
        self.until(recorded.at)
        known = recorded.envelope.workspace, recorded.envelope.id
        duplicate = recorded.envelope.sender_given and known in self._seen
        self._seen.add(known)
        self._decide((known[0], recorded.entity), recorded.envelope, recorded.event, recorded.at, duplicate)

    def until(self, now: int) -> None:
        """Every timer due by then, at its time."""
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            state = self._states.get(key)
            if state is None or TICKETS.next_due(state, self._policy) != due:
                continue  # it was put off meanwhile
            envelope = Envelope(f"timer:{due}", "tocsin.tickets.TimerDue.v1", "/tocsin/replay", rfc3339(due), key[0])
            self._decide(key, envelope, TimerDue(entity=key[1], due_at=due), due, False)

    def _decide(self, key: tuple[str, str], envelope: Envelope, event: Any, now: int, duplicate: bool) -> None:
        # a position of its own: the version of a ticket is not that of the recording
        received = Received(event, envelope, key[1], 0, self._offset, now, duplicate)
        self._offset += 1
        state = self._states.get(key)
        if state is not None:
            for fact in TICKETS.advance(state, received, self._policy):
                state = self._noted(state, fact)
        for fact in TICKETS.decide(state, received, self._policy):
            state = self._noted(state, fact)
        if state is not None:
            self._states[key] = state
            if (due := TICKETS.next_due(state, self._policy)) is not None:
                heapq.heappush(self._heap, (max(due, now), key))

    def _noted(self, state: TicketState | None, fact: Fact) -> TicketState | None:
        if isinstance(fact, contract.ClockFact):
            self._clocks[fact.ticket_id, fact.clock.metric, fact.clock.cycle] = fact.clock
            if isinstance(fact, contract.ClockBreached):
                missed = f"{fact.clock.metric} {fact.clock.breached_at}"
                self._missed.setdefault(fact.ticket_id, []).append(missed)
        elif isinstance(fact, contract.Escalated):
            self._levels[fact.ticket_id] = fact.level
            self._escalations[fact.told.reason] += 1
            self._messages.update(one.channel for one in fact.notifications)
            self._by_ticket[fact.ticket_id] += len(fact.notifications)
        elif isinstance(fact, tickets.TicketOpened | tickets.TicketRegistered):
            self._begun(fact)
        elif isinstance(fact, CommandRefused) and fact.reason == "unknown":
            self._older += 1
        return TICKETS.evolve(state, fact)

    def _begun(self, fact: tickets.TicketOpened | tickets.TicketRegistered) -> None:
        if isinstance(fact, tickets.TicketOpened):
            self._subjects[fact.ticket_id] = f"{fact.workflow}: {fact.latest.message}"
        else:
            self._subjects[fact.ticket_id] = fact.title or fact.ticket_id
        for clock in tickets.first_clocks(fact):
            self._clocks[fact.ticket_id, clock.metric, clock.cycle] = clock

    def outcome(self) -> SlaOutcome:
        clocks: dict[str, Counter[str]] = {}
        per_ticket: Counter[str] = Counter()
        for (ticket_id, metric, _), clock in self._clocks.items():
            if clock.stage == "cancelled" and not clock.breached_at:
                continue
            per_ticket[ticket_id] += 1
            how = "breached" if clock.breached_at else clock.result or "running"
            clocks.setdefault(metric, Counter())[how] += 1
        judged = [
            Judged(
                ticket_id,
                subject,
                tuple(self._missed.get(ticket_id, ())),
                self._levels.get(ticket_id, 0),
                self._by_ticket[ticket_id],
                per_ticket[ticket_id],
            )
            for ticket_id, subject in self._subjects.items()
        ]
        return SlaOutcome(
            len(judged),
            {metric: dict(sorted(counts.items())) for metric, counts in sorted(clocks.items())},
            dict(sorted(self._escalations.items())),
            dict(sorted(self._messages.items())),
            self._older,
            judged,
        )


def differing(before: SlaOutcome, after: SlaOutcome) -> list[tuple[Judged, Judged]]:
    """The tickets that the two policies judge differently, those that differ most in messages first."""
    known = {one.ticket_id: one for one in before.judged}
    pairs = [(known[one.ticket_id], one) for one in after.judged if known[one.ticket_id] != one]
    return sorted(pairs, key=lambda pair: (-abs(pair[1].messages - pair[0].messages), pair[1].ticket_id))
