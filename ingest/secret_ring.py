"""The source secrets of all workspaces in memory, decrypted: refreshed by NOTIFY and by a poll, kept while the database
is away, so that webhooks keep coming in without it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from tocsin import source_secrets
from tocsin.database import UNAVAILABLE
from tocsin.encryption import CannotDecrypt, Cipher
from tocsin.ingest.sources.signatures import Secret, labelled
from tocsin.source_secrets import SourceSecret

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 60.0


class SecretRing:
    """``of`` gives the live secrets of a source, workspace by workspace."""

    def __init__(self, pool: Any, cipher: Cipher, poll_seconds: float = POLL_SECONDS) -> None:
        self._pool = pool
        self._cipher = cipher
        self._poll_seconds = poll_seconds
        self._secrets: Mapping[str, Sequence[Secret]] = {}
        self._changed = asyncio.Event()
        self.loaded = False
        """Whether they were read at least once; before, an unknown secret is not a wrong one."""

    def of(self, source: str) -> Sequence[Secret]:
        return self._secrets.get(source, ())

    def changed(self, _payload: str = "") -> None:
        """A secret was added or revoked, or notifications may have been missed."""
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
        """Reads every live secret; False, and nothing is forgotten, when the database does not answer."""
        try:
            rows = await source_secrets.every(self._pool, live=True)
        except UNAVAILABLE as error:
            log.warning("source secrets cannot be refreshed", error=type(error).__name__)
            return False
        self._secrets = self._decrypted(rows)
        self.loaded = True
        return True

    def _decrypted(self, rows: Sequence[SourceSecret]) -> Mapping[str, Sequence[Secret]]:
        values: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in rows:
            try:
                values[row.source, row.workspace].append(self._cipher.decrypt(row.encrypted))
            except CannotDecrypt as error:
                log.error("a source secret cannot be used", secret_id=row.secret_id, reason=str(error))
        found: dict[str, list[Secret]] = defaultdict(list)
        for (source, workspace), live in values.items():
            found[source] += labelled(live, workspace)
        return found
