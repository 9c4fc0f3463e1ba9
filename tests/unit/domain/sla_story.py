"""Words for the tables of SLA decisions: a policy, reports, and time that passes as it does in the decide stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.unit.domain import given
from tocsin.events import sla as contract
from tocsin.events import tickets
from tocsin.events.commands import Fact
from tocsin.events.envelope import Envelope
from tocsin.events.times import rfc3339
from tocsin.sla_policy import SlaPolicyFile
from tocsin.streams.domain import ticket_timers
from tocsin.streams.domain.decision import Effect, Received
from tocsin.streams.domain.sla_state import ORDINARY, Clock, Sla
from tocsin.streams.domain.ticket_effects import effects
from tocsin.streams.domain.ticket_policy import SLA, TicketsPolicy, policy_of
from tocsin.streams.domain.ticket_state import Episode, TicketState, evolve
from tocsin.streams.domain.tickets import TICKETS

TICKET = "T-4711"
START = given.START  # Sunday, 2025-06-15 15:06:40 UTC
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
LONG_AGO = START - 30 * DAY

FILE: dict[str, Any] = {
    "targets": {
        "first_response": {"default": {"critical": "5m", "high": "10m", "medium": "1h", "low": "never"}},
        "resolution": {
            "default": {"critical": "30m", "high": "1h", "medium": "4h", "low": "never"},
            "gold": {"high": "40m"},
        },
    },
    "ladders": {"two": {"steps": [{"after": "0m", "channels": ["slack"]}, {"after": "20m", "channels": ["slack"]}]}},
    "escalation": [{"ladder": "two"}],
}


def body(changes: Mapping[str, Any] | None = None, *, version: str = "v1", at: int = LONG_AGO) -> dict[str, Any]:
    """A policy as it is activated; changes: of the file."""
    file = SlaPolicyFile.model_validate({**FILE, **(changes or {})})
    return {**file.body(), "version": version, "activated_at": at, "public_url": "https://tocsin.example"}


def policy(changes: Mapping[str, Any] | None = None, **how: Any) -> TicketsPolicy:
    return policy_of({SLA: body(changes, **how)})


def report(
    status: Any = "open", priority: Any = "high", *, updated: int = 0, created: int = 0, **more: Any
) -> contract.TicketReported:
    """``updated``, ``created``: ms after the start."""
    return contract.TicketReported(
        ticket_id=more.pop("ticket_id", TICKET),
        status=status,
        priority=priority,
        created_at=rfc3339(START + created),
        updated_at=rfc3339(START + updated),
        **more,
    )


def move(status: Any, **more: Any) -> tickets.StatusChangeRequested:
    return given.change(status, more.pop("ticket_id", TICKET), **more)


def acknowledge(ticket_id: str = TICKET, **more: Any) -> contract.TicketAcknowledgeRequested:
    return contract.TicketAcknowledgeRequested(ticket_id=ticket_id, actor="ana", **more)


def snooze(until: int, ticket_id: str = TICKET, **more: Any) -> contract.TicketSnoozeRequested:
    return contract.TicketSnoozeRequested(ticket_id=ticket_id, until=rfc3339(START + until), actor="ana", **more)


def escalate(ticket_id: str = TICKET, **more: Any) -> contract.TicketEscalateRequested:
    return contract.TicketEscalateRequested(ticket_id=ticket_id, actor="ana", **more)


class Desk:
    """One ticket under a policy. ``at`` decides an event so long after the start; timers that are due before wake it at
    their own time, as the due index does."""

    def __init__(self, governing: TicketsPolicy | None = None, entity: str = TICKET) -> None:
        self.policy = governing or policy()
        self.entity = entity
        self.state: TicketState | None = None
        self.facts: list[Fact] = []
        self.now, self.offset, self.asked = START, 0, 0
        self.punctual = True

    def at(self, after: int, event: Any, *, duplicate: bool = False, outcome: str = "") -> list[Fact]:
        """The facts of the event and of timers due before it."""
        moment = max(START + after, self.now)
        new = self.until(after) if self.punctual else []
        self.now = moment
        return new + self._decide(event, duplicate=duplicate, outcome=outcome)

    def until(self, after: int) -> list[Fact]:
        """The facts of every timer due by then, each woken at its time."""
        new: list[Fact] = []
        for _ in range(500):
            due = None if self.state is None else ticket_timers.next_due(self.state, self.policy)
            if due is None or due > START + after:
                break
            self.now = max(self.now, due)
            new += self.wake()
        else:
            raise AssertionError("a timer that is due again and again")
        self.now = max(self.now, START + after)
        return new

    def late(self, after: int) -> list[Fact]:
        """Nobody woke the ticket until then."""
        self.now = max(self.now, START + after)
        return self.wake()

    def wake(self) -> list[Fact]:
        return self._decide(tickets.TimerDue(entity=self.entity, due_at=self.now))

    def govern(self, changes: Mapping[str, Any], *, version: str = "v2") -> None:
        """Another policy, as of now."""
        self.policy = policy(changes, version=version, at=self.now)

    def _decide(self, event: Any, *, duplicate: bool = False, outcome: str = "") -> list[Fact]:
        name = f"tocsin.tickets.{type(event).__name__}.v1"
        timer = isinstance(event, tickets.TimerDue)
        self.asked += not timer  # the same event has the same id, however often the ticket was woken before
        envelope = Envelope(
            f"t{self.offset}" if timer else f"e{self.asked}", name, "/test", "", "default", outcome=outcome
        )
        received = Received(event, envelope, self.entity, 0, self.offset, self.now, duplicate)
        self.offset += 1
        new: list[Fact] = []
        if self.state is not None:
            for fact in TICKETS.advance(self.state, received, self.policy):
                self.state = evolve(self.state, fact)
                new.append(fact)
        for fact in TICKETS.decide(self.state, received, self.policy):
            self.state = evolve(self.state, fact)
            new.append(fact)
        self.facts += new
        return new

    # --- how it stands ---

    @property
    def episode(self) -> Episode:
        assert self.state is not None
        return self.state.episodes[-1]

    @property
    def sla(self) -> Sla:
        return self.episode.sla or ORDINARY

    def clock(self, metric: Any) -> Clock:
        clock = self.sla.latest(metric)
        assert clock is not None, f"no {metric} clock"
        return clock

    def due(self, metric: Any) -> int:
        """Minutes after the start."""
        return (self.clock(metric).due_at - START) // MINUTE


def named(facts: list[Fact]) -> list[str]:
    """``ClockBreached resolution due_passed``: what, of which clock, why."""
    names = []
    for fact in facts:
        clock = getattr(fact, "clock", None)
        metric = f" {clock.metric}" if clock is not None and not isinstance(fact, contract.Escalated) else ""
        names.append(f"{type(fact).__name__}{metric} {fact.cause.rule}")
    return names


def as_older_logs_say(fact: Any) -> list[Fact]:
    """A ticket's first clocks as facts of their own, which they were once; any other fact as it is."""
    if not isinstance(fact, tickets.TicketOpened | tickets.TicketRegistered):
        return [fact]
    said: dict[str, Any] = {}
    if isinstance(fact, tickets.TicketOpened):
        said = {"subject": f"{fact.workflow}: {fact.latest.message}", "tags": (f"workflow:{fact.workflow}",)}
    started: list[Fact] = [
        contract.ClockStarted(
            entity=fact.entity,
            at=fact.at,
            cause=msgspec.structs.replace(fact.cause, rule="ticket_opened", values={"target_ms": clock.target_ms}),
            ticket_id=fact.ticket_id,
            clock=clock,
            **said,
        )
        for clock in tickets.first_clocks(fact)
    ]
    return [msgspec.structs.replace(fact, clocks=()), *started]


def escalations(facts: list[Fact]) -> list[contract.Escalated]:
    return [fact for fact in facts if isinstance(fact, contract.Escalated)]


def messages(facts: list[Fact]) -> list[Effect]:
    return [effect for fact in facts for effect in effects(fact)]
