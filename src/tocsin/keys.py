"""API keys: how they look, how they are kept (HMAC digest, never the key), and their administration.

A key is ``tocsin_<prefix>_<secret>``; the prefix finds the row, the digest of the whole key decides. Keys carry 256
bits of entropy, so one HMAC is enough: a password hash would cost 250 ms per request and protect nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol, get_args

CHANNEL: Final = "tocsin_keys"
"""NOTIFY channel; the payload is the prefix that changed."""

Scope = Literal["ingest", "read", "write", "admin", "metrics"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
DEFAULT_SCOPES: Final[tuple[Scope, ...]] = ("ingest", "read", "write")

_KEY: Final = re.compile(r"tocsin_([a-z2-7]{8})_[A-Za-z0-9_-]{43}")
_PREFIX_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One row of ``tocsin.api_keys``."""

    prefix: str
    workspace: str
    name: str
    scopes: tuple[Scope, ...]
    digest: bytes
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def mint() -> str:
    """A new key. It is shown once and kept nowhere."""
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(8))
    return f"tocsin_{prefix}_{secrets.token_urlsafe(32)}"


def prefix_of(key: str) -> str | None:
    """The prefix of a well-formed key, else None."""
    found = _KEY.fullmatch(key)
    return found.group(1) if found else None


def digest_of(key: str, pepper: str) -> bytes:
    return hmac.digest(pepper.encode(), key.encode(), hashlib.sha256)


# --- administration -------------------------------------------------------------------------------------------------


class Connection(Protocol):
    """An asyncpg connection or pool."""

    async def fetch(self, query: str, *arguments: Any) -> Any: ...
    async def fetchrow(self, query: str, *arguments: Any) -> Any: ...


_COLUMNS: Final = "prefix, workspace, name, scopes, digest, created_at, expires_at, revoked_at"
_INSERT: Final = f"""
WITH added AS (
    INSERT INTO tocsin.api_keys (prefix, workspace, name, scopes, digest, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {_COLUMNS}
) SELECT {_COLUMNS}, pg_notify('{CHANNEL}', prefix) FROM added
"""  # noqa: S608 - constants only
_END: Final = f"""
WITH ended AS (
    UPDATE tocsin.api_keys SET {{column}} = $2 WHERE prefix = $1 AND revoked_at IS NULL RETURNING {_COLUMNS}
) SELECT {_COLUMNS}, pg_notify('{CHANNEL}', prefix) FROM ended
"""  # noqa: S608


class UnknownKey(LookupError):
    """No live key has this prefix."""


async def create(
    connection: Connection,
    pepper: str,
    workspace: str,
    name: str,
    scopes: Sequence[Scope] = DEFAULT_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Adds a key; the second value is the key itself, to be shown once."""
    key = mint()
    row = await connection.fetchrow(
        _INSERT, prefix_of(key), workspace, name, list(scopes), digest_of(key, pepper), datetime.now(UTC), expires_at
    )
    return _from_row(row), key


async def every(connection: Connection, workspace: str | None = None) -> list[ApiKey]:
    """All keys of one workspace or of all, ended ones too, newest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM tocsin.api_keys"  # noqa: S608
        " WHERE $1::text IS NULL OR workspace = $1 ORDER BY created_at DESC, prefix",
        workspace,
    )
    return [_from_row(row) for row in rows]


async def find(connection: Connection, prefix: str) -> ApiKey | None:
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM tocsin.api_keys WHERE prefix = $1", prefix)  # noqa: S608
    return None if row is None else _from_row(row)


async def revoke(connection: Connection, prefix: str) -> ApiKey:
    """Ends a key at once. Raises UnknownKey."""
    return await _end(connection, prefix, "revoked_at", datetime.now(UTC))


async def rotate(
    connection: Connection, pepper: str, prefix: str, grace: timedelta = timedelta(hours=24)
) -> tuple[ApiKey, str]:
    """A successor with the same workspace, name and scopes; the old key ends after ``grace``. Raises UnknownKey."""
    ending = datetime.now(UTC) + grace
    old = await find(connection, prefix)
    if old is None or not old.live(datetime.now(UTC)):
        raise UnknownKey(prefix)
    added, key = await create(connection, pepper, old.workspace, old.name, old.scopes, old.expires_at)
    if old.expires_at is None or old.expires_at > ending:
        await _end(connection, prefix, "expires_at", ending)
    return added, key


async def _end(connection: Connection, prefix: str, column: str, at: datetime) -> ApiKey:
    row = await connection.fetchrow(_END.format(column=column), prefix, at)
    if row is None:
        raise UnknownKey(prefix)
    return _from_row(row)


def _from_row(row: Any) -> ApiKey:
    values = {name: row[name] for name in _COLUMNS.split(", ")}
    return ApiKey(**{**values, "scopes": tuple(values["scopes"]), "digest": bytes(values["digest"])})
