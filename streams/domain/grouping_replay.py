"""Alerts and incidents decided once more, in memory, under other rules: what a grouping policy would have done.

The decisions are those of the two domains. What people did to incidents is left out, since other rules make other
incidents; effects arrive at once.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tocsin.events.alerts import AlertOpened, AlertReceived
from tocsin.events.commands import Fact, TimerDue
from tocsin.events.envelope import Envelope
from tocsin.events.incidents import AlertAdded, IncidentOpened
from tocsin.events.times import rfc3339
from tocsin.streams.domain.alerts import ALERTS
from tocsin.streams.domain.decision import Domain, Received
from tocsin.streams.domain.incidents import INCIDENTS
from tocsin.streams.domain.recorded import Recorded

_DOMAINS: Final[dict[str, Domain[Any, Any]]] = {domain.name: domain for domain in (ALERTS, INCIDENTS)}


class Grouped(NamedTuple):
    """An incident the rules made, and how many alerts it got."""

    incident_id: str
    opened_at: str
    rule: str
    title: str
    alerts: int


class Outcome(NamedTuple):
    """What a policy made of the log. alerts: episodes; awaiting: those whose group stayed below its threshold."""

    alerts: int
    incidents: int
    awaiting: int
    by_rule: dict[str, int]
    grouped: list[Grouped]


class _Entity(NamedTuple):
    domain: str
    workspace: str
    name: str


class GroupingReplay:
    """Takes recorded events in order of time; ``outcome`` says what became of them."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._policies = {"alerts": ALERTS.policy(body), "incidents": INCIDENTS.policy({})}
        self._states: dict[_Entity, Any] = {}
        self._heap: list[tuple[int, _Entity]] = []
        self._due: dict[_Entity, int | None] = {}
        self._seen: set[tuple[str, str]] = set()
        self._opened: dict[tuple[str, str], IncidentOpened] = {}
        self._alerts: Counter[tuple[str, str]] = Counter()
        self._episodes, self._steps = 0, 0

    def take(self, recorded: Recorded) -> None:
        """Decides one event, after every timer due before it. Commands to wake and policies of the log are left out."""
        self._wake(recorded.at)
        event, envelope = recorded.event, recorded.envelope
        known = (envelope.workspace, envelope.id)
        duplicate = envelope.sender_given and known in self._seen
        self._seen.add(known)
        received = Received(
            event, envelope, recorded.entity, recorded.partition, recorded.offset, recorded.at, duplicate
        )
        if isinstance(event, AlertReceived):
            self._settle(_Entity("alerts", envelope.workspace, recorded.entity), received)
        elif type(event) in ALERTS.amending and not duplicate:
            self._body = ALERTS.amended(self._body, received)
            self._policies["alerts"] = ALERTS.policy(self._body)

    def _wake(self, now: int) -> None:
        while self._heap and self._heap[0][0] <= now:
            due, entity = heapq.heappop(self._heap)
            if self._due.get(entity) != due:
                continue  # it was put off meanwhile
            self._due[entity] = None
            event = TimerDue(entity=entity.name, due_at=due)
            envelope = Envelope(
                f"timer:{due}", f"tocsin.{entity.domain}.TimerDue.v1", "/tocsin/replay", rfc3339(due), entity.workspace
            )
            self._settle(entity, Received(event, envelope, entity.name, 0, 0, due))

    def _settle(self, entity: _Entity, received: Received) -> None:
        """Decides an event and whatever follows from it in other groups."""
        waiting = deque([(entity, received)])
        while waiting:
            entity, received = waiting.popleft()
            for fact in self._decide(entity, received):
                self._note(entity, fact)
                for effect in _DOMAINS[entity.domain].effects(fact):
                    envelope = Envelope(
                        f"{received.envelope.id}:{self._steps}",
                        effect.type,
                        "/tocsin/replay",
                        received.envelope.time,
                        entity.workspace,
                    )
                    self._steps += 1
                    there = _Entity(effect.domain, entity.workspace, effect.entity)
                    waiting.append(
                        (there, Received(effect.event, envelope, effect.entity, 0, self._steps, received.now))
                    )

    def _decide(self, entity: _Entity, received: Received) -> Sequence[Fact]:
        domain, policy, state = _DOMAINS[entity.domain], self._policies[entity.domain], self._states.get(entity)
        facts: list[Fact] = []
        if state is not None:
            facts += domain.advance(state, received, policy)
            for fact in facts:
                state = domain.evolve(state, fact)
        for fact in domain.decide(state, received, policy):
            facts.append(fact)
            state = domain.evolve(state, fact)
        if state is not None:
            self._states[entity] = state
            self._schedule(entity, domain.next_due(state, policy))
        return facts

    def _schedule(self, entity: _Entity, due: int | None) -> None:
        if due is not None and self._due.get(entity) != due:
            heapq.heappush(self._heap, (due, entity))
        self._due[entity] = due

    def _note(self, entity: _Entity, fact: Fact) -> None:
        if isinstance(fact, AlertOpened):
            self._episodes += 1
        elif isinstance(fact, IncidentOpened):
            self._opened[entity.workspace, fact.incident_id] = fact
        elif isinstance(fact, AlertAdded) and fact.new_episode:
            self._alerts[entity.workspace, fact.incident_id] += 1

    def outcome(self) -> Outcome:
        grouped = [
            Grouped(fact.incident_id, fact.at, fact.rule, fact.title, self._alerts[key])
            for key, fact in self._opened.items()
        ]
        awaiting = sum(len(state.awaited) for entity, state in self._states.items() if entity.domain == "incidents")
        rules = Counter(one.rule for one in grouped)
        return Outcome(
            self._episodes,
            len(grouped),
            awaiting,
            dict(sorted(rules.items())),
            sorted(grouped, key=lambda one: (-one.alerts, one.incident_id)),
        )
