"""Incidents and silences as clients get to see them, for OpenAPI; the values themselves are written by the routes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from tocsin.api.alert_documents import Alert
from tocsin.events.vocabulary import AutoResolve, IncidentStatus, Severity

INCIDENT_EXAMPLE: dict[str, Any] = {
    "id": "i_mzxw6ytboi5dcmrtgq2tmnzyha-1",
    "workspace": "default",
    "title": "orders: DiskFull",
    "status": "INVESTIGATING",
    "severity": "critical",
    "service": "orders",
    "team": "storage",
    "environment": "production",
    "sources": ["alertmanager", "datadog"],
    "rule": "by-service",
    "group": {"service": "orders"},
    "auto_resolve": "all",
    "assignee": "ana",
    "acknowledged_at": "2026-11-20T22:15:01.000Z",
    "acknowledged_by": "ana",
    "alert_count": 7,
    "active_alerts": 2,
    "last_alert_at": "2026-11-20T22:41:09.000Z",
    "previous_incident_id": None,
    "split_from": None,
    "merged_into": None,
    "resolved_at": None,
    "reopen_until": None,
    "closed_at": None,
    "created_at": "2026-11-20T22:13:20.140Z",
    "updated_at": "2026-11-20T22:41:09.310Z",
    "version": 4711,
}


class Incident(BaseModel):
    """Alerts of one group. Its severity is the highest of those that fire.

    `alert_count` counts alert episodes, `active_alerts` those that fire; `last_alert_at` is the sender's time.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [INCIDENT_EXAMPLE]})

    id: str
    workspace: str
    title: str
    status: IncidentStatus
    severity: Severity
    service: str | None
    team: str | None
    environment: str | None
    sources: list[str]
    rule: str
    group: dict[str, str]
    auto_resolve: AutoResolve
    assignee: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    alert_count: int
    active_alerts: int
    last_alert_at: datetime
    previous_incident_id: str | None
    split_from: str | None
    merged_into: str | None
    resolved_at: datetime | None
    reopen_until: datetime | None
    closed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


class IncidentPage(BaseModel):
    """A page of incidents. `total` counts the whole list."""

    items: list[Incident]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


class Action(BaseModel):
    """One thing that happened to an incident: who did it and why, and the event and rule behind it."""

    at: datetime
    action: str
    from_status: IncidentStatus | None
    status: IncidentStatus
    actor: str
    reason: str | None
    details: dict[str, Any]
    event_id: str
    cause: dict[str, Any]


class ActionPage(BaseModel):
    """A page of a timeline. `total` counts all of it."""

    items: list[Action]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


class IncidentDetail(Incident):
    """An incident with its newest 100 alerts and its newest 50 actions, both newest first."""

    alerts: list[Alert]
    alerts_total: int
    recent_actions: list[Action]


class FacetValue(BaseModel):
    """How many rows have a value; null where they have none."""

    value: str | None
    count: int


class Facets(BaseModel):
    """The most frequent values of each facet. Each is counted without its own filter."""

    facets: dict[str, list[FacetValue]]


class Matcher(BaseModel):
    """Holds when the field has one of the values; `*` and `?` stand for any text."""

    field: str
    values: list[str]
    negated: bool = False


class Recurrence(BaseModel):
    """A window that comes again, by the clock of a zone; `weekdays`: 0 is Monday, none is every day."""

    start: str
    duration_ms: int
    timezone: str
    weekdays: list[int] = []


class Silence(BaseModel):
    """Alerts that meet all matchers raise no incident while it lasts."""

    id: str
    workspace: str
    matchers: list[Matcher]
    starts_at: datetime
    ends_at: datetime | None
    recurrence: Recurrence | None
    reason: str | None
    created_by: str
    created_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    version: int


class SilencePage(BaseModel):
    """A page of silences. `total` counts the whole list."""

    items: list[Silence]
    total: int
    limit: int
    offset: int
    next_cursor: str | None
