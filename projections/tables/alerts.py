"""Alerts as lists and details show them: one row an episode of a fingerprint, and the document made from a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Computed, Index, Integer, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata
from tocsin.projections.tables.tickets import SEVERITY_RANK, instant

alerts: Final = Table(
    "alerts",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("episode", Integer, nullable=False),
    Column("previous_alert_id", Text),
    Column("source", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("fingerprint_rule", Text, nullable=False),
    Column("fingerprint_fields", VerbatimJson, nullable=False),
    Column("sender_episode", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("severity_rank", SmallInteger, Computed(SEVERITY_RANK, persisted=True), nullable=False),
    Column("service", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("tags", VerbatimJson, nullable=False),
    Column("url", Text, nullable=False),
    Column("context", VerbatimJson, comment="null also when over 4 KiB: then context_digest names the payload"),
    Column("context_digest", Text),
    Column("verified_by", Text, nullable=False),
    Column(
        "classification",
        VerbatimJson,
        nullable=False,
        server_default="[]",
        comment="which rule set which field, and why",
    ),
    Column("grouping", VerbatimJson, comment="the terms under which it joined an incident; null: under none"),
    Column("flapping", Boolean, nullable=False, server_default="false"),
    Column("suppressed_by", JSONB, nullable=False, server_default="[]", comment="silences that keep it quiet"),
    Column("occurrences", BigInteger, nullable=False),
    Column("deliveries", BigInteger, nullable=False),
    Column("started_at", Instant, nullable=False, comment="the sender's time"),
    Column("last_seen_at", Instant, nullable=False, comment="the sender's time"),
    Column("resolved_at", Instant, comment="the sender's time"),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version", BigInteger, nullable=False, comment="offset of the event that changed it last"),
    Index(None, "workspace", "created_at", "alert_id", postgresql_include=["status", "severity_rank"]),
    Index(None, "workspace", "updated_at", "alert_id"),
    Index(None, "workspace", "severity_rank", "alert_id"),
    Index(None, "workspace", "source", "created_at", "alert_id"),
    Index(None, "workspace", "service", "created_at", "alert_id"),
    Index(None, "workspace", "environment", "created_at", "alert_id"),
    Index(None, "workspace", "fingerprint"),
    # partial: few are kept quiet at a time
    Index(
        "ix_alerts_suppressed",
        "workspace",
        "created_at",
        "alert_id",
        postgresql_where=text("suppressed_by <> '[]'::jsonb"),
    ),
    schema=READ_MODEL,
    # room on the page for the next version of a row
    postgresql_with={"fillfactor": 80},
)

alert_history: Final = Table(
    "alert_history",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False, comment="name of the fact"),
    Column("status", Text, nullable=False),
    Column("cause", VerbatimJson, nullable=False),
    schema=READ_MODEL,
)


def alert_document(row: Mapping[Any, Any], context: str | None = None) -> dict[str, Any]:
    """An alert as clients see it, for ``orjson``; ``context`` is the resolved payload, else what the row carries.

    Times are RFC 3339 UTC with milliseconds.
    """
    body = context if context is not None else row["context"]
    return {
        "id": row["alert_id"],
        "workspace": row["workspace"],
        "source": row["source"],
        "status": row["status"],
        "severity": row["severity"],
        "service": row["service"] or None,
        "team": row["team"] or None,
        "environment": row["environment"] or None,
        "title": row["title"],
        "message": row["message"],
        "tags": orjson.Fragment(row["tags"]),
        "url": row["url"] or None,
        "fingerprint": row["fingerprint"],
        "fingerprint_rule": row["fingerprint_rule"],
        "fingerprint_fields": orjson.Fragment(row["fingerprint_fields"]),
        "verified_by": row["verified_by"],
        "classification": orjson.Fragment(row["classification"]),
        "grouping": None if row["grouping"] is None else orjson.Fragment(row["grouping"]),
        "flapping": row["flapping"],
        "suppressed_by": orjson.Fragment(row["suppressed_by"]),
        "occurrences": row["occurrences"],
        "deliveries": row["deliveries"],
        "episode": row["episode"],
        "previous_alert_id": row["previous_alert_id"],
        "started_at": instant(row["started_at"]),
        "last_seen_at": instant(row["last_seen_at"]),
        "resolved_at": instant(row["resolved_at"]),
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
        "context": None if body is None else orjson.Fragment(body),
        "context_digest": row["context_digest"],
        "version": row["version"],
    }
