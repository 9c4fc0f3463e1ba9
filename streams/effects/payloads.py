"""Bodies over 4 KiB by their digest, from the one table that keeps them; the newest stay in memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any, Final

from tocsin.database import UNAVAILABLE

KEPT_BYTES: Final = 16 * 1024 * 1024
_QUERY: Final = "SELECT body::text FROM read_model.payloads WHERE digest = $1"


class NotYet(Exception):
    """It is not there (any more, or yet), or nobody can say: ask again later. ``str(error)`` is a reason."""


class Payloads:
    """``pool``: of PostgreSQL."""

    def __init__(self, pool: Any, kept_bytes: int = KEPT_BYTES) -> None:
        self._pool, self._most = pool, kept_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    async def get(self, digest: str) -> bytes:
        """The body, exactly as it was accepted. Raises NotYet."""
        if (known := self._kept.get(digest)) is not None:
            self._kept.move_to_end(digest)
            return known
        try:
            text = await self._pool.fetchval(_QUERY, digest)
        except UNAVAILABLE as error:
            raise NotYet("no_database") from error
        if text is None:
            raise NotYet("payload_missing")
        body: bytes = text.encode()
        if hashlib.sha256(body).hexdigest() != digest:
            raise NotYet("payload_differs")
        self._keep(digest, body)
        return body

    def _keep(self, digest: str, body: bytes) -> None:
        if digest not in self._kept:
            self._kept[digest] = body
            self._size += len(body)
        while self._size > self._most:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped)
