"""One reader of the log for all clients of a process. It reads while somebody listens, and is at rest otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from tocsin.api.live import metrics
from tocsin.api.live.cursor import offset_of, position_of
from tocsin.api.live.log import UNREADABLE, Bounds, Fetched, OutOfRange, Reader, Readers
from tocsin.api.live.ring import Listener, Ring
from tocsin.api.live.shelf import Shelf
from tocsin.events.identity import partition_of

log = structlog.get_logger(__name__)

RING_BYTES: Final = 64 * 1024 * 1024
# Records a start reads back, so that clients of a process that was restarted need no reader of their own.
LOOK_BACK: Final = 2_000
READY_SECONDS: Final = 5.0
_PROBE_SECONDS: Final = 2.0
_REPLACE_AFTER_SECONDS: Final = 15.0
_REST_AFTER_SECONDS: Final = 60.0
_SURE_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = (0.1, 0.5, 1.0, 2.0)


class Unreadable(Exception):
    """The log cannot be read now."""


class Hub:
    """``readable``: whether the log was reached lately. ``ended``: the server stops, clients shall come back."""

    def __init__(
        self, readers: Readers, partitions: int, *, ring_bytes: int = RING_BYTES, look_back: int = LOOK_BACK
    ) -> None:
        self.rings = {partition: Ring(ring_bytes // partitions) for partition in range(partitions)}
        self.shelf = Shelf(readers)
        self.readable = True
        self.ended = False
        self._readers, self._look_back = readers, look_back
        self._listeners: set[Listener] = set()
        self._wanted, self._ready = asyncio.Event(), asyncio.Event()
        self._unwanted_since = 0.0
        self._reached = 0.0
        self._ahead_since: float | None = None

    # --- for clients ---

    def ring_of(self, workspace: str) -> tuple[int, Ring]:
        partition = partition_of(workspace.encode(), len(self.rings))
        return partition, self.rings[partition]

    async def join(self, listener: Listener) -> None:
        """``listener`` hears of changes of ``readable`` and ``ended``, and keeps the hub reading.

        Returns once the newest events are at hand. Raises Unreadable when they are not after some seconds.
        """
        self._listeners.add(listener)
        self._wanted.set()
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._ready.wait()
        except BaseException as error:
            self.leave(listener)
            if isinstance(error, TimeoutError):
                raise Unreadable from None
            raise

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners:
            self._unwanted_since = time.monotonic()

    async def bounds(self, partition: int) -> Bounds:
        """Raises Unreadable."""
        async with self.shelf.reader() as reader:
            return (await reader.bounds([partition]))[partition]

    def end(self) -> None:
        """Tells every client that this process stops."""
        self.ended = True
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener.wake()

    # --- reading ---

    async def run(self) -> None:
        """Until cancelled."""
        attempt = 0
        async with contextlib.aclosing(self.shelf):
            while True:
                await self._wanted.wait()
                try:
                    async with _started(self._readers()) as reader:
                        await self._position(reader)
                        attempt = 0
                        await self._follow(reader)
                except UNREADABLE as error:
                    self._unreadable(error)
                    await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                    attempt += 1

    async def _position(self, reader: Reader) -> None:
        """From where it stopped, or, after a rest, with the newest events before now."""
        bounds = await reader.bounds(self.rings)
        if not self._ready.is_set():
            for partition, (start, end) in bounds.items():
                self.rings[partition].restart(max(start, end - position_of(self._look_back)))
        self._check(bounds)
        reader.place({partition: ring.end for partition, ring in self.rings.items()})
        self._was_reached(bounds)
        while not self._ready.is_set():
            self._take(await reader.fetch())
            if all(self.rings[partition].end >= bounds[partition].end for partition in bounds):
                self._ready.set()

    def _check(self, bounds: Mapping[int, Bounds]) -> None:
        """A position the log does not have (any more) is begun anew; its clients are told.

        A broker that has just started may not know yet how far its log goes. Raises KafkaError until that is sure.
        """
        ahead = any(self.rings[partition].end > end for partition, (_, end) in bounds.items())
        self._ahead_since = (self._ahead_since or time.monotonic()) if ahead else None
        if self._ahead_since is not None and time.monotonic() < self._ahead_since + _SURE_SECONDS:
            raise KafkaError("the live topic ends before what was read of it")
        for partition, (start, end) in bounds.items():
            ring = self.rings[partition]
            if not start <= ring.end <= end:
                log.error("the live topic is another one, or lost records", partition=partition, position=ring.end)
                ring.restart(end, lost=True)

    async def _follow(self, reader: Reader) -> None:
        """Returns when nobody has listened for a while."""
        probed = time.monotonic()
        while True:
            try:
                fetched = await reader.fetch()
            except OutOfRange:
                self._check(await reader.bounds(self.rings))
                reader.place({partition: ring.end for partition, ring in self.rings.items()})
                continue
            self._take(fetched)
            now = time.monotonic()
            if now >= probed + _PROBE_SECONDS:
                probed = now
                await self._probe(reader)
            if not self._listeners and now > self._unwanted_since + _REST_AFTER_SECONDS:
                self._rest()
                return

    def _take(self, fetched: Mapping[int, Fetched]) -> None:
        for partition, (entries, position) in fetched.items():
            self.rings[partition].extend(entries, position)

    async def _probe(self, reader: Reader) -> None:
        """A consumer says nothing of a broker that is gone: it waits. So the broker is asked."""
        try:
            bounds = await reader.bounds(self.rings)
        except UNREADABLE as error:
            self._unreadable(error)
            if time.monotonic() > self._reached + _REPLACE_AFTER_SECONDS:
                raise
        else:
            self._was_reached(bounds)

    def _rest(self) -> None:
        self._wanted.clear()
        self._ready.clear()
        metrics.LAG.set(0)
        for ring in self.rings.values():
            ring.restart(ring.end)

    def _was_reached(self, bounds: Mapping[int, Bounds]) -> None:
        self._reached = time.monotonic()
        behind = (max(0, bounds[partition].end - ring.end) for partition, ring in self.rings.items())
        metrics.LAG.set(sum(map(offset_of, behind)))
        metrics.READABLE.set(1)
        if not self.readable:
            log.info("the live topic can be read again")
            self.readable = True
            self._tell()

    def _unreadable(self, error: BaseException) -> None:
        metrics.READABLE.set(0)
        if self.readable:
            log.warning("the live topic cannot be read; trying on", error=repr(error)[:200])
            self.readable = False
            self._tell()


@contextlib.asynccontextmanager
async def _started(reader: Reader) -> AsyncIterator[Reader]:
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop()
