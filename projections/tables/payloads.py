"""Bodies over 4 KiB, once each, by their digest."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, VerbatimJson, metadata

payloads: Final = Table(
    "payloads",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256, hex"),
    Column("body", VerbatimJson, nullable=False),
    schema=READ_MODEL,
)
