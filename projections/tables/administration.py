"""Administrative state: no rebuild ever touches it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ARRAY, BigInteger, Column, Index, Integer, LargeBinary, Table, Text, func

from tocsin.projections.tables.metadata import ADMINISTRATION, Instant, VerbatimJson, metadata

outcomes: Final = Table(
    "outcomes",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("fact_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("fact", VerbatimJson, nullable=False),
    Column("document", VerbatimJson),
    Column("decided_at", Instant, nullable=False, server_default=func.now()),
    Index(None, "decided_at"),
    schema=ADMINISTRATION,
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("prefix", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    schema=ADMINISTRATION,
)

sources_secrets: Final = Table(
    "sources_secrets",
    metadata,
    Column("secret_id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("encrypted", LargeBinary, nullable=False, comment="Fernet, by a key of TOCSIN_ENCRYPTION_KEYS"),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    schema=ADMINISTRATION,
)

signing_secrets: Final = Table(
    "signing_secrets",
    metadata,
    Column("secret_id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("encrypted", LargeBinary, nullable=False, comment="Fernet, by a key of TOCSIN_ENCRYPTION_KEYS"),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    schema=ADMINISTRATION,
)

aws_keys: Final = Table(
    "aws_keys",
    metadata,
    Column("access_key_id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("encrypted", LargeBinary, nullable=False, comment="Fernet, by a key of TOCSIN_ENCRYPTION_KEYS"),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    schema=ADMINISTRATION,
)

stream_tokens: Final = Table(
    "stream_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the token"),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(None, "expires_at"),
    schema=ADMINISTRATION,
)

projection_errors: Final = Table(
    "projection_errors",
    metadata,
    Column("projection", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False, server_default=func.now()),
    Column("record_key", Text),
    # json, not jsonb: a header may hold what jsonb refuses
    Column("headers", VerbatimJson, nullable=False),
    Column("value", LargeBinary),
    schema=ADMINISTRATION,
)
