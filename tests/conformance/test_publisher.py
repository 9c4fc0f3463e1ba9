"""One suite for the publisher on Kafka and for its twin in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tocsin.broker import ensure_topics
from tocsin.events.topics import Topic
from tocsin.ingest.kafka import KafkaPublisher
from tocsin.ingest.publish import MemoryPublisher, Publisher, Record
from tocsin.problems import Problem

pytestmark = pytest.mark.embedded

PARTITIONS = 3
LIMIT_BYTES = 8 * 1024 * 1024
_numbers = itertools.count(1)

Held = dict[int, list[tuple[bytes, bytes, tuple[tuple[str, bytes], ...]]]]
ReadAll = Callable[[str], Awaitable[Held]]


@pytest.fixture(params=["memory", "kafka"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Publisher, ReadAll, str]]:
    """A publisher, a way to read what it published, and a topic of the test's own."""
    topic = f"conformance.publisher.{next(_numbers)}"
    if request.param == "memory":
        memory = MemoryPublisher(LIMIT_BYTES)
        yield memory, lambda name: _read_memory(memory, name), topic
        return
    bootstrap: str = request.getfixturevalue("kafka")
    configuration = {"max.message.bytes": str(2 * 1024 * 1024)}
    await ensure_topics(bootstrap, [Topic(topic, "events", "test", "key", configuration)], PARTITIONS)
    publisher = KafkaPublisher(bootstrap, limit_bytes=LIMIT_BYTES)
    await publisher.start()
    await publisher.started()
    yield publisher, lambda name: _read_kafka(bootstrap, name), topic
    await publisher.stop()


async def _read_memory(memory: MemoryPublisher, topic: str) -> Held:
    found: Held = defaultdict(list)
    for record in memory.of(topic):
        found[record.partition].append((record.key, record.value, tuple(record.headers)))
    return found


async def _read_kafka(bootstrap: str, topic: str) -> Held:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: Held = defaultdict(list)
        while any(len(found[one.partition]) < end for one, end in ends.items()):
            for one, messages in (await consumer.getmany(timeout_ms=500)).items():
                found[one.partition] += [(message.key, message.value, tuple(message.headers)) for message in messages]
        return found
    finally:
        await consumer.stop()


def records(topic: str, count: int, value: bytes = b"v") -> list[Record]:
    return [
        Record(topic, number % PARTITIONS, b"k%d" % (number % 7), b'{"n":%d,"v":"%s"}' % (number, value), [("h", b"1")])
        for number in range(count)
    ]


def expected(published: list[Record]) -> Held:
    found: Held = defaultdict(list)
    for record in published:
        found[record.partition].append((record.key, record.value, tuple(record.headers)))
    return found


async def test_what_is_published_is_in_the_log(log: tuple[Publisher, ReadAll, str]) -> None:
    publisher, read, topic = log
    wanted = records(topic, 5)
    for record in wanted:
        await publisher.publish(record)
    assert await read(topic) == expected(wanted)


async def test_a_batch_keeps_the_order_of_each_partition_over_many_record_batches(
    log: tuple[Publisher, ReadAll, str],
) -> None:
    publisher, read, topic = log
    wanted = records(topic, 3000, b"x" * 1500)  # about 4.5 MiB: three record batches a partition
    await publisher.publish_all(wanted)
    assert await read(topic) == expected(wanted)


async def test_a_record_of_nearly_two_mebibytes_fits(log: tuple[Publisher, ReadAll, str]) -> None:
    publisher, read, topic = log
    large = Record(topic, 1, b"k", b"x" * (2 * 1024 * 1024 - 2000), [])
    small = Record(topic, 1, b"k", b"y", [])
    await publisher.publish(large)
    await publisher.publish_all([small, large, small])
    assert [len(value) for _, value, _ in (await read(topic))[1]] == [len(large.value), 1, len(large.value), 1]


async def test_concurrent_publishers_lose_nothing(log: tuple[Publisher, ReadAll, str]) -> None:
    publisher, read, topic = log
    batches = [[Record(topic, n % PARTITIONS, b"k", b"%d/%d" % (b, n), []) for n in range(200)] for b in range(20)]
    singles = [Record(topic, n % PARTITIONS, b"k", b"s/%d" % n, []) for n in range(100)]
    await asyncio.gather(*map(publisher.publish_all, batches), *map(publisher.publish, singles))
    found = await read(topic)
    values = [value for held in found.values() for _, value, _ in held]
    assert len(values) == len(set(values)) == 20 * 200 + 100
    for number, _ in enumerate(batches):
        mine = [value for _, value, _ in found[0] if value.startswith(b"%d/" % number)]
        assert mine == [record.value for record in batches[number] if record.partition == 0]


async def test_more_than_may_be_pending_is_refused_at_once(log: tuple[Publisher, ReadAll, str]) -> None:
    publisher, read, topic = log
    wanted = [Record(topic, 0, b"k", b"x" * 1_000_000, []) for _ in range(20)]
    answers = await asyncio.gather(*map(publisher.publish, wanted), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Problem)]
    assert all((problem.status, problem.headers["Retry-After"]) == (503, "1") for problem in refused)
    assert len((await read(topic))[0]) == len(wanted) - len(refused)
    if isinstance(publisher, KafkaPublisher):
        assert refused
        assert publisher.pending_bytes == 0
