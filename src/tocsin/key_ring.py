"""The keys of this installation in memory: refreshed by NOTIFY and by a poll, kept while the database is away."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from tocsin import keys
from tocsin.database import UNAVAILABLE
from tocsin.keys import ApiKey
from tocsin.problems import unavailable

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 60.0


class KeyRing:
    """All keys, by prefix. A key this has seen keeps working without the database; an unknown one gets 503 then."""

    def __init__(self, pool: Any, poll_seconds: float = POLL_SECONDS) -> None:
        self._pool = pool
        self._poll_seconds = poll_seconds
        self._keys: dict[str, ApiKey] = {}
        self._changed = asyncio.Event()

    def known(self, prefix: str) -> ApiKey | None:
        return self._keys.get(prefix)

    async def find(self, prefix: str) -> ApiKey | None:
        """Asks the database. Raises Problem 503 when it does not answer."""
        try:
            found = await keys.find(self._pool, prefix)
        except UNAVAILABLE:
            raise unavailable("This key cannot be checked now: the database does not answer") from None
        if found is not None:
            self._keys[prefix] = found
        return found

    def changed(self, _payload: str = "") -> None:
        """A key was created, rotated or revoked, or notifications may have been missed."""
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
        """Reads every key; False, and nothing is forgotten, when the database does not answer."""
        try:
            self._keys = {key.prefix: key for key in await keys.every(self._pool)}
        except UNAVAILABLE as error:
            log.warning("keys cannot be refreshed", error=type(error).__name__)
            return False
        return True
