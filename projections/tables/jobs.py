"""Jobs as lists and details show them, the specs each ever had, and what became of every slot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Computed, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata
from tocsin.projections.tables.tickets import instant
from tocsin.secret_headers import masked

NEXT_RUN_ORDER: Final = "coalesce(next_run, '9999-12-31 00:00:00+00'::timestamptz)"
"""Jobs that run no more come last."""

jobs: Final = Table(
    "jobs",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("cron", Text, comment="null: it runs once"),
    Column("run_at", Instant),
    Column("timezone", Text, nullable=False),
    Column("cron_format", Text),
    Column("dst", Text, nullable=False),
    Column("callback_url", Text, nullable=False),
    Column("payload", VerbatimJson, comment="null also when over 4 KiB: then payload_digest names it"),
    Column("payload_digest", Text),
    Column("headers", VerbatimJson, nullable=False, comment="values of secret ones are encrypted"),
    Column("max_attempts", Integer, nullable=False),
    Column("catchup", Text, nullable=False),
    Column("catchup_window", BigInteger, nullable=False, comment="seconds"),
    Column("catchup_on_resume", Boolean, nullable=False),
    Column("overlap", Text, nullable=False),
    Column("jitter_seconds", Integer, nullable=False),
    Column("expected_status", VerbatimJson, nullable=False),
    Column("tags", JSONB, nullable=False),
    Column("resolve_on_success", Boolean, nullable=False),
    Column("spec_version", BigInteger, nullable=False),
    Column("next_run", Instant),
    Column("next_run_order", Instant, Computed(NEXT_RUN_ORDER, persisted=True), nullable=False),
    Column("last_run_id", Text, comment="the run that began last"),
    Column("last_slot", Instant),
    Column("last_result", Text, comment="running, or the result of that run"),
    Column("last_finished_at", Instant),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("ended_at", Instant, comment="since when it neither runs nor is paused"),
    Column("version", BigInteger, nullable=False, comment="offset of the event that changed it last"),
    Index(None, "workspace", "created_at", "job_id", postgresql_include=["status"]),
    Index(None, "workspace", "updated_at", "job_id", postgresql_include=["status"]),
    Index(None, "workspace", "next_run_order", "job_id", postgresql_include=["status"]),
    schema=READ_MODEL,
    postgresql_with={"fillfactor": 80},
)

job_specs: Final = Table(
    "job_specs",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("spec_version", BigInteger, primary_key=True, autoincrement=False),
    Column("cron", Text),
    Column("run_at", Instant),
    Column("timezone", Text, nullable=False),
    Column("cron_format", Text),
    Column("dst", Text, nullable=False),
    Column("cursor", Instant, nullable=False, comment="slots up to here are none of this spec"),
    schema=READ_MODEL,
)

job_slots: Final = Table(
    "job_slots",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("spec_version", BigInteger, primary_key=True, autoincrement=False),
    Column("slot", Instant, primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="the rule that decided"),
    Column("run_id", Text),
    Column("lateness_ms", BigInteger),
    Column("decided_at", Instant, nullable=False),
    Column("decisions", BigInteger, nullable=False, comment="how often it was decided; more than once is a fault"),
    Column("more", BigInteger, nullable=False, comment="slots before it that share its verdict and have no row"),
    Column("first", Instant, comment="the oldest of those"),
    Index(None, "workspace", "job_id", "slot", "spec_version"),
    schema=READ_MODEL,
)

_STATUSES: Final = {"gone": "failed", "cancelled": None}
"""What the coarse ``last_run_status`` calls a result that is neither success nor failure."""


def job_document(row: Mapping[Any, Any], payload: str | None = None) -> dict[str, Any]:
    """A job as clients see it, for ``orjson``; ``payload`` is the resolved one, else what the row carries.

    Times are RFC 3339 UTC with milliseconds. Secret headers are masked.
    """
    body = payload if payload is not None else row["payload"]
    result = row["last_result"]
    return {
        "id": row["job_id"],
        "workspace": row["workspace"],
        "name": row["name"],
        "status": row["status"],
        "schedule": _schedule(row),
        **_schedule(row, kind=False),
        "timezone": row["timezone"],
        "cron_format": row["cron_format"],
        "dst": row["dst"],
        "callback_url": row["callback_url"],
        "payload": None if body is None else orjson.Fragment(body),
        "payload_digest": row["payload_digest"],
        "headers": masked(orjson.loads(row["headers"])),
        "next_run": instant(row["next_run"]),
        "last_run": _last_run(row),
        "last_run_status": _STATUSES.get(result, result),
        "max_attempts": row["max_attempts"],
        "catchup": row["catchup"],
        "catchup_window": row["catchup_window"],
        "catchup_on_resume": row["catchup_on_resume"],
        "overlap": row["overlap"],
        "jitter_seconds": row["jitter_seconds"],
        "expected_status": orjson.Fragment(row["expected_status"]),
        "tags": orjson.Fragment(row["tags"]),
        "resolve_on_success": row["resolve_on_success"],
        "spec_version": row["spec_version"],
        "created_by": row["created_by"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
        "version": row["version"],
    }


def _schedule(row: Mapping[Any, Any], *, kind: bool = True) -> dict[str, Any]:
    found = {"cron": row["cron"], "run_at": instant(row["run_at"])}
    return {"type": "once" if row["cron"] is None else "cron", **found} if kind else found


def _last_run(row: Mapping[Any, Any]) -> dict[str, Any] | None:
    if row["last_run_id"] is None:
        return None
    return {
        "run_id": row["last_run_id"],
        "slot": instant(row["last_slot"]),
        "status": row["last_result"],
        "finished_at": instant(row["last_finished_at"]),
    }


def slot_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What became of a slot, for ``orjson``."""
    return {
        "slot": instant(row["slot"]),
        "spec_version": row["spec_version"],
        "verdict": row["verdict"],
        "reason": row["reason"],
        "run_id": row["run_id"],
        "lateness_ms": row["lateness_ms"],
        "decided_at": instant(row["decided_at"]),
        "more": row["more"],
        "first": instant(row["first"]),
    }
