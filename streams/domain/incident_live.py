"""What clients hear of incidents as it happens; not every alert of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tocsin.events import incidents as contract
from tocsin.events.commands import Fact
from tocsin.events.live import LiveEvent
from tocsin.events.vocabulary import SEVERITIES, Severity


def live(fact: Fact) -> Sequence[LiveEvent]:
    match fact:
        case contract.IncidentOpened():
            return (_opened(fact),)
        case contract.IncidentStatusChanged():
            changed = {"from_status": fact.from_status, "action": fact.action, "actor": fact.actor}
            return (_told("incident.status_changed", fact, **changed),)
        case contract.AlertAdded() | contract.AlertChanged() if _worse(fact.severity, fact.from_severity):
            return (_told("incident.severity_raised", fact, from_severity=fact.from_severity),)
        case contract.IncidentMerged():
            merged = {"from_status": fact.from_status, "merged_into": fact.merged_into, "actor": fact.actor}
            return (_told("incident.merged", fact, **merged),)
    return ()


def _worse(now: Severity, before: Severity | None) -> bool:
    return before is not None and SEVERITIES.index(now) < SEVERITIES.index(before)


def _opened(fact: contract.IncidentOpened) -> LiveEvent:
    optional = {"service": fact.service, "team": fact.team, "environment": fact.environment}
    named = {name: value for name, value in optional.items() if value}
    return _told("incident.opened", fact, title=fact.title, **named)


def _told(live_type: str, fact: contract.IncidentFact, **more: Any) -> LiveEvent:
    data = {"incident_id": fact.incident_id, "status": fact.status, "severity": fact.severity, **more}
    return LiveEvent(type=live_type, occurred_at=fact.at, data=data)
