"""Every warning, breach and escalation of a ticket, with what explains it. Keyed by the position of the fact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata
from tocsin.projections.tables.tickets import instant

sla_alerts: Final = Table(
    "sla_alerts",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("ticket_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False, comment="warning, breach or escalation"),
    Column("reason", Text, nullable=False, comment="why an escalation happened, else the rule that decided"),
    Column("metric", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("percent", Integer, comment="of a warning: the threshold"),
    Column("level", Integer, comment="the ticket's escalation level with it"),
    Column("from_level", Integer),
    Column("step", Integer),
    Column("loop", Integer),
    Column("due_at", Instant, nullable=False, comment="when it was to happen"),
    Column("detected_at", Instant, nullable=False),
    Column("lateness_ms", BigInteger, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("coalesced", VerbatimJson, nullable=False, comment="steps that were due as well and told nobody"),
    Column("notifications", VerbatimJson, nullable=False, comment="ids and channels of the messages"),
    Column("details", VerbatimJson, nullable=False, comment="what else the fact says"),
    Column("clock", VerbatimJson, comment="as it was then"),
    Column("cause", VerbatimJson, nullable=False),
    schema=READ_MODEL,
)
_PLAIN: Final = ("kind", "reason", "metric", "cycle", "percent", "level", "from_level", "step", "loop")


def sla_alert_document(row: Mapping[Any, Any]) -> dict[str, Any]:
    """An SLA alert as clients see it, for ``orjson``. Times are RFC 3339 UTC with milliseconds."""
    clock = row["clock"]
    return {
        "id": f"{row['partition']}-{row['offset']}",
        "ticket_id": row["ticket_id"],
        **{name: row[name] for name in _PLAIN},
        "due_at": instant(row["due_at"]),
        "detected_at": instant(row["detected_at"]),
        "lateness_ms": row["lateness_ms"],
        "late": row["late"],
        **{name: orjson.Fragment(row[name]) for name in ("coalesced", "notifications", "details")},
        "clock": None if clock is None else orjson.Fragment(clock),
        "cause": orjson.Fragment(row["cause"]),
    }
