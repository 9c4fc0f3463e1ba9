"""Tells the deliveries domain what became of attempts, until Kafka has taken it."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tocsin.events.deliveries import DOMAIN, AttemptFinished
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.times import rfc3339
from tocsin.events.topics import events_topic
from tocsin.kafka_security import client_options

_PAUSES: Final = (0.1, 0.5, 1.0, 2.0)  # seconds
_REQUEST_TIMEOUT_MS: Final = 5000

log = structlog.get_logger(__name__)


class Outbox:
    """``finished`` needs no order: a repeated word about an attempt changes nothing."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers
        self._producer: AIOKafkaProducer | None = None
        self._changing = asyncio.Lock()

    async def finished(self, key: bytes, partition: int, event: AttemptFinished) -> None:
        """Returns once it is in the log, however long that takes; cancel it when the partition is lost."""
        headers = to_headers(
            Envelope(
                id=uuid.uuid4().hex,
                type=f"tocsin.{DOMAIN}.AttemptFinished.v1",
                source="/tocsin/streams/deliveries/attempts",
                time=rfc3339(time.time_ns() // 1_000_000),
                workspace=key.decode().partition("/")[0],
            )
        )
        value = msgspec.json.encode(event)
        tries = 0
        while True:
            producer = None
            try:
                producer = await self._current()
                await producer.send_and_wait(events_topic(DOMAIN), value, key=key, partition=partition, headers=headers)
                return
            except (KafkaError, OSError) as error:
                if tries == 0:
                    log.warning("the end of an attempt cannot be told; trying on", error=repr(error)[:200])
            await self._give_up(producer)
            await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1

    async def close(self) -> None:
        await self._give_up(self._producer)

    async def _current(self) -> AIOKafkaProducer:
        async with self._changing:
            if self._producer is None:
                made = AIOKafkaProducer(
                    **client_options(),
                    bootstrap_servers=self._servers,
                    acks="all",
                    enable_idempotence=True,
                    request_timeout_ms=_REQUEST_TIMEOUT_MS,
                )
                try:
                    await made.start()
                except BaseException:
                    await made.stop()
                    raise
                self._producer = made
            return self._producer

    async def _give_up(self, producer: object) -> None:
        """One that failed may be spent for good; those who still wait for it fail, and repeat what they had to say."""
        async with self._changing:
            spent, current = self._producer, self._producer is producer
            if spent is not None and current:
                self._producer = None
                await spent.stop()
