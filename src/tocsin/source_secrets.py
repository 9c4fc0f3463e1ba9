"""Secrets of webhook sources that belong to a workspace: ``tocsin.sources_secrets``, encrypted at rest.

Secrets of the environment belong to the workspace ``default`` and are not here.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tocsin.keys import Connection

CHANNEL: Final = "tocsin_sources_secrets"
"""NOTIFY channel; the payload is the id that changed."""

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_COLUMNS: Final = "secret_id, workspace, source, encrypted, created_at, revoked_at"
_INSERT: Final = f"""
WITH added AS (
    INSERT INTO tocsin.sources_secrets (secret_id, workspace, source, encrypted, created_at)
    VALUES ($1, $2, $3, $4, $5) RETURNING {_COLUMNS}
) SELECT {_COLUMNS}, pg_notify('{CHANNEL}', secret_id) FROM added
"""  # noqa: S608 - constants only
_REVOKE: Final = f"""
WITH ended AS (
    UPDATE tocsin.sources_secrets SET revoked_at = $2 WHERE secret_id = $1 AND revoked_at IS NULL RETURNING {_COLUMNS}
) SELECT {_COLUMNS}, pg_notify('{CHANNEL}', secret_id) FROM ended
"""  # noqa: S608


class UnknownSecret(LookupError):
    """No live secret has this id."""


@dataclass(frozen=True, slots=True)
class SourceSecret:
    """One row."""

    secret_id: str
    workspace: str
    source: str
    encrypted: bytes
    created_at: datetime
    revoked_at: datetime | None = None


async def add(connection: Connection, workspace: str, source: str, encrypted: bytes) -> SourceSecret:
    """Adds a live secret."""
    secret_id = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return _from_row(await connection.fetchrow(_INSERT, secret_id, workspace, source, encrypted, datetime.now(UTC)))


async def every(
    connection: Connection, workspace: str | None = None, source: str | None = None, *, live: bool = False
) -> Sequence[SourceSecret]:
    """Oldest first, which is the order in which they are tried and named first and second."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM tocsin.sources_secrets WHERE ($1::text IS NULL OR workspace = $1)"  # noqa: S608
        " AND ($2::text IS NULL OR source = $2) AND (NOT $3 OR revoked_at IS NULL) ORDER BY created_at, secret_id",
        workspace,
        source,
        live,
    )
    return [_from_row(row) for row in rows]


async def revoke(connection: Connection, secret_id: str) -> SourceSecret:
    """Ends a secret at once. Raises UnknownSecret."""
    row = await connection.fetchrow(_REVOKE, secret_id, datetime.now(UTC))
    if row is None:
        raise UnknownSecret(secret_id)
    return _from_row(row)


def _from_row(row: Any) -> SourceSecret:
    values = {name: row[name] for name in _COLUMNS.split(", ")}
    return SourceSecret(**{**values, "encrypted": bytes(values["encrypted"])})
