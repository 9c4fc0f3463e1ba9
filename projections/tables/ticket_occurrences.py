"""Occurrences and deliveries of a ticket by the hour in which they were accepted."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, Instant, metadata

ticket_occurrences: Final = Table(
    "ticket_occurrences",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("ticket_id", Text, primary_key=True),
    Column("hour", Instant, primary_key=True),
    Column("occurrences", BigInteger, nullable=False),
    Column("deliveries", BigInteger, nullable=False),
    schema=READ_MODEL,
)
