"""Alerts as clients get to see them, for OpenAPI; the values themselves are written by the routes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from tocsin.events.vocabulary import AlertStatus, Severity

ALERT_EXAMPLE: dict[str, Any] = {
    "id": "a_mzxw6ytboi5dcmrtgq2tmnzyha-1",
    "workspace": "default",
    "source": "alertmanager",
    "status": "firing",
    "severity": "critical",
    "service": "orders",
    "team": "storage",
    "environment": "production",
    "title": "DiskFull",
    "message": "disk of db-1 is full",
    "tags": {"host": "db-1"},
    "url": "https://prometheus.example/graph",
    "fingerprint": "alertmanager:f00dfeed",
    "fingerprint_rule": "alertmanager.fingerprint",
    "fingerprint_fields": {"fingerprint": "f00dfeed"},
    "verified_by": "first",
    "classification": [
        {"field": "severity", "value": "critical", "rule": "page", "compared": {"tag:severity": "page"}}
    ],
    "grouping": {
        "rule": "by-service",
        "incident_entity": "i_mzxw6ytboi5dcmrtgq2tmnzyha",
        "group": {"service": "orders"},
        "title": "orders: DiskFull",
    },
    "flapping": False,
    "suppressed_by": [],
    "incident_id": "i_mzxw6ytboi5dcmrtgq2tmnzyha-1",
    "occurrences": 1,
    "deliveries": 3,
    "episode": 1,
    "previous_alert_id": None,
    "started_at": "2026-11-20T22:13:20.123Z",
    "last_seen_at": "2026-11-20T22:13:20.123Z",
    "resolved_at": None,
    "created_at": "2026-11-20T22:13:20.140Z",
    "updated_at": "2026-11-20T23:02:11.020Z",
    "context": {"status": "firing"},
    "context_digest": None,
    "version": 815,
}


class Classification(BaseModel):
    """Which rule gave a field of the alert its value, and what it compared: `sender` is the sender's own word."""

    field: str
    value: str
    rule: str
    compared: dict[str, str] = {}


class Alert(BaseModel):
    """One episode of an alert. `context` is null in lists when it is over 4 KiB; the single alert has all of it.

    `started_at`, `last_seen_at` and `resolved_at` are the sender's times. `deliveries` counts all it said,
    `occurrences` what was new. `fingerprint_rule` and `fingerprint_fields` explain its identity, `classification` its
    fields, `grouping` its incident; `suppressed_by` names the silences that keep it quiet.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [ALERT_EXAMPLE]})

    id: str
    workspace: str
    source: str
    status: AlertStatus
    severity: Severity
    service: str | None
    team: str | None
    environment: str | None
    title: str
    message: str
    tags: dict[str, str]
    url: str | None
    fingerprint: str
    fingerprint_rule: str
    fingerprint_fields: dict[str, str]
    verified_by: str
    classification: list[Classification]
    grouping: dict[str, Any] | None
    flapping: bool
    suppressed_by: list[str]
    incident_id: str | None
    occurrences: int
    deliveries: int
    episode: int
    previous_alert_id: str | None
    started_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    created_at: datetime
    updated_at: datetime
    context: Any
    context_digest: str | None
    version: int


class AlertPage(BaseModel):
    """A page of alerts. `total` counts the whole list."""

    items: list[Alert]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


class AlertHistoryEntry(BaseModel):
    """One thing that happened to an alert, and the event and rule that caused it."""

    at: datetime
    kind: str
    status: AlertStatus
    cause: dict[str, Any]


class AlertDetail(Alert):
    """An alert with its newest 200 history entries, oldest first."""

    history: list[AlertHistoryEntry]
