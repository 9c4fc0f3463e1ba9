"""What incidents are told of an alert; a function of each fact."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.events import alerts as contract
from tocsin.events import incidents
from tocsin.events.alerts import AlertSummary, Grouping
from tocsin.events.commands import Fact
from tocsin.streams.domain.decision import Effect


def effects(fact: Fact) -> Sequence[Effect]:
    match fact:
        case contract.AlertOpened(grouping=Grouping() as grouping, suppressed_by=()):
            return (_raised(_summary(fact), grouping, flapping=fact.flapping),)
        case contract.SuppressionChanged(raised=AlertSummary() as summary, grouping=Grouping() as grouping):
            return (_raised(summary, grouping, flapping=fact.flapping),)
        case contract.FlappingChanged(raised=AlertSummary() as summary, grouping=Grouping() as grouping):
            return (_raised(summary, grouping),)
        case contract.FlappingChanged(incident_entity=entity) if entity:
            return (_cleared(entity, fact.alert_id, fact.at, fact.cause.rule),)
        case contract.AlertResolved(incident_entity=entity) if entity:
            return (_cleared(entity, fact.alert_id, fact.resolved_at, fact.cause.rule),)
        case contract.AlertSeverityChanged(incident_entity=entity) if entity:
            return (_effect(entity, incidents.AlertUpdated(alert_id=fact.alert_id, severity=fact.severity)),)
    return ()


def _summary(fact: contract.AlertOpened) -> AlertSummary:
    latest = fact.latest
    return AlertSummary(
        alert_id=fact.alert_id,
        source=fact.source,
        title=latest.title,
        severity=latest.severity,
        started_at=fact.started_at,
        service=latest.service,
        team=latest.team,
        environment=latest.environment,
    )


def _raised(summary: AlertSummary, grouping: Grouping, *, flapping: bool = False) -> Effect:
    raised = incidents.AlertRaised(alert=summary, grouping=grouping, flapping=flapping)
    return _effect(grouping.incident_entity, raised)


def _cleared(entity: str, alert_id: str, resolved_at: str, reason: str) -> Effect:
    return _effect(entity, incidents.AlertCleared(alert_id=alert_id, resolved_at=resolved_at, reason=reason))


def _effect(entity: str, event: object) -> Effect:
    return Effect(incidents.DOMAIN, entity, f"tocsin.incidents.{type(event).__name__}.v1", event)
