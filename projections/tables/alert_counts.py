"""How many alerts there are, kept while projecting, so that the total of a list is one sum over a few rows.

Each alert is counted once for the whole workspace (dimension ``''``) and once under each of its source, service, team
and environment. One row per partition of the facts, so that two projectors never wait for one row; a row at zero is
removed.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, metadata

DIMENSIONS: Final = ("source", "service", "team", "environment")

alert_counts: Final = Table(
    "alert_counts",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("dimension", Text, primary_key=True, comment="'', or a column of alerts"),
    Column("value", Text, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("severity", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("alerts", BigInteger, nullable=False),
    schema=READ_MODEL,
)
