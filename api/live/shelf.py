"""A few readers for clients that are further back than memory reaches; each is lent for one bite."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from tocsin.api.live import metrics
from tocsin.api.live.log import Fetched, Reader, Readers

MAX_READERS: Final = 4
BITES: Final = 8  # fetches of a quarter of a second at most before the next one gets its turn


class Shelf:
    """At most ``size`` readers, made when they are first needed; one that failed is thrown away."""

    def __init__(self, readers: Readers, size: int = MAX_READERS) -> None:
        self._readers = readers
        self._idle: list[Reader] = []
        self._turns = asyncio.Semaphore(size)

    @contextlib.asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """Waits for its turn. Raises UNREADABLE."""
        async with self._turns:
            reader = self._idle.pop() if self._idle else None
            try:
                if reader is None:
                    reader = self._readers()
                    await reader.start()
                yield reader
            except BaseException:
                if reader is not None:
                    await reader.stop()
                raise
            self._idle.append(reader)

    async def read(self, partition: int, position: int) -> Fetched:
        """The next entries from ``position`` on. Raises UNREADABLE, OutOfRange."""
        metrics.CATCH_UP_READS.inc()
        async with self.reader() as reader:
            reader.place({partition: position})
            for _ in range(BITES):
                fetched = (await reader.fetch()).get(partition)
                if fetched is not None:
                    return fetched
            return Fetched((), position)

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop().stop()
