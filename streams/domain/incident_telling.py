"""Tells the facts of one event in order, each on top of the state the one before left."""

from __future__ import annotations

from typing import Any

import msgspec

from tocsin.events import incidents as contract
from tocsin.events.commands import CommandRefused, CommandUnchanged, Fact, RefusalReason
from tocsin.events.incidents import IncidentFact
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import POLICY_ACTOR, IncidentStatus
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.incident_evolution import evolve
from tocsin.streams.domain.incident_state import Incident, IncidentState


class Telling:
    """``facts``: what was decided so far; ``state``: after them."""

    def __init__(self, state: IncidentState | None, received: Received) -> None:
        self.state = state or IncidentState(received.entity)
        self.received = received
        self.facts: list[Fact] = []

    def about(self, fact: type[IncidentFact], after: Incident, rule: str, /, **fields: Any) -> Incident:
        """A fact about an incident, whose columns ``after`` has. ``values`` among the fields are what the rule
        compared. Returns the incident after it."""
        received, values = self.received, fields.pop("values", {})
        at = max(received.now, after.updated_at + 1)
        self.say(
            fact(
                entity=received.entity,
                at=rfc3339(at),
                cause=received.cause(rule, **values),
                incident_id=self.state.incident_id(after),
                status=after.status,
                severity=after.severity,
                alert_count=after.alert_count,
                active_alerts=after.active_alerts,
                last_alert_at=after.last_alert_at,
                **fields,
            )
        )
        found = self.state.incident(self.state.incident_id(after))
        return found or after

    def plain(self, fact: type[Fact], rule: str, /, **fields: Any) -> None:
        """A fact that changes no incident. ``values`` as in ``about``."""
        received, values = self.received, fields.pop("values", {})
        self.say(fact(entity=received.entity, at=received.at, cause=received.cause(rule, **values), **fields))

    def say(self, fact: Fact) -> None:
        self.state = evolve(self.state, fact) or self.state
        self.facts.append(fact)

    def moved(self, incident: Incident, to: IncidentStatus, rule: str, /, **fields: Any) -> Incident:
        """Another status, by policy unless ``actor`` is among the fields."""
        window = incident.reopen_within_ms
        until = ""
        if to == "RESOLVED" and window is not None:
            until = rfc3339(max(self.received.now, incident.updated_at + 1) + window)
        return self.about(
            contract.IncidentStatusChanged,
            msgspec.structs.replace(incident, status=to),
            rule,
            from_status=incident.status,
            reopen_until=until,
            **({"actor": POLICY_ACTOR} | fields),
        )

    # --- answers ---

    def refused(self, command: str, reason: RefusalReason, detail: str, **more: Any) -> list[Fact]:
        fields = {"answers": self.received.answers(), "subject_id": self.received.event.incident_id} | more
        self.plain(CommandRefused, reason, command=command, reason=reason, detail=detail, **fields)
        return self.facts

    def unchanged(self, command: str, rule: str) -> list[Fact]:
        self.plain(
            CommandUnchanged,
            rule,
            command=command,
            subject_id=self.received.event.incident_id,
            answers=self.received.answers(),
        )
        return self.facts
