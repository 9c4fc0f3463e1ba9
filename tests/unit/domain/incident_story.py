"""A small installation in memory: alerts and incidents, each entity decided as the runtime does, effects delivered."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from tocsin.events import incidents as contract
from tocsin.events.alerts import AlertReceived, AlertSummary, Grouping
from tocsin.events.commands import Answer, Fact, TimerDue
from tocsin.events.envelope import Envelope
from tocsin.events.identity import alert_entity, entity_of_numbered
from tocsin.events.times import rfc3339
from tocsin.streams.domain import alert_effects, alerts, incidents
from tocsin.streams.domain.alert_evolution import evolve as evolve_alert
from tocsin.streams.domain.alert_policy import AlertsPolicy
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.incident_evolution import evolve
from tocsin.streams.domain.incident_state import Incident, IncidentState
from tocsin.streams.domain.incidents import NoPolicy

START = 1_750_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
GROUP, OTHER = "i_" + "a" * 26, "i_" + "b" * 26
FIRST = f"{GROUP}-1"
FINGERPRINTS = ["a_" + letter * 26 for letter in "abcdefgh"]


def grouping(entity: str = GROUP, **changes: Any) -> Grouping:
    values: dict[str, Any] = {
        "rule": "by-service",
        "incident_entity": entity,
        "group": {"service": "shop"},
        "title": "shop is ill",
        "reopen_within_ms": HOUR,
    }
    return Grouping(**(values | changes))


def raised(alert: int = 0, episode: int = 1, *, severity: Any = "error", **more: Any) -> contract.AlertRaised:
    """``alert``: which fingerprint. The rest: fields of the event, or of the terms."""
    event = {name: more.pop(name) for name in ("flapping", "incident_id") if name in more}
    summary = AlertSummary(
        alert_id=f"{FINGERPRINTS[alert]}-{episode}",
        source="datadog",
        title="disk full",
        severity=severity,
        started_at=rfc3339(START + episode * MINUTE),
        service="shop",
    )
    return contract.AlertRaised(alert=summary, grouping=grouping(**more), **event)


def cleared(alert: int = 0, episode: int = 1) -> contract.AlertCleared:
    alert_id = f"{FINGERPRINTS[alert]}-{episode}"
    return contract.AlertCleared(alert_id=alert_id, resolved_at=rfc3339(START + HOUR), reason="resolved_by_sender")


def updated(severity: Any, alert: int = 0, episode: int = 1) -> contract.AlertUpdated:
    return contract.AlertUpdated(alert_id=f"{FINGERPRINTS[alert]}-{episode}", severity=severity)


def move(status: Any, incident_id: str = FIRST, **more: Any) -> contract.IncidentStatusRequested:
    return contract.IncidentStatusRequested(incident_id=incident_id, status=status, actor="ana", **more)


class World:
    """Every entity of both domains, one log. ``facts``: all of them; ``answered``: the facts that answer requests."""

    def __init__(self, policy: AlertsPolicy | None = None) -> None:
        self.policy = policy or AlertsPolicy()
        self.groups: dict[str, IncidentState] = {}
        self.alerts: dict[str, Any] = {}
        self.facts: list[Fact] = []
        self.now, self.offset = START, 0
        self._effects: deque[tuple[str, str, Any, int]] = deque()

    # --- what happens ---

    def when(self, event: Any, entity: str = GROUP, *, after: int = 1000, duplicate: bool = False) -> list[Fact]:
        """The facts of one event for a group, and of everything that follows from it."""
        return self._settle(("incidents", entity, event, 0), after, duplicate)

    def hear(self, event: AlertReceived, *, after: int = 1000, duplicate: bool = False) -> list[Fact]:
        """The facts of a sender's word, in both domains."""
        return self._settle(("alerts", alert_entity("default", event.fingerprint), event, 0), after, duplicate)

    def wake(self, *, after: int = 0) -> list[Fact]:
        """Lets every timer fire that is due."""
        self.now += after
        facts: list[Fact] = []
        for name, known in (("incidents", self.groups), ("alerts", self.alerts)):
            for entity in list(known):
                facts += self._settle((name, entity, TimerDue(entity=entity, due_at=self.now), 0), 0, False)
        return facts

    def given(self, *events: Any) -> World:
        for event in events:
            self.when(event)
        return self

    def _settle(self, first: tuple[str, str, Any, int], after: int, duplicate: bool) -> list[Fact]:
        self.now += after
        self._effects.append(first)
        facts: list[Fact] = []
        while self._effects:
            name, entity, event, depth = self._effects.popleft()
            assert depth <= 5, "the runtime stops here"
            facts += self._decide(name, entity, event, depth, duplicate and depth == 0)
        self.facts += facts
        return facts

    def _decide(self, name: str, entity: str, event: Any, depth: int, duplicate: bool) -> list[Fact]:
        self.offset += 1
        outcome = "wait" if depth == 0 else ""
        kind = f"tocsin.{name}.{type(event).__name__}.v1"
        envelope = Envelope(f"e{self.offset}", kind, "/test", "", "default", depth=depth, outcome=outcome)
        received = Received(event, envelope, entity, 0, self.offset, self.now, duplicate)
        decided = self._incidents(entity, received) if name == "incidents" else self._alerts(entity, received)
        effects = incidents.effects if name == "incidents" else alert_effects.effects
        for fact in decided:
            for effect in effects(fact):
                again = msgspec.json.decode(msgspec.json.encode(effect.event), type=type(effect.event))
                self._effects.append((effect.domain, effect.entity, again, depth + 1))
        return decided

    def _incidents(self, entity: str, received: Received) -> list[Fact]:
        state = self.groups.get(entity)
        facts = list(incidents.advance(state, received, NoPolicy())) if state else []
        for fact in facts:
            state = evolve(state, fact)
        new = list(incidents.decide(state, received, NoPolicy()))
        for fact in new:
            state = evolve(state, fact)
        if state is not None:
            self.groups[entity] = state
        return facts + new

    def _alerts(self, entity: str, received: Received) -> list[Fact]:
        state = self.alerts.get(entity)
        facts = list(alerts.advance(state, received, self.policy)) if state else []
        for fact in facts:
            state = evolve_alert(state, fact)
        new = list(alerts.decide(state, received, self.policy))
        for fact in new:
            state = evolve_alert(state, fact)
        if state is not None:
            self.alerts[entity] = state
        return facts + new

    # --- what there is then ---

    def incident(self, incident_id: str = FIRST) -> Incident:
        found = self.groups[entity_of_numbered(incident_id)].incident(incident_id)
        assert found is not None
        return found

    def incidents(self) -> list[Incident]:
        return [one for state in self.groups.values() for one in state.incidents]

    def answers(self) -> list[tuple[Answer, Fact]]:
        return [(answer, fact) for fact in self.facts for answer in fact.answers]
