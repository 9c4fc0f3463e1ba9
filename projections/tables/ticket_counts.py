"""How many tickets there are, kept while projecting, so that the total of a list is one sum over a few rows.

Each ticket is counted once for the whole workspace (dimension ``''``) and once under its value of each of DIMENSIONS,
whose values are many; by KINDS, whose values are few, each of these is divided. So the total of any filter over KINDS
and one of DIMENSIONS is kept. One row per partition of the facts, so that two projectors never wait for one row; a row
at zero is removed.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, metadata

DIMENSIONS: Final = ("workflow", "source", "customer_tier")
KINDS: Final = ("status", "hidden", "severity", "priority", "sla_state", "escalation_level")

ticket_counts: Final = Table(
    "ticket_counts",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("dimension", Text, primary_key=True, comment="'', or the column that is counted"),
    Column("value", Text, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("hidden", Boolean, primary_key=True),
    Column("severity", Text, primary_key=True),
    Column("priority", Text, primary_key=True),
    Column("sla_state", Text, primary_key=True, comment="'': it has no clocks"),
    Column("escalation_level", Integer, primary_key=True, autoincrement=False),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("tickets", BigInteger, nullable=False),
    schema=READ_MODEL,
)
