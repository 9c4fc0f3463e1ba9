"""Tokens for live events in a browser, which cannot set headers there: one use within 60 seconds.

Rows of ``tocsin.stream_tokens``; taking one deletes it, so that one of several processes gets it and no clock of theirs
matters. Only the digest is kept: 256 random bits need no more than SHA-256.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, Final, Protocol

LIFE_SECONDS: Final = 60

_ISSUE: Final = """
WITH expired AS (DELETE FROM tocsin.stream_tokens WHERE expires_at < now())
INSERT INTO tocsin.stream_tokens (digest, workspace, name, expires_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4)) RETURNING expires_at
"""
_REDEEM: Final = """
DELETE FROM tocsin.stream_tokens WHERE digest = $1 RETURNING workspace, name, expires_at > now() AS live
"""


class Database(Protocol):
    """An asyncpg connection, pool or PromptPool."""

    async def fetchrow(self, query: str, *arguments: Any) -> Any: ...


async def issue(database: Database, workspace: str, name: str) -> str:
    """A new token of this workspace, for reading; ``name``: that of the key it was asked for with."""
    token = secrets.token_urlsafe(32)
    await database.fetchrow(_ISSUE, _digest(token), workspace, name, float(LIFE_SECONDS))
    return token


async def redeem(database: Database, token: str) -> tuple[str, str] | None:
    """Workspace and name, once; None for a token that is unknown, was used, or has expired."""
    row = await database.fetchrow(_REDEEM, _digest(token))
    return (row["workspace"], row["name"]) if row is not None and row["live"] else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
