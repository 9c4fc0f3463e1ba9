"""Tickets as lists and details show them, one row each, and the document made from a row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Computed, Index, Integer, SmallInteger, Table, Text, text

from tocsin.events.times import rfc3339, round_down_ms
from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata

SEVERITY_RANK: Final = "CASE severity WHEN 'critical' THEN 4 WHEN 'error' THEN 3 WHEN 'warning' THEN 2 ELSE 1 END"
# To sort by update time an index is needed, and an index on the time itself would make every update of a ticket
# touch every index. The second it falls into changes once a second at most; ties are sorted while reading.
_UPDATED_SECOND: Final = "date_bin('1 second', updated_at, '2000-01-01 00:00:00+00')"

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
    Column("version_facts", SmallInteger, nullable=False, comment="bits of the facts applied at this version"),
    # what is included lets totals and deep offsets be answered without visiting the rows
    Index(None, "workspace", "created_at", "ticket_id", postgresql_include=["hidden", "status", "severity_rank"]),
    Index(None, "workspace", "updated_second", postgresql_include=["hidden"]),
    Index(None, "workspace", "severity_rank", "ticket_id"),
    Index(None, "workspace", "status", "created_at", "ticket_id", postgresql_include=["hidden", "severity_rank"]),
    Index(None, "workspace", "workflow", "created_at", "ticket_id", postgresql_include=["hidden", "status"]),
    Index(None, "workspace", "source", "created_at", "ticket_id", postgresql_include=["hidden", "status"]),
    Index(None, "workspace", "identifier"),
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
        "workflow": row["workflow"],
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
        "version": row["version"],
    }


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 UTC with milliseconds."""
    return None if moment is None else rfc3339(round_down_ms(moment.astimezone(UTC)))
