"""Asks for deliveries as another domain does, and reads what was decided and who was told."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from cryptography.fernet import Fernet

from tests.faults.workers import PARTITIONS
from tests.stages.sinks import Received, Sink
from tocsin.egress import urls
from tocsin.events import deliveries as contract
from tocsin.events import jobs
from tocsin.events.commands import PolicyActivated
from tocsin.events.deliveries import Origin, Request
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import delivery_id, partition_of, quota_entity, record_key
from tocsin.events.times import rfc3339
from tocsin.events.topics import Topic, events_topic, facts_topic, topics

WORKSPACE = "default"
JOB = f"{quota_entity(WORKSPACE)}-1"
RETRY_MS = 1000
ENCRYPTION_KEYS = Fernet.generate_key().decode()
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
EVENTS, FACTS, TO_JOBS = events_topic("deliveries"), facts_topic("deliveries"), events_topic("jobs")
_numbers = itertools.count(1)


def tables() -> tuple[Topic, ...]:
    """Every topic, and where jobs hear of their runs."""
    known = topics()
    more = () if TO_JOBS in {topic.name for topic in known} else (Topic(TO_JOBS, "events", "", ""),)
    return (*known, *more)


def now() -> int:
    return time.time_ns() // 1_000_000


class Desk:
    """``facts`` and ``told`` (events to jobs) in the order they were read, since it was opened."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer, self._consumer = producer, consumer
        self.facts: list[Any] = []
        self.told: list[Any] = []

    async def request(self, url: str, after_ms: int = 0, max_attempts: int = 4, **request: Any) -> str:
        """Asks for one delivery, to a URL or (with an empty one) a channel; returns its run id."""
        run_id = f"run-{next(_numbers)}-{now()}"
        at = rfc3339(now() + after_ms)
        event = contract.DeliveryRequested(
            delivery_id=delivery_of(url or request["channel"], run_id),
            origin=Origin(domain="jobs", entity=JOB, run_id=run_id),
            request=Request(url=url, **request),
            not_before=at,
            scheduled_for=at,
            max_attempts=max_attempts,
        )
        await self._send(event, record_key(WORKSPACE, event.delivery_id))
        return run_id

    async def cancel(self, url: str, run_id: str) -> None:
        identifier = delivery_of(url, run_id)
        origin = Origin(domain="jobs", entity=JOB, run_id=run_id)
        event = contract.CancelDelivery(delivery_id=identifier, origin=origin, reason="test")
        await self._send(event, record_key(WORKSPACE, identifier))

    async def quick_retries(self) -> Self:
        """Every retry follows after about a second."""
        event = PolicyActivated(version="quick", body={"retry_delays_ms": [RETRY_MS]})
        for partition in range(PARTITIONS):
            await self._send(event, b"policy/deliveries", partition)
        return self

    async def _send(self, event: Any, key: bytes, partition: int | None = None) -> None:
        name = f"tocsin.deliveries.{type(event).__name__}.v1"
        envelope = Envelope(f"desk-{next(_numbers)}-{now()}", name, "/test", rfc3339(now()), WORKSPACE)
        where = partition_of(key, PARTITIONS) if partition is None else partition
        value = msgspec.json.encode(event)
        await self._producer.send_and_wait(EVENTS, value, key=key, partition=where, headers=to_headers(envelope))

    async def until(self, look: Callable[[], Any], seconds: float = 30) -> float:
        """Reads until it is so; returns the seconds that took."""
        started = time.monotonic()
        while not look():
            assert time.monotonic() - started < seconds, f"not within {seconds} s; facts: {self.facts[-5:]}"
            await self.poll()
        return time.monotonic() - started

    async def poll(self, milliseconds: int = 50) -> None:
        for records in (await self._consumer.getmany(timeout_ms=milliseconds)).values():
            for record in records:
                kind = dict(record.headers)["ce_type"].decode()
                if record.topic == FACTS:
                    self.facts.append(msgspec.json.decode(record.value, type=contract.FACTS[kind]))
                else:
                    self.told.append(msgspec.json.decode(record.value, type=jobs.EVENTS[kind]))

    def recorded(self, run_id: str) -> list[contract.AttemptRecorded]:
        every = (fact for fact in self.facts if isinstance(fact, contract.AttemptRecorded))
        return [fact for fact in every if fact.origin.run_id == run_id]

    def accepted(self, run_id: str) -> bool:
        return any(isinstance(one, contract.DeliveryAccepted) and one.origin.run_id == run_id for one in self.facts)

    def ended(self, run_id: str) -> list[jobs.RunEnded]:
        return [event for event in self.told if isinstance(event, jobs.RunEnded) and event.run_id == run_id]

    def all_ended(self, runs: Iterable[str]) -> Callable[[], bool]:
        return lambda: all(self.ended(run_id) for run_id in runs)


def delivery_of(where: str, run_id: str) -> str:
    """``where``: a URL or the name of a channel."""
    return delivery_id(WORKSPACE, urls.read(where).endpoint if "://" in where else where, run_id)


def partition_of_url(url: str) -> str:
    """``topic/partition`` as workers name it."""
    key = record_key(WORKSPACE, delivery_of(url, "x"))
    return f"{EVENTS}/{partition_of(key, PARTITIONS)}"


@asynccontextmanager
async def desk(bootstrap: str) -> AsyncIterator[Desk]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False, fetch_max_wait_ms=50
    )
    await producer.start()
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for topic in (FACTS, TO_JOBS) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, end)
        yield Desk(producer, consumer)
    finally:
        await producer.stop()
        await consumer.stop()


class Answers:
    """One answer after the other, the last one for ever; None: never answers."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)

    async def __call__(self, _: Received, writer: asyncio.StreamWriter) -> None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            await asyncio.Event().wait()
        else:
            writer.write(answer)


def attempts(sink: Sink) -> list[tuple[str | None, str | None]]:
    return [(one.header("webhook-id"), one.header("x-attempt")) for one in sink.requests]
