"""Incidents as lists and details show them, what happened to each, and which alerts belong to which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Column, Computed, Index, Integer, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata
from tocsin.projections.tables.tickets import SEVERITY_RANK, instant

incidents: Final = Table(
    "incidents",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("incident_id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("severity_rank", SmallInteger, Computed(SEVERITY_RANK, persisted=True), nullable=False),
    Column("service", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("sources", JSONB, nullable=False, comment="of all alerts it ever had, sorted"),
    Column("rule", Text, nullable=False, comment="grouping rule that opened it"),
    Column("group", VerbatimJson, nullable=False, comment="the fields its alerts share"),
    Column("auto_resolve", Text, nullable=False),
    Column("assignee", Text),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", Text),
    Column("alert_count", BigInteger, nullable=False, comment="distinct alert episodes it ever had"),
    Column("active_alerts", BigInteger, nullable=False, comment="how many of its fingerprints fire"),
    Column("last_alert_at", Instant, nullable=False, comment="the sender's time"),
    Column("previous_incident_id", Text),
    Column("split_from", Text),
    Column("merged_into", Text),
    Column("resolved_at", Instant),
    Column("reopen_until", Instant),
    Column("closed_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version", BigInteger, nullable=False, comment="offset of the event that changed it last"),
    Index(None, "workspace", "created_at", "incident_id", postgresql_include=["status", "severity_rank"]),
    Index(None, "workspace", "updated_at", "incident_id"),
    Index(None, "workspace", "severity_rank", "incident_id"),
    Index(None, "workspace", "last_alert_at", "incident_id"),
    Index(None, "workspace", "alert_count", "incident_id"),
    Index(None, "workspace", "status", "created_at", "incident_id"),
    Index(None, "workspace", "service", "created_at", "incident_id"),
    Index(None, "workspace", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    schema=READ_MODEL,
    postgresql_with={"fillfactor": 80},
)

incident_actions: Final = Table(
    "incident_actions",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("incident_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("action", Text, nullable=False),
    Column("from_status", Text),
    Column("status", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("details", VerbatimJson, nullable=False, comment="what the action is about: assignee, text, other incident"),
    Column("event_id", Text, nullable=False),
    Column("cause", VerbatimJson, nullable=False),
    schema=READ_MODEL,
)

# A row belongs to its incident alone and changes by that incident's facts alone: those of different incidents come in
# any order. Merges are followed when reading (``merged_into``).
incident_alerts: Final = Table(
    "incident_alerts",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("incident_id", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("moved_to", Text, comment="the incident it was split off to; then it is here no more"),
    Index(None, "workspace", "alert_id"),
    schema=READ_MODEL,
)


def incident_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """An incident as clients see it, for ``orjson``. Times are RFC 3339 UTC with milliseconds."""
    return {
        "id": row["incident_id"],
        "workspace": row["workspace"],
        "title": row["title"],
        "status": row["status"],
        "severity": row["severity"],
        "service": row["service"] or None,
        "team": row["team"] or None,
        "environment": row["environment"] or None,
        "sources": orjson.Fragment(row["sources"]),
        "rule": row["rule"],
        "group": orjson.Fragment(row["group"]),
        "auto_resolve": row["auto_resolve"],
        "assignee": row["assignee"],
        "acknowledged_at": instant(row["acknowledged_at"]),
        "acknowledged_by": row["acknowledged_by"],
        "alert_count": row["alert_count"],
        "active_alerts": row["active_alerts"],
        "last_alert_at": instant(row["last_alert_at"]),
        "previous_incident_id": row["previous_incident_id"],
        "split_from": row["split_from"],
        "merged_into": row["merged_into"],
        "resolved_at": instant(row["resolved_at"]),
        "reopen_until": instant(row["reopen_until"]),
        "closed_at": instant(row["closed_at"]),
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
        "version": row["version"],
    }


def action_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """One entry of the timeline, for ``orjson``."""
    return {
        "at": instant(row["at"]),
        "action": row["action"],
        "from_status": row["from_status"],
        "status": row["status"],
        "actor": row["actor"],
        "reason": row["reason"] or None,
        "details": orjson.Fragment(row["details"]),
        "event_id": row["event_id"],
        "cause": orjson.Fragment(row["cause"]),
    }
