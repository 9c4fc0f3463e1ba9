"""Writes live events as owners do: in transactions, some of which are aborted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from aiokafka import AIOKafkaProducer

from tocsin.broker import ensure_topics
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import partition_of
from tocsin.events.live import LIVE_EVENTS, LiveEvent, LiveEvents
from tocsin.events.times import rfc3339
from tocsin.events.topics import LIVE, topics

PARTITIONS = 4


class LiveWriter:
    """``written``: ids of what was committed, in order, by workspace."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._count = 0
        self.written: dict[str, list[str]] = {}

    async def write(
        self,
        count: int = 1,
        live_type: str = "sla.breached",
        workspace: str = "default",
        *,
        abort: bool = False,
        padding: int = 0,
    ) -> list[str]:
        """The ids clients are to see, of one transaction."""
        producer = self._producer
        await producer.begin_transaction()
        sent = [await self._send(live_type, workspace, padding) for _ in range(count)]
        records = await asyncio.gather(*sent)
        if abort:
            await producer.abort_transaction()
            return []
        await producer.commit_transaction()
        ids = [f"{one.partition}-{one.offset}" for one in records]
        self.written.setdefault(workspace, []).extend(ids)
        return ids

    async def _send(self, live_type: str, workspace: str, padding: int) -> asyncio.Future:  # type: ignore[type-arg]
        self._count += 1
        at = rfc3339(1_773_480_000_000 + self._count)
        key = workspace.encode()
        event = LiveEvent(
            type=live_type,
            occurred_at=at,
            ticket_id=f"t-{self._count}",
            data={"n": self._count, "padding": "x" * padding},
        )
        envelope = Envelope(f"test:{self._count}", LIVE_EVENTS, "/tocsin/streams/tickets", at, workspace)
        sent: asyncio.Future = await self._producer.send(  # type: ignore[type-arg]
            LIVE,
            msgspec.json.encode(LiveEvents((event,))),
            key=key,
            partition=partition_of(key, PARTITIONS),
            headers=to_headers(envelope),
        )
        return sent


@asynccontextmanager
async def live_writer(bootstrap: str, name: str = "live-writer") -> AsyncIterator[LiveWriter]:
    await ensure_topics(bootstrap, topics(), PARTITIONS)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name, transaction_timeout_ms=10_000)
    await producer.start()
    try:
        yield LiveWriter(producer)
    finally:
        await producer.stop()
