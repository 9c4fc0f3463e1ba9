"""Every SLA clock of every ticket as it was left by its last fact; what has passed since is computed while reading."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Computed, Index, Integer, Table, Text, text

from tocsin.projections.tables.metadata import READ_MODEL, Instant, metadata

# When it was known how the clock ends: a breach at its due time, else when it stopped.
VERDICT_AT: Final = "coalesce(breached_at, CASE stage WHEN 'completed' THEN stopped_at END)"
RUNNING: Final = "stage = 'in_progress' AND breached_at IS NULL"
# What reports read of a clock that ended. Apart from what they are made of, which changes while the clock runs: an
# index on that would be written with every warning.
BUSINESS_MS: Final = "CASE stage WHEN 'completed' THEN elapsed_ms END"
WALL_MS: Final = (
    "CASE stage WHEN 'completed' THEN round(extract(epoch FROM stopped_at - started_at) * 1000)::bigint END"
)

sla_clocks: Final = Table(
    "sla_clocks",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("ticket_id", Text, primary_key=True),
    Column("metric", Text, primary_key=True),
    Column("cycle", Integer, primary_key=True, autoincrement=False),
    Column("stage", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("customer_tier", Text, nullable=False),
    Column("workflow", Text, nullable=False, comment="of the ticket"),
    Column("target_ms", BigInteger, nullable=False),
    Column("calendar", Text, nullable=False, comment="by its name in the policy"),
    Column("calendar_version", Text, comment="null: of 24x7"),
    Column("policy_version", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("elapsed_ms", BigInteger, nullable=False, comment="open time consumed until as_of"),
    Column("as_of", Instant, nullable=False),
    Column("due_at", Instant),
    Column("warned_percent", Integer, nullable=False),
    Column("next_warning_percent", Integer),
    Column("next_warning_at", Instant),
    Column("paused_at", Instant),
    Column("pause_reason", Text),
    Column("paused_ms", BigInteger, nullable=False, comment="of the pauses that ended"),
    Column("breached_at", Instant, comment="the due time that passed"),
    Column("detected_at", Instant),
    Column("stopped_at", Instant),
    Column("result", Text),
    Column("verdict_at", Instant, Computed(VERDICT_AT, persisted=True)),
    Column("business_ms", BigInteger, Computed(BUSINESS_MS, persisted=True)),
    Column("wall_ms", BigInteger, Computed(WALL_MS, persisted=True)),
    Column("version", BigInteger, nullable=False, comment="offset of the event that changed it last"),
    Index(
        None,
        *("workspace", "verdict_at"),
        postgresql_include=["metric", "priority", "customer_tier", "workflow", "breached_at"],
        postgresql_where=text("verdict_at IS NOT NULL"),
    ),
    # what is included lets reports be answered without visiting the rows
    Index(
        None,
        *("workspace", "metric", "stopped_at"),
        postgresql_include=["priority", "customer_tier", "workflow", "business_ms", "wall_ms"],
        postgresql_where=text("stage = 'completed'"),
    ),
    Index(None, "workspace", "due_at", postgresql_where=text(RUNNING)),
    schema=READ_MODEL,
    postgresql_with={"fillfactor": 80},
)
