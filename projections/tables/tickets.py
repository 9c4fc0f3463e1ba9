"""Tickets as lists and details show them, one row each, and the document made from a row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Computed, Index, Integer, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from tocsin.events.times import rfc3339, round_down_ms
from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata

SEVERITY_RANK: Final = "CASE severity WHEN 'critical' THEN 4 WHEN 'error' THEN 3 WHEN 'warning' THEN 2 ELSE 1 END"
# To sort by update time an index is needed, and an index on the time itself would make every update of a ticket
# touch every index. The second it falls into changes once a second at most; ties are sorted while reading.
_UPDATED_SECOND: Final = "date_bin('1 second', updated_at, '2000-01-01 00:00:00+00')"
NEXT_DUE_ORDER: Final = "coalesce(next_due_at, '9999-12-31 00:00:00+00'::timestamptz)"
"""Tickets of which nothing falls due come last."""

tickets: Final = Table(
    "tickets",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("ticket_id", Text, primary_key=True),
    Column("episode", Integer, nullable=False),
    Column("previous_ticket_id", Text),
    Column("workflow", Text, nullable=False),
    Column("identifier", Text, nullable=False),
    Column("identity_reason", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("hidden", Boolean, nullable=False, server_default=text("false")),
    Column("severity", Text, nullable=False),
    Column("severity_rank", SmallInteger, Computed(SEVERITY_RANK, persisted=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("run_url", Text, nullable=False),
    Column("context", VerbatimJson, comment="null also when over 4 KiB: then context_digest names the payload"),
    Column("context_digest", Text),
    Column("occurrences", BigInteger, nullable=False),
    Column("deliveries", BigInteger, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_second", Instant, Computed(_UPDATED_SECOND, persisted=True), nullable=False),
    Column("resolved_at", Instant),
    Column("reopen_until", Instant),
    Column("version", BigInteger, nullable=False, comment="offset of the event that changed it last"),
    Column("version_facts", Text, nullable=False, comment="names of the facts applied at this version"),
    Column("priority", Text, nullable=False),
    Column("customer_tier", Text, nullable=False, server_default=text("'default'")),
    *(Column(name, Text, nullable=False, server_default=text("''")) for name in ("title", "url")),
    *(Column(name, Text, nullable=False, server_default=text("''")) for name in ("assignee", "requester")),
    Column("tags", JSONB, nullable=False, server_default=text("'[]'")),
    Column("source_updated_at", Instant, comment="updated_at of the last report that counted"),
    Column("escalation_level", Integer, nullable=False, server_default=text("0")),
    Column("sla_state", Text, comment="null: it has no clocks"),
    Column("next_due_at", Instant, comment="earliest due time of clocks in progress that is still to come"),
    Column("next_due_order", Instant, Computed(NEXT_DUE_ORDER, persisted=True), nullable=False),
    Column("acknowledged_at", Instant),
    Column("snoozed_until", Instant),
    # what is included lets totals and deep offsets be answered without visiting the rows
    Index(None, "workspace", "created_at", "ticket_id", postgresql_include=["hidden", "status", "severity_rank"]),
    Index(None, "workspace", "updated_second", postgresql_include=["hidden"]),
    Index(None, "workspace", "severity_rank", "ticket_id", postgresql_include=["hidden", "status"]),
    Index(None, "workspace", "status", "created_at", "ticket_id", postgresql_include=["hidden", "severity_rank"]),
    Index(None, "workspace", "workflow", "created_at", "ticket_id", postgresql_include=["hidden", "status", "source"]),
    Index(None, "workspace", "source", "created_at", "ticket_id", postgresql_include=["hidden", "status"]),
    Index(None, "workspace", "identifier"),
    Index(None, "workspace", "next_due_order", "ticket_id", postgresql_include=["hidden", "status"]),
    # partial: most failures are in none of them
    Index(
        None,
        *("workspace", "sla_state", "next_due_order", "ticket_id"),
        postgresql_include=["hidden", "status"],
        postgresql_where=text("sla_state IS NOT NULL"),
    ),
    Index(None, "workspace", "escalation_level", postgresql_where=text("escalation_level > 0")),
    Index(None, "workspace", "customer_tier", postgresql_where=text("customer_tier <> 'default'")),
    Index(None, "workspace", "assignee", postgresql_where=text("assignee <> ''")),
    Index(None, "tags", postgresql_using="gin", postgresql_where=text("tags <> '[]'::jsonb")),
    schema=READ_MODEL,
    # room on the page for the next version of a row
    postgresql_with={"fillfactor": 80},
)


def document(row: Mapping[Any, Any], context: str | None = None) -> dict[str, Any]:
    """A ticket as clients see it, for ``orjson``; ``context`` is the resolved payload, else what the row carries.

    Times are RFC 3339 UTC with milliseconds.
    """
    body = context if context is not None else row["context"]
    created_at, updated_at = instant(row["created_at"]), instant(row["updated_at"])
    return {
        "id": row["ticket_id"],
        "workspace": row["workspace"],
        "workflow": row["workflow"] or None,
        "identifier": row["identifier"],
        "identity_reason": row["identity_reason"],
        "status": row["status"],
        "hidden": row["hidden"],
        "severity": row["severity"],
        "source": row["source"],
        "step": row["step"] or None,
        "message": row["message"],
        "run_url": row["run_url"] or None,
        "context": None if body is None else orjson.Fragment(body),
        "context_digest": row["context_digest"],
        "occurrences": row["occurrences"],
        "deliveries": row["deliveries"],
        "episode": row["episode"],
        "previous_ticket_id": row["previous_ticket_id"],
        "first_seen_at": instant(row["first_seen_at"]),
        "last_seen_at": instant(row["last_seen_at"]),
        "created_at": created_at,
        "updated_at": updated_at,
        "createdAt": created_at,
        "updatedAt": updated_at,
        "resolved_at": instant(row["resolved_at"]),
        "reopen_until": instant(row["reopen_until"]),
        **_service_level(row),
        "version": row["version"],
    }


def _service_level(row: Mapping[Any, Any]) -> dict[str, Any]:
    tags = row["tags"]
    return {
        "priority": row["priority"],
        "customer_tier": row["customer_tier"],
        **{name: row[name] or None for name in ("title", "url", "assignee", "requester")},
        "tags": orjson.Fragment(tags) if isinstance(tags, str) else tags,
        "source_updated_at": instant(row["source_updated_at"]),
        "escalation_level": row["escalation_level"],
        "sla_state": row["sla_state"],
        "next_due_at": instant(row["next_due_at"]),
        "acknowledged_at": instant(row["acknowledged_at"]),
        "snoozed_until": instant(row["snoozed_until"]),
    }


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 UTC with milliseconds."""
    return None if moment is None else rfc3339(round_down_ms(moment.astimezone(UTC)))
