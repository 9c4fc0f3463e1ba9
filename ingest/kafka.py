"""The publisher on Kafka: one idempotent producer, replaced when the cluster stops answering.

An idempotent aiokafka producer retries for ever, so a broker that is gone would hold every request and its memory.
The deadline is ours: past it the request is answered, the producer is thrown away with all it held, further requests
are refused at once, and a new producer is started in the background until one connects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tocsin.events.topics import MAX_MESSAGE_BYTES
from tocsin.ingest.lanes import Lanes
from tocsin.ingest.publish import RECORD_OVERHEAD_BYTES, Admission, Record, kafka_unavailable
from tocsin.kafka_security import client_options

log = structlog.get_logger(__name__)

PRODUCE_TIMEOUT_SECONDS: Final = 3.0
START_TIMEOUT_SECONDS: Final = 10.0
PENDING_LIMIT_BYTES: Final = 64 * 1024 * 1024
_BATCH_BYTES: Final = 512 * 1024
_RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0)


class KafkaPublisher:
    """Publishes with ``acks=all``. ``start`` returns at once; until a producer is connected, publishing is refused."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        produce_timeout: float = PRODUCE_TIMEOUT_SECONDS,
        limit_bytes: int = PENDING_LIMIT_BYTES,
        linger_ms: float = 1,
        create: Callable[..., Any] = AIOKafkaProducer,
    ) -> None:
        self._options = {
            **client_options(),
            "bootstrap_servers": bootstrap_servers,
            "acks": "all",
            "enable_idempotence": True,
            "max_batch_size": _BATCH_BYTES,
            "max_request_size": MAX_MESSAGE_BYTES,
            # the request that carries a batch must end before our own deadline
            "request_timeout_ms": int(produce_timeout * 1000),
            "retry_backoff_ms": 50,
        }
        self._create = create
        self._timeout = produce_timeout
        self._admission = Admission(limit_bytes)
        self._linger = linger_ms / 1000
        self._lanes: Lanes | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._abandoned: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        return self._lanes is not None

    @property
    def pending_bytes(self) -> int:
        return self._admission.pending

    async def start(self) -> None:
        self._connecting = asyncio.create_task(self._connect())

    async def started(self) -> None:
        """Waits until the producer is connected."""
        if self._connecting is not None:
            await self._connecting

    async def stop(self) -> None:
        """Flushes what is pending, within the produce timeout, and closes."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            if sending := lanes.pending():
                await asyncio.wait(sending, timeout=self._timeout)
            lanes.fail(kafka_unavailable)
            await _abandon(lanes.producer)
        await asyncio.gather(*self._abandoned)

    async def publish(self, record: Record) -> None:
        lanes = self._current()
        weight = record.weight
        self._admission.enter(weight)
        try:
            await lanes.append(record)
        finally:
            self._admission.leave(weight)

    async def publish_all(self, records: Sequence[Record]) -> None:
        lanes = self._current()
        weight = sum([len(record.value) for record in records]) + RECORD_OVERHEAD_BYTES * len(records)
        self._admission.enter(weight)
        try:
            await asyncio.gather(*lanes.append_all(records))
        finally:
            self._admission.leave(weight)

    def _current(self) -> Lanes:
        if self._lanes is None:
            raise kafka_unavailable()
        return self._lanes

    def _failed(self, lanes: Lanes, error: BaseException) -> None:
        """Replaces a producer that did not deliver; everybody who waits on it is answered at once."""
        lanes.fail(kafka_unavailable)
        if lanes is not self._lanes:
            return
        log.error("the event log does not confirm; replacing the producer", error=repr(error))
        self._lanes = None
        task = asyncio.create_task(_abandon(lanes.producer))
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        attempt = 0
        while self._lanes is None:
            producer = self._create(**self._options)
            try:
                await asyncio.wait_for(producer.start(), START_TIMEOUT_SECONDS)
            except (TimeoutError, KafkaError, OSError) as error:
                await _abandon(producer)
                if attempt == 0:
                    log.warning("the event log cannot be reached; trying on", error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1
            except asyncio.CancelledError:
                await _abandon(producer)
                raise
            else:
                self._lanes = Lanes(producer, self._linger, self._timeout, self._failed)
                log.info("connected to the event log", attempts=attempt + 1)


async def _abandon(producer: Any) -> None:
    """Closes a producer without waiting for what it holds; whoever waits gets an error at once.

    ``AIOKafkaProducer.stop`` flushes first, which never ends without a broker, and the public interface offers no
    other way. Written against aiokafka 0.14; the conformance suite holds it to what is promised here.
    """
    accumulator, sender = producer._message_accumulator, producer._sender
    error = KafkaError("the producer was replaced")
    held = [*accumulator._pending_batches, *(one for queue in accumulator._batches.values() for one in queue)]
    accumulator.fail_all(error)
    for batch in held:
        for future in (batch.future, batch._drain_waiter):
            # seen, so that asyncio does not report it as never retrieved
            if future.done() and not future.cancelled():
                future.exception()
    await producer.client.close()
    if sender.sender_task is not None:
        sender.sender_task.cancel()
        await asyncio.wait([sender.sender_task], timeout=START_TIMEOUT_SECONDS)
    producer._closed = True
