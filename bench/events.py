"""Failure reports for the rows: as request bodies, and straight into the log as the gateway would have written them."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.environment import PARTITIONS, ROOT
from tocsin.events.envelope import CONTENT_TYPE, SPEC_VERSION
from tocsin.events.identity import failure_entity, partition_of, record_key
from tocsin.events.sla import SlaPolicyActivated
from tocsin.events.tickets import FailureReported
from tocsin.events.topics import events_topic, facts_topic
from tocsin.policies import version_of
from tocsin.sla_policy import read_sla_policy

EVENTS: Final = events_topic("tickets")
FACTS: Final = facts_topic("tickets")
WORKSPACE: Final = "default"
_OCCURRED: Final = "2026-11-20T22:13:20.000Z"
_BATCH_BYTES: Final = 256 * 1024
_IN_FLIGHT: Final = 32  # batches
_ENCODE: Final = msgspec.json.Encoder().encode
_TYPE: Final = ("ce_type", b"tocsin.tickets.FailureReported.v1")
_SOURCE: Final = ("ce_source", b"/tocsin/ingest")
_TIME: Final = ("ce_time", _OCCURRED.encode())
Record = tuple[int, bytes, bytes, list[tuple[str, bytes]]]
"""Partition, key, value and headers."""
_IN_WORKSPACE: Final = ("ce_workspace", WORKSPACE.encode())


def workflow_of(key: int) -> str:
    return f"workflow-{key % 50}"


def identifier_of(key: int) -> str:
    return f"job-{key}"


def entity_of(key: int) -> str:
    return failure_entity(WORKSPACE, workflow_of(key), identifier_of(key))


def body(key: int) -> bytes:
    """One report as a sender writes it, about 200 bytes."""
    return _ENCODE(
        {
            "workflow": workflow_of(key),
            "identifier": identifier_of(key),
            "message": f"step load of job {key} failed: no rows in the staging table after three attempts",
            "severity": "error",
            "source": "bench",
            "context": {"rows": 0, "attempt": 3},
        }
    )


def batch_body(keys: Sequence[int]) -> bytes:
    return b"[" + b",".join(map(body, keys)) + b"]"


def _event(key: int) -> bytes:
    return _ENCODE(
        FailureReported(
            workflow=workflow_of(key),
            identifier=identifier_of(key),
            identity_reason="given by the sender",
            message=f"step load of job {key} failed: no rows in the staging table after three attempts",
            occurred_at=_OCCURRED,
            source="bench",
            context=msgspec.Raw(b'{"rows":0,"attempt":3}'),
        )
    )


def _headers(number: int) -> list[tuple[str, bytes]]:
    event_id = ("ce_id", b"%032x" % number)
    return [SPEC_VERSION, _TYPE, _SOURCE, _TIME, _IN_WORKSPACE, CONTENT_TYPE, event_id]


def report(key: int) -> Record:
    """One report as the gateway writes it, with an id of its own."""
    record = record_key(WORKSPACE, entity_of(key))
    return partition_of(record, PARTITIONS), record, _event(key), _headers(random.getrandbits(128))


def _records(count: int, keys: int, first_key: int) -> Iterator[Record]:
    """``count`` events that go round ``keys`` identities."""
    known: dict[int, tuple[int, bytes, bytes]] = {}
    for number in range(count):
        key = first_key + number % keys
        if (made := known.get(key)) is None:
            record = record_key(WORKSPACE, entity_of(key))
            made = partition_of(record, PARTITIONS), record, _event(key)
            if keys < count:
                known[key] = made
        yield (*made, _headers(first_key + number))


async def preload(bootstrap: str, count: int, keys: int, *, first_key: int = 0) -> None:
    """Puts ``count`` reports of ``keys`` identities into the log, in ready-made batches; returns once all are kept."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_batch_size=_BATCH_BYTES, max_request_size=4 * _BATCH_BYTES
    )
    await producer.start()
    try:
        sending = _Sending(producer)
        for partition, key, value, headers in _records(count, keys, first_key):
            await sending.add(partition, key, value, headers)
        await sending.finish()
    finally:
        await producer.stop()


async def govern(bootstrap: str) -> int:
    """Activates the SLA policy of ``deploy/`` in every partition, as the gateway does at start: a ticket has its clocks
    as it has in a running system. Returns the number of events."""
    body = read_sla_policy(ROOT / "deploy" / "sla.yaml")
    value = _ENCODE(SlaPolicyActivated(version=version_of(body), body=body))
    kind = ("ce_type", b"tocsin.tickets.SlaPolicyActivated.v1")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for partition in range(PARTITIONS):
            event_id = ("ce_id", b"policy-%d" % partition)
            headers = [SPEC_VERSION, kind, _SOURCE, _TIME, _IN_WORKSPACE, CONTENT_TYPE, event_id]
            await producer.send_and_wait(EVENTS, value, b"policy/sla", partition, headers=headers)
    finally:
        await producer.stop()
    return PARTITIONS


class _Sending:
    """A batch a partition that is being filled, and a bounded number under way."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._open: dict[int, Any] = {}
        self._under_way: list[asyncio.Future[Any]] = []

    async def add(self, partition: int, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        batch = self._open.get(partition)
        if batch is not None and batch.append(timestamp=None, key=key, value=value, headers=headers) is not None:
            return
        if batch is not None:
            await self._send(partition, batch)
        batch = self._open[partition] = self._producer.create_batch()
        batch.append(timestamp=None, key=key, value=value, headers=headers)

    async def finish(self) -> None:
        for partition, batch in self._open.items():
            await self._send(partition, batch)
        await asyncio.gather(*self._under_way)

    async def _send(self, partition: int, batch: Any) -> None:
        self._under_way.append(await self._producer.send_batch(batch, EVENTS, partition=partition))
        if len(self._under_way) >= _IN_FLIGHT:
            await self._under_way.pop(0)


# --- what became of them ----------------------------------------------------------------------------------------------


class _Cause(msgspec.Struct, frozen=True):
    offsets: tuple[int, ...]


class _Caused(msgspec.Struct):
    cause: _Cause = _Cause(())  # an effect of the bare loop has none


_CAUSED: Final = msgspec.json.Decoder(_Caused)


def offsets_of(fact: bytes) -> tuple[int, ...]:
    """The offsets of the events a fact accounts for."""
    return _CAUSED.decode(fact).cause.offsets


async def decided(bootstrap: str, topic: str = FACTS) -> list[tuple[int, int]]:
    """For every fact in the log: when it was written (Unix ms) and how many events it accounts for, by time."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        ends = await consumer.end_offsets(partitions)
        found: list[tuple[int, int]] = []
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [(record.timestamp, len(offsets_of(record.value))) for record in records]
        return sorted(found)
    finally:
        await consumer.stop()


def steady_rate(written: Sequence[tuple[int, int]]) -> float:
    """Events a second over the middle 80 % of what was decided."""
    seen = list(accumulate(events for _, events in written))
    first, last = (bisect_left(seen, share * seen[-1]) for share in (0.1, 0.9))
    milliseconds = written[last][0] - written[first][0]
    return (seen[last] - seen[first]) * 1000 / max(1, milliseconds)
