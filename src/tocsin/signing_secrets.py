"""Secrets that sign the webhooks of a workspace: ``tocsin.signing_secrets``, encrypted at rest; two may be live."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tocsin.egress.signing import MOST_SECRETS, secret_text
from tocsin.encryption import Cipher
from tocsin.keys import Connection

CHANNEL: Final = "tocsin_signing_secrets"
"""NOTIFY channel; the payload is the id that changed."""

KEY_BYTES: Final = 32
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_COLUMNS: Final = "secret_id, workspace, encrypted, created_at, revoked_at"
# the lock makes two that create at the same time count each other
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('tocsin.signing_secrets'), hashtext($1))"
_INSERT: Final = f"""
WITH added AS (
    INSERT INTO tocsin.signing_secrets (secret_id, workspace, encrypted, created_at)
    SELECT $1, $2, $3, $4
     WHERE (SELECT count(*) FROM tocsin.signing_secrets WHERE workspace = $2 AND revoked_at IS NULL) < {MOST_SECRETS}
    RETURNING {_COLUMNS}
) SELECT {_COLUMNS}, pg_notify('{CHANNEL}', secret_id) FROM added
"""  # noqa: S608 - constants only
_REVOKE: Final = f"""
WITH ended AS (
    UPDATE tocsin.signing_secrets SET revoked_at = $3
     WHERE secret_id = $1 AND workspace = $2 AND revoked_at IS NULL RETURNING {_COLUMNS}
) SELECT {_COLUMNS}, pg_notify('{CHANNEL}', secret_id) FROM ended
"""  # noqa: S608


class TooMany(ValueError):
    """As many as may be live are."""


class UnknownSecret(LookupError):
    """No live secret of the workspace has this id."""


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One row."""

    secret_id: str
    workspace: str
    encrypted: bytes
    created_at: datetime
    revoked_at: datetime | None = None


async def create(connection: Any, workspace: str, cipher: Cipher) -> tuple[SigningSecret, str]:
    """A new live secret and its text, which is kept nowhere else. Raises TooMany, StartError without a key."""
    text = secret_text(secrets.token_bytes(KEY_BYTES))
    secret_id = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    async with connection.transaction():
        await connection.execute(_LOCK, workspace)
        row = await connection.fetchrow(_INSERT, secret_id, workspace, cipher.encrypt(text), datetime.now(UTC))
    if row is None:
        raise TooMany(workspace)
    return _from_row(row), text


async def every(connection: Connection, workspace: str | None = None, *, live: bool = False) -> Sequence[SigningSecret]:
    """Oldest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM tocsin.signing_secrets WHERE ($1::text IS NULL OR workspace = $1)"  # noqa: S608
        " AND (NOT $2 OR revoked_at IS NULL) ORDER BY created_at, secret_id",
        workspace,
        live,
    )
    return [_from_row(row) for row in rows]


async def revoke(connection: Connection, workspace: str, secret_id: str) -> SigningSecret:
    """Ends a secret at once. Raises UnknownSecret."""
    row = await connection.fetchrow(_REVOKE, secret_id, workspace, datetime.now(UTC))
    if row is None:
        raise UnknownSecret(secret_id)
    return _from_row(row)


def _from_row(row: Any) -> SigningSecret:
    values = {name: row[name] for name in _COLUMNS.split(", ")}
    return SigningSecret(**{**values, "encrypted": bytes(values["encrypted"])})
