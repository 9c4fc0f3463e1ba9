"""The signing secrets of all workspaces in memory, decrypted: refreshed by NOTIFY and by a poll.

They are kept while the database is away, so that webhooks keep going out without it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from tocsin import signing_secrets
from tocsin.database import UNAVAILABLE
from tocsin.egress.signing import MOST_SECRETS, key_of
from tocsin.encryption import CannotDecrypt, Cipher

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 1.0
"""Until they were read once."""


class SigningRing:
    """``of`` gives what signs the webhooks of a workspace: none, one or two, oldest first."""

    def __init__(self, pool: Any, cipher: Cipher, poll_seconds: float = POLL_SECONDS) -> None:
        self._pool, self._cipher, self._poll_seconds = pool, cipher, poll_seconds
        self._secrets: Mapping[str, Sequence[str]] = {}
        self._changed = asyncio.Event()
        self.loaded = asyncio.Event()
        """They were read at least once; before, nobody knows whether a webhook is to be signed."""

    def of(self, workspace: str) -> Sequence[str]:
        return self._secrets.get(workspace, ())

    def changed(self, _payload: str = "") -> None:
        """A secret was created or revoked, or notifications may have been missed."""
        self._changed.set()

    async def run(self) -> None:
        """Keeps the ring current until cancelled."""
        while True:
            self._changed.clear()
            await self.refresh()
            try:
                await asyncio.wait_for(
                    self._changed.wait(), self._poll_seconds if self.loaded.is_set() else RETRY_SECONDS
                )
            except TimeoutError:
                continue

    async def refresh(self) -> bool:
        """Reads every live secret; False, and nothing is forgotten, when the database does not answer."""
        try:
            rows = await signing_secrets.every(self._pool, live=True)
        except UNAVAILABLE as error:
            log.warning("signing secrets cannot be refreshed", error=type(error).__name__)
            return False
        found: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            try:
                text = self._cipher.decrypt(row.encrypted)
                key_of(text)
            except (CannotDecrypt, ValueError) as error:
                log.error("a signing secret cannot be used", secret_id=row.secret_id, reason=str(error))
                continue
            found[row.workspace].append(text)
        self._secrets = {workspace: texts[-MOST_SECRETS:] for workspace, texts in found.items()}
        self.loaded.set()
        return True
