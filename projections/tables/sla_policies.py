"""The SLA policies that governed, without the URLs of channels, and when each partition went over to one."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from tocsin.projections.tables.metadata import READ_MODEL, Instant, VerbatimJson, metadata

sla_policies: Final = Table(
    "sla_policies",
    metadata,
    Column("policy_version", Text, primary_key=True),
    Column("body", VerbatimJson, nullable=False),
    schema=READ_MODEL,
)
sla_policy_activations: Final = Table(
    "sla_policy_activations",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False, comment="of the fact"),
    Column("policy_version", Text, nullable=False),
    Column("applied_at", Instant, nullable=False),
    schema=READ_MODEL,
)
