"""Access keys by which requests are signed as for AWS: ``tocsin.aws_keys``, encrypted at rest, since a signature is
checked with the secret itself; and the keys of this installation in memory."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from tocsin.database import UNAVAILABLE
from tocsin.encryption import CannotDecrypt, Cipher
from tocsin.keys import DEFAULT_SCOPES, Connection, Scope, UnknownKey

CHANNEL: Final = "tocsin_aws_keys"
"""NOTIFY channel; the payload is the id that changed."""

PREFIX: Final = "TOCSIN"
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_COLUMNS: Final = "access_key_id, workspace, name, scopes, encrypted, created_at, revoked_at"
_INSERT: Final = f"""
WITH added AS (
    INSERT INTO tocsin.aws_keys (access_key_id, workspace, name, scopes, encrypted, created_at)
    VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}
) SELECT {_COLUMNS}, pg_notify('{CHANNEL}', access_key_id) FROM added
"""  # noqa: S608 - constants only
_REVOKE: Final = f"""
WITH ended AS (
    UPDATE tocsin.aws_keys SET revoked_at = $2 WHERE access_key_id = $1 AND revoked_at IS NULL RETURNING {_COLUMNS}
) SELECT {_COLUMNS}, pg_notify('{CHANNEL}', access_key_id) FROM ended
"""  # noqa: S608

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AwsKey:
    """One row."""

    access_key_id: str
    workspace: str
    name: str
    scopes: tuple[Scope, ...]
    encrypted: bytes = field(repr=False)
    created_at: datetime
    revoked_at: datetime | None = None


async def create(
    connection: Connection, cipher: Cipher, workspace: str, name: str, scopes: Sequence[Scope] = DEFAULT_SCOPES
) -> tuple[AwsKey, str]:
    """A new key and its secret, to be shown once. Raises StartError without a key of TOCSIN_ENCRYPTION_KEYS."""
    access_key_id = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(14))
    secret = secrets.token_urlsafe(30)
    encrypted = cipher.encrypt(secret)
    row = await connection.fetchrow(_INSERT, access_key_id, workspace, name, list(scopes), encrypted, datetime.now(UTC))
    return _from_row(row), secret


async def every(connection: Connection, workspace: str | None = None, *, live: bool = False) -> Sequence[AwsKey]:
    """Newest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM tocsin.aws_keys WHERE ($1::text IS NULL OR workspace = $1)"  # noqa: S608
        " AND (NOT $2 OR revoked_at IS NULL) ORDER BY created_at DESC, access_key_id",
        workspace,
        live,
    )
    return [_from_row(row) for row in rows]


async def revoke(connection: Connection, access_key_id: str) -> AwsKey:
    """Ends a key at once. Raises UnknownKey."""
    row = await connection.fetchrow(_REVOKE, access_key_id, datetime.now(UTC))
    if row is None:
        raise UnknownKey(access_key_id)
    return _from_row(row)


def _from_row(row: Any) -> AwsKey:
    values = {name: row[name] for name in _COLUMNS.split(", ")}
    return AwsKey(**{**values, "scopes": tuple(values["scopes"]), "encrypted": bytes(values["encrypted"])})


# --- in memory ------------------------------------------------------------------------------------------------------

POLL_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs with a key."""

    workspace: str
    name: str
    scopes: frozenset[str]
    secret: str = field(repr=False)


class AwsKeyRing:
    """The live keys, decrypted: refreshed by NOTIFY and by a poll, kept while the database is away."""

    def __init__(self, pool: Any, cipher: Cipher, poll_seconds: float = POLL_SECONDS) -> None:
        self._pool, self._cipher, self._poll_seconds = pool, cipher, poll_seconds
        self._signers: Mapping[str, Signer] = {}
        self._changed = asyncio.Event()
        self.loaded = False

    def known(self, access_key_id: str) -> Signer | None:
        return self._signers.get(access_key_id)

    def changed(self, _payload: str = "") -> None:
        """A key was created or revoked, or notifications may have been missed."""
        self._changed.set()

    async def run(self) -> None:
        """Keeps the ring current until cancelled."""
        while True:
            self._changed.clear()
            await self.refresh()
            try:
                await asyncio.wait_for(self._changed.wait(), self._poll_seconds)
            except TimeoutError:
                continue

    async def refresh(self) -> bool:
        """Reads every live key; False, and nothing is forgotten, when the database does not answer."""
        try:
            rows = await every(self._pool, live=True)
        except UNAVAILABLE as error:
            log.warning("AWS keys cannot be refreshed", error=type(error).__name__)
            return False
        found = {}
        for row in rows:
            try:
                secret = self._cipher.decrypt(row.encrypted)
            except CannotDecrypt as error:
                log.error("an AWS key cannot be used", access_key_id=row.access_key_id, reason=str(error))
                continue
            found[row.access_key_id] = Signer(row.workspace, row.name, frozenset(row.scopes), secret)
        self._signers, self.loaded = found, True
        return True
