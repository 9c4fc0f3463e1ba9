"""Tells the deliveries domain what becomes of attempts, until Kafka has taken it."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tocsin.events.deliveries import DOMAIN, AttemptBegun, AttemptFinished
from tocsin.events.envelope import CONTENT_TYPE, Envelope, to_headers
from tocsin.events.identity import partition_of
from tocsin.events.times import rfc3339
from tocsin.events.topics import MAX_MESSAGE_BYTES, PAYLOADS, events_topic
from tocsin.kafka_security import client_options

_PAUSES: Final = (0.1, 0.5, 1.0, 2.0)  # seconds
_REQUEST_TIMEOUT_MS: Final = 5000

log = structlog.get_logger(__name__)


class Outbox:
    """Nothing here needs an order: a repeated word about an attempt changes nothing, nor does a body kept twice."""

    def __init__(self, bootstrap_servers: str, partitions: int = 1) -> None:
        self._servers, self._partitions = bootstrap_servers, partitions
        self._producer: AIOKafkaProducer | None = None
        self._changing = asyncio.Lock()

    async def begun(self, key: bytes, partition: int, event: AttemptBegun) -> None:
        """As ``finished``."""
        await self._tell(key, partition, event)

    async def finished(self, key: bytes, partition: int, event: AttemptFinished) -> None:
        """Returns once it is in the log, however long that takes; cancel it when the partition is lost."""
        await self._tell(key, partition, event)

    async def keep(self, body: bytes) -> None:
        """A body under its digest, before the event that names it. Returns as ``finished``."""
        key = hashlib.sha256(body).hexdigest().encode()
        await self._send(PAYLOADS, body, key, partition_of(key, self._partitions), [CONTENT_TYPE])

    async def _tell(self, key: bytes, partition: int, event: AttemptBegun | AttemptFinished) -> None:
        headers = to_headers(
            Envelope(
                id=uuid.uuid4().hex,
                type=f"tocsin.{DOMAIN}.{type(event).__name__}.v1",
                source="/tocsin/streams/deliveries/attempts",
                time=rfc3339(time.time_ns() // 1_000_000),
                workspace=key.decode().partition("/")[0],
            )
        )
        await self._send(events_topic(DOMAIN), msgspec.json.encode(event), key, partition, headers)

    async def _send(
        self, topic: str, value: bytes, key: bytes, partition: int, headers: list[tuple[str, bytes]]
    ) -> None:
        tries = 0
        while True:
            producer = None
            try:
                producer = await self._current()
                await producer.send_and_wait(topic, value, key=key, partition=partition, headers=headers)
                return
            except (KafkaError, OSError) as error:
                if tries == 0:
                    log.warning("an attempt cannot be told of; trying on", error=repr(error)[:200])
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
                    max_request_size=MAX_MESSAGE_BYTES,
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
