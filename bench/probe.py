"""Single reports to chosen partitions, and when the fact about each could be read."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.environment import PARTITIONS
from bench.events import EVENTS, FACTS, offsets_of, report

Event = tuple[int, int]
"""Partition and offset in the events topic."""

_FIRST_KEY: Final = 3_000_000


class Prober:
    """``sent`` and ``decided``: time.monotonic() of the acknowledgement and of the fact, by event."""

    def __init__(self, producer: Any, consumer: Any) -> None:
        self._producer, self._consumer = producer, consumer
        self._news = asyncio.Condition()
        self.sent: dict[Event, float] = {}
        self.decided: dict[Event, float] = {}
        self._keys = _key_of_each_partition()

    async def follow(self) -> None:
        """Notes every fact as soon as it can be read, until cancelled."""
        while True:
            found = await self._consumer.getmany(timeout_ms=1000)
            now = time.monotonic()
            async with self._news:
                for records in found.values():
                    for record in records:
                        for offset in offsets_of(record.value):
                            self.decided.setdefault((record.partition, offset), now)
                self._news.notify_all()

    async def send(self, partition: int) -> Event:
        """One report that this partition decides."""
        _, key, value, headers = report(self._keys[partition])
        metadata = await self._producer.send_and_wait(EVENTS, value, key=key, partition=partition, headers=headers)
        event = partition, int(metadata.offset)
        self.sent[event] = time.monotonic()
        return event

    async def send_all(self, partitions: Iterable[int] = range(PARTITIONS)) -> list[Event]:
        return list(await asyncio.gather(*(self.send(partition) for partition in partitions)))

    async def until_decided(self, events: Iterable[Event], seconds: float = 60) -> float:
        """time.monotonic() of the last of their facts. Raises TimeoutError."""
        wanted = list(events)
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: all(event in self.decided for event in wanted))
        return max(self.decided[event] for event in wanted)

    @asynccontextmanager
    async def every(self, seconds: float) -> AsyncIterator[float]:
        """Meanwhile a report goes to every partition again and again; gives time.monotonic() of the beginning.

        At the end it waits until all of them are decided.
        """
        since = time.monotonic()
        sending = asyncio.create_task(self._send_every(seconds))
        try:
            yield since
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await self.until_decided(event for event, at in self.sent.items() if at >= since)

    async def _send_every(self, seconds: float) -> None:
        while True:
            started = time.monotonic()
            await self.send_all()
            await asyncio.sleep(max(0.0, seconds - (time.monotonic() - started)))

    def latencies(self, partitions: Iterable[int], since: float) -> list[float]:
        """Seconds from acknowledged to decided of the reports to these partitions sent since then."""
        wanted = set(partitions)
        return [
            self.decided[event] - at
            for event, at in self.sent.items()
            if event[0] in wanted and at >= since and event in self.decided
        ]


def _key_of_each_partition() -> dict[int, int]:
    found: dict[int, int] = {}
    for key in itertools.count(_FIRST_KEY):
        found.setdefault(report(key)[0], key)
        if len(found) == PARTITIONS:
            return found
    raise AssertionError("keys do not end")


@asynccontextmanager
async def prober(bootstrap: str) -> AsyncIterator[Prober]:
    """Follows the facts from the end of the log on."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="latest",
        fetch_max_wait_ms=20,
    )
    await asyncio.gather(producer.start(), consumer.start())
    found = Prober(producer, consumer)
    partitions = [TopicPartition(FACTS, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    for partition, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(partition, end)
    following = asyncio.create_task(found.follow())
    try:
        yield found
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await asyncio.gather(producer.stop(), consumer.stop())
