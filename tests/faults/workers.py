"""Real stream workers as processes, restarted at once as every supervisor of them does, and what they wrote."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from tocsin.events import tickets as contract
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import failure_entity, partition_of, record_key
from tocsin.events.times import rfc3339
from tocsin.events.topics import events_topic, facts_topic

PARTITIONS = 4
EVENTS, FACTS = events_topic("tickets"), facts_topic("tickets")


class WorkerProcess:
    """One stream worker that is started again whenever it ends, until ``stop``. Its output goes to a file."""

    def __init__(
        self,
        bootstrap: str,
        log: Path,
        module: str = "tocsin",
        arguments: Sequence[str] = ("stream",),
        **settings: str,
    ) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "METRICS_PORT": str(_free_port()),
            "TOCSIN_PARTITIONS": str(PARTITIONS),
            **settings,
        }
        self._log = log.open("ab")
        self.log_path = log
        self._wanted = True
        self.starts = 0
        self.exit_codes: list[int] = []
        self.process = self._spawn()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        return subprocess.Popen(self._command, env=self._environment, stdout=self._log, stderr=self._log)

    def _keep(self) -> None:
        while True:
            code = self.process.wait()
            self.exit_codes.append(code)
            if not self._wanted:
                return
            self.process = self._spawn()

    def times_owning(self) -> int:
        """How often it was given partitions, in all its lives."""
        return self.log_path.read_bytes().count(b'"owning"')

    def owned(self) -> set[str]:
        """``topic/partition`` of what it said last that it owns."""
        lines = [line for line in self.log_path.read_bytes().splitlines() if b'"owning"' in line]
        return set(json.loads(lines[-1])["partitions"]) if lines else set()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals) -> None:
        """Ends it for good, soon."""
        self._wanted = False  # the keeper starts no other
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ends it for good; returns the seconds that took."""
        started = time.monotonic()
        self.end(number)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._keeper.join(15)
        self._log.close()
        return time.monotonic() - started


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Reporter:
    """Publishes failure reports as the gateway does, and remembers where each went."""

    def __init__(self, producer: AIOKafkaProducer, name: str) -> None:
        self._producer, self._name, self._count = producer, name, 0
        self.sent: list[tuple[int, int]] = []
        self._identifiers = {
            partition: next(
                f"{name}-{number}"
                for number in range(1000)
                if partition_of(self._key(f"{name}-{number}"), PARTITIONS) == partition
            )
            for partition in range(PARTITIONS)
        }

    @staticmethod
    def _key(identifier: str) -> bytes:
        return record_key("default", failure_entity("default", "faults", identifier))

    async def report(self, identifier: str) -> tuple[int, int]:
        """One acknowledged failure; returns its (partition, offset)."""
        self._count += 1
        now = rfc3339(time.time_ns() // 1_000_000)
        event = contract.FailureReported(
            workflow="faults", identifier=identifier, identity_reason="given", message="boom", occurred_at=now
        )
        envelope = Envelope(f"{self._name}-{self._count}", "tocsin.tickets.FailureReported.v1", "/test", now, "default")
        key = self._key(identifier)
        metadata = await self._producer.send_and_wait(
            EVENTS,
            msgspec.json.encode(event),
            key=key,
            partition=partition_of(key, PARTITIONS),
            headers=to_headers(envelope),
        )
        self.sent.append((metadata.partition, metadata.offset))
        return metadata.partition, metadata.offset

    async def one_each(self) -> list[tuple[int, int]]:
        """One report for every partition."""
        return list(await asyncio.gather(*(self.report(name) for name in self._identifiers.values())))

    async def many(self, count: int, keys: int) -> None:
        """``count`` reports of ``keys`` identifiers, a few hundred in flight."""
        for start in range(0, count, 500):
            await asyncio.gather(
                *(self.report(f"{self._name}-k{number % keys}") for number in range(start, min(count, start + 500)))
            )


class FactsRead:
    """Facts, from a consumer or one by one: how often each event's offset was accounted for, and what was counted."""

    def __init__(self, consumer: AIOKafkaConsumer | None = None) -> None:
        self._consumer = consumer
        self.causes: Counter[tuple[int, int]] = Counter()
        self.occurrences: Counter[str] = Counter()

    async def poll(self) -> None:
        assert self._consumer is not None
        for records in (await self._consumer.getmany(timeout_ms=200)).values():
            for record in records:
                self.take(record)

    def take(self, record: ConsumerRecord[bytes, bytes]) -> None:
        fact_type = dict(record.headers)["ce_type"].decode()
        fact = msgspec.json.decode(record.value or b"", type=contract.FACTS[fact_type])
        self.causes.update((fact.cause.partition, offset) for offset in fact.cause.offsets)
        if isinstance(fact, contract.TicketOpened | contract.TicketReopened):
            self.occurrences[fact.ticket_id] += 1
        elif isinstance(fact, contract.OccurrencesCounted):
            self.occurrences[fact.ticket_id] += fact.occurrences_added

    async def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """Reads until the condition holds; returns the seconds that took. Fails after ``seconds``."""
        started = time.monotonic()
        while not condition():
            assert time.monotonic() - started < seconds, "the facts did not come in time"
            await self.poll()
        return time.monotonic() - started

    async def until_decided(self, events: Iterable[tuple[int, int]], seconds: float) -> float:
        """Reads until a fact accounts for each of these events."""
        missing = set(events)

        def decided() -> bool:
            missing.difference_update([event for event in missing if event in self.causes])
            return not missing

        return await self.until(decided, seconds)

    def assert_each_once(self, events: Iterable[tuple[int, int]]) -> None:
        """Every one of these events is accounted for exactly once: nothing lost, nothing decided twice."""
        wrong = {event: self.causes[event] for event in events if self.causes[event] != 1}
        assert not wrong, f"{len(wrong)} events not accounted for exactly once: {dict(list(wrong.items())[:5])}"
        doubled = {event: count for event, count in self.causes.items() if count > 1}
        assert not doubled, f"decided more than once: {dict(list(doubled.items())[:5])}"


@asynccontextmanager
async def observer(bootstrap: str, name: str, **options: Any) -> AsyncIterator[tuple[Reporter, FactsRead]]:
    """Something to report with, and something to see what was decided from here on. ``options``: of the clients."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, **options)
    consumer = AIOKafkaConsumer(
        **options,
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
        yield Reporter(producer, name), FactsRead(consumer)
    finally:
        await producer.stop()
        await consumer.stop()
