"""Tasks as the token inbox and details show them, and what each poll found. The tokens themselves are not here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Computed, Index, Integer, Table, Text, text

from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata
from tocsin.projections.tables.tickets import instant
from tocsin.secret_headers import MASK, masked

DEADLINE_ORDER: Final = "coalesce(deadline, '9999-12-31 00:00:00+00'::timestamptz)"
"""Tasks without a deadline come last."""

tasks: Final = Table(
    "tasks",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("task_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("issued", Boolean, nullable=False, comment="tocsin made the token; else it is one of AWS"),
    Column("external_job_id", Text, nullable=False),
    Column("metadata", VerbatimJson),
    Column("owner", Text, nullable=False),
    Column("poll", VerbatimJson, comment="how the outside job is asked; values of secret headers are encrypted"),
    Column("on_settled_url", Text),
    Column("execution_url", Text),
    Column("heartbeat_ms", BigInteger, nullable=False, comment="0: no heartbeat clock"),
    Column("deadline", Instant),
    Column("deadline_order", Instant, Computed(DEADLINE_ORDER, persisted=True), nullable=False),
    Column("heartbeat_due", Instant),
    Column("last_heartbeat_at", Instant, comment="the last sign of life, also one that a poll found"),
    Column("next_poll", Instant, comment="null also while one is under way"),
    Column("attempts", Integer, nullable=False, comment="polls that ended"),
    Column("last_poll_at", Instant),
    Column("last_poll_verdict", Text),
    Column("external_status", Text, comment="the outside job's own word"),
    Column("outcome", Text, comment="null while it waits"),
    Column("result", VerbatimJson, comment="null also when over 4 KiB: then result_digest names it"),
    Column("result_digest", Text),
    Column("error", Text),
    Column("cause", Text),
    Column("settled_by", Text, comment="actor"),
    Column("settled_how", Text, comment="the rule that decided"),
    Column("settled_at", Instant),
    Column("confirmation", Text, comment="whether AWS took it"),
    Column("confirmation_code", Text, comment="AWS's error"),
    Column("confirmation_detail", Text),
    Column("confirmation_attempts", Integer),
    Column("confirmed_at", Instant, comment="when the last word on it came"),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version", BigInteger, nullable=False, comment="offset of the event that changed it last"),
    Index(None, "workspace", "created_at", "task_id", postgresql_include=["status"]),
    Index(None, "workspace", "updated_at", "task_id", postgresql_include=["status"]),
    Index(None, "workspace", "deadline_order", "task_id", postgresql_include=["status"]),
    Index("ix_tasks_waiting", "workspace", "created_at", "deadline", postgresql_where=text("settled_at IS NULL")),
    schema=READ_MODEL,
    postgresql_with={"fillfactor": 80},
)

task_polls: Final = Table(
    "task_polls",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("task_id", Text, primary_key=True),
    Column("poll", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Text, nullable=False),
    Column("verdict", Text, nullable=False, comment="completed, failed, running, unreadable, oversize, error"),
    Column("reason", Text, nullable=False, comment="the rule that decided"),
    Column("external_status", Text),
    Column("http_status", Integer),
    Column("error", Text, comment="class of what went wrong on the way"),
    Column("detail", Text),
    Column("finished_at", Instant, nullable=False),
    Column("decided_at", Instant, nullable=False),
    schema=READ_MODEL,
)


def task_document(row: Mapping[Any, Any], result: str | None = None) -> dict[str, Any]:
    """A task as clients see it, for ``orjson``; ``result`` is the resolved one, else what the row carries.

    Times are RFC 3339 UTC with milliseconds. The token and secret headers are masked.
    """
    return {
        "id": row["task_id"],
        "workspace": row["workspace"],
        "status": row["status"],
        "task_token": MASK,
        "token_of": "tocsin" if row["issued"] else "aws",
        "external_job": {"id": row["external_job_id"], "metadata": _json(row["metadata"])},
        "owner": row["owner"],
        "poll": _poll(row["poll"]),
        "attempts": row["attempts"],
        "last_poll": _last_poll(row),
        "next_poll": instant(row["next_poll"]),
        "deadline": instant(row["deadline"]),
        "heartbeat_seconds": row["heartbeat_ms"] / 1000 or None,
        "heartbeat_due": instant(row["heartbeat_due"]),
        "last_heartbeat": instant(row["last_heartbeat_at"]),
        "on_settled_url": row["on_settled_url"],
        "execution_url": row["execution_url"],
        "settlement": _settlement(row, result),
        "created_by": row["created_by"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
        "version": row["version"],
    }


def _json(text: str | None) -> Any:
    return None if text is None else orjson.Fragment(text)


def _poll(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    poll: dict[str, Any] = orjson.loads(text)
    return poll | {"headers": masked(poll["headers"])}


def _last_poll(row: Mapping[Any, Any]) -> dict[str, Any] | None:
    if row["last_poll_at"] is None:
        return None
    return {
        "verdict": row["last_poll_verdict"],
        "external_status": row["external_status"],
        "finished_at": instant(row["last_poll_at"]),
    }


def _settlement(row: Mapping[Any, Any], result: str | None) -> dict[str, Any] | None:
    if row["outcome"] is None:
        return None
    return {
        "outcome": row["outcome"],
        "result": _json(result if result is not None else row["result"]),
        "result_digest": row["result_digest"],
        "error": row["error"],
        "cause": row["cause"],
        "settled_by": row["settled_by"],
        "reason": row["settled_how"],
        "settled_at": instant(row["settled_at"]),
        "confirmation": row["confirmation"],
        "confirmation_code": row["confirmation_code"],
        "confirmation_detail": row["confirmation_detail"],
        "confirmation_attempts": row["confirmation_attempts"],
        "confirmed_at": instant(row["confirmed_at"]),
    }


def poll_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What a poll found, for ``orjson``."""
    kept = ("poll", "verdict", "reason", "external_status", "http_status", "error", "detail")
    return {
        **{name: row[name] for name in kept},
        "finished_at": instant(row["finished_at"]),
        "decided_at": instant(row["decided_at"]),
    }
