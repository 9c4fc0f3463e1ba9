"""Business counters. One row per partition of the facts, so that two projectors never wait for one row."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from tocsin.projections.tables.metadata import READ_MODEL, metadata

counters: Final = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", JSONB, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
    schema=READ_MODEL,
)
