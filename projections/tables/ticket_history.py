"""What happened to a ticket and why; counting alone is no history. Keyed by the position of the fact in the log."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata

ticket_history: Final = Table(
    "ticket_history",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("ticket_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False, comment="name of the fact"),
    Column("from_status", Text),
    Column("status", Text),
    Column("actor", Text),
    Column("reason", Text),
    Column("cause", VerbatimJson, nullable=False),
    schema=READ_MODEL,
)
