"""Silences and maintenance windows as lists show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Column, Index, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata
from tocsin.projections.tables.tickets import instant

silences: Final = Table(
    "silences",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("silence_id", Text, primary_key=True),
    Column("matchers", VerbatimJson, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant),
    Column("recurrence", VerbatimJson),
    Column("reason", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant, comment="when it was ended by hand"),
    Column("ended_by", Text),
    Column("version", BigInteger, nullable=False),
    Index(None, "workspace", "created_at", "silence_id"),
    schema=READ_MODEL,
)


def silence_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A silence as clients see it, for ``orjson``. Times are RFC 3339 UTC with milliseconds."""
    return {
        "id": row["silence_id"],
        "workspace": row["workspace"],
        "matchers": orjson.Fragment(row["matchers"]),
        "starts_at": instant(row["starts_at"]),
        "ends_at": instant(row["ends_at"]),
        "recurrence": None if row["recurrence"] is None else orjson.Fragment(row["recurrence"]),
        "reason": row["reason"] or None,
        "created_by": row["created_by"],
        "created_at": instant(row["created_at"]),
        "ended_at": instant(row["ended_at"]),
        "ended_by": row["ended_by"],
        "version": row["version"],
    }
