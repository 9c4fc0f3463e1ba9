"""One row per attempt of a run: what was answered, how long it took, what was wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, Instant, metadata
from tocsin.projections.tables.tickets import instant

LATENESS_BUCKETS_MS: Final = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000)
"""Upper bounds in which the lateness of first attempts is counted; there is one more without a bound."""

job_logs: Final = Table(
    "job_logs",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("delivery_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("job_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("outcome", Text, nullable=False, comment="succeeded, retry, failed, gone"),
    Column("reason", Text, nullable=False, comment="the rule that decided the outcome"),
    Column("status", Integer, comment="of the answer, if there was one"),
    Column("error", Text, comment="class of what went wrong on the way"),
    Column("detail", Text),
    Column("body", Text, nullable=False, comment="first 16 KiB of the answer"),
    Column("body_cut", Boolean, nullable=False),
    Column("scheduled_for", Instant, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("lateness_ms", BigInteger, nullable=False),
    Column("address", Text, comment="the one that was dialled"),
    Column("next_attempt_at", Instant),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False, comment="of the fact"),
    Index(None, "workspace", "job_id", "started_at", "run_id", "attempt"),
    schema=READ_MODEL,
)


def job_log_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """An attempt as clients see it, for ``orjson``. Times are RFC 3339 UTC with milliseconds."""
    kept = ("run_id", "attempt", "outcome", "reason", "status", "error", "detail", "body", "body_cut", "duration_ms")
    return {
        "job_id": row["job_id"],
        "delivery_id": row["delivery_id"],
        **{name: row[name] for name in kept},
        "lateness_ms": row["lateness_ms"],
        "address": row["address"],
        "scheduled_for": instant(row["scheduled_for"]),
        "started_at": instant(row["started_at"]),
        "next_attempt_at": instant(row["next_attempt_at"]),
    }
