"""How far a projection has come in each partition; moves only inside the transaction that moves the rows."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, metadata

projection_offsets: Final = Table(
    "projection_offsets",
    metadata,
    Column("projection", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    schema=READ_MODEL,
)
