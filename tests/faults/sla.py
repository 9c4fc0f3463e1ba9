"""Tickets with clocks in a real log: a policy, reports, and every fact about them as it is decided."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.faults.workers import EVENTS, FACTS, PARTITIONS
from tocsin.events import sla
from tocsin.events import tickets as contract
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import partition_of, record_key
from tocsin.events.times import rfc3339
from tocsin.policies import version_of
from tocsin.sla_policy import SlaPolicyFile

_numbers = itertools.count(1)


def now() -> int:
    return time.time_ns() // 1_000_000


class Watch:
    """``facts``: of tickets, in the order they were read since it was opened."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer, self._consumer = producer, consumer
        self.facts: list[Any] = []

    async def govern(self, file: dict[str, Any]) -> None:
        """Activates a policy in every partition."""
        body = {**SlaPolicyFile.model_validate(file).body(), "public_url": "http://127.0.0.1:8000"}
        event = sla.SlaPolicyActivated(version=version_of(body), body=body)
        await asyncio.gather(*(self._send(event, b"policy/sla", number) for number in range(PARTITIONS)))

    async def report(self, ticket_id: str, **more: Any) -> None:
        at = rfc3339(now())
        values: dict[str, Any] = {"priority": "high", "status": "open", "created_at": at, "updated_at": at, **more}
        await self.send(contract.TicketReported(ticket_id=ticket_id, **values))

    async def send(self, event: Any) -> None:
        key = record_key("default", event.ticket_id)
        await self._send(event, key, partition_of(key, PARTITIONS))

    async def _send(self, event: Any, key: bytes, partition: int) -> None:
        name = f"tocsin.tickets.{type(event).__name__}.v1"
        envelope = Envelope(f"sla-{next(_numbers)}-{now()}", name, "/test", rfc3339(now()), "default")
        value = msgspec.json.encode(event)
        headers = to_headers(envelope)
        await self._producer.send_and_wait(EVENTS, value, key=key, partition=partition, headers=headers)

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Reads until it holds. Fails after ``seconds``."""
        started = time.monotonic()
        while not condition():
            assert time.monotonic() - started < seconds, "the facts did not come in time"
            for records in (await self._consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    name = dict(record.headers)["ce_type"].decode()
                    self.facts.append(msgspec.json.decode(record.value or b"", type=contract.FACTS[name]))

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if type(fact) is kind]


@asynccontextmanager
async def watch(bootstrap: str) -> AsyncIterator[Watch]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
    )
    await producer.start()
    await consumer.start()
    try:
        partitions = [TopicPartition(FACTS, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, end)
        yield Watch(producer, consumer)
    finally:
        await producer.stop()
        await consumer.stop()
