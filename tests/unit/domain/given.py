"""Words for the tables of the tickets decisions: given events, when an event, then facts and their reasons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tocsin.events import tickets as contract
from tocsin.events.commands import Fact
from tocsin.events.envelope import Envelope
from tocsin.streams.domain import ticket_timers, tickets
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.ticket_policy import TicketsPolicy
from tocsin.streams.domain.ticket_state import TicketState, evolve

ENTITY = "t_aaaaaaaaaaaaaaaaaaaaaaaaaa"
FIRST, SECOND = f"{ENTITY}-1", f"{ENTITY}-2"
START = 1_750_000_000_000
HOUR = 3_600_000
POLICY = TicketsPolicy()


def failure(**changes: Any) -> contract.FailureReported:
    values: dict[str, Any] = {
        "workflow": "nightly",
        "identifier": "etl",
        "identity_reason": "given by the sender",
        "message": "boom",
        "occurred_at": "2025-06-15T15:06:40.000Z",
    }
    return contract.FailureReported(**(values | changes))


def change(status: Any, ticket_id: str = FIRST, **more: Any) -> contract.StatusChangeRequested:
    return contract.StatusChangeRequested(ticket_id=ticket_id, status=status, actor="ana", **more)


def hide(ticket_id: str = FIRST, **more: Any) -> contract.HideRequested:
    return contract.HideRequested(ticket_id=ticket_id, actor="ana", **more)


def success(**changes: Any) -> contract.SuccessReported:
    values = {"occurred_at": "2025-06-15T15:07:00.000Z", "source": "github", "reason": "run 7 succeeded"} | changes
    return contract.SuccessReported(workflow="nightly", identifier="etl", **values)


def wake() -> contract.TimerDue:
    return contract.TimerDue(entity=ENTITY, due_at=START)


class Log:
    """Decides events one after the other, as the runtime does: advance, decide, evolve. ``now`` only moves on."""

    def __init__(self, policy: TicketsPolicy = POLICY) -> None:
        self.policy = policy
        self.state: TicketState | None = None
        self.facts: list[Fact] = []
        self.now, self.offset = START, 0

    def when(self, event: Any, *, after: int = 1000, duplicate: bool = False, outcome: str = "") -> list[Fact]:
        """The facts of one more event, ``after`` ms later."""
        self.now += after
        envelope = Envelope(f"e{self.offset}", type(event).__name__, "/test", "", "default", outcome=outcome)
        received = Received(event, envelope, ENTITY, 0, self.offset, self.now, duplicate)
        self.offset += 1
        new: list[Fact] = []
        if self.state is not None:
            new += self._evolved(ticket_timers.advance(self.state, received, self.policy))
        new += self._evolved(tickets.decide(self.state, received, self.policy))
        self.facts += new
        return new

    def given(self, *events: Any) -> Log:
        for event in events:
            self.when(event)
        return self

    def _evolved(self, facts: Iterable[Fact]) -> list[Fact]:
        decided = list(facts)
        for fact in decided:
            self.state = evolve(self.state, fact)
        return decided


def said(facts: Iterable[Fact]) -> list[tuple[str, str]]:
    """What was decided and why, the two things every table checks."""
    return [(type(fact).__name__, fact.cause.rule) for fact in facts]
