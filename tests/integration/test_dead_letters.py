"""The way back from the dead-letter queue, on a real Kafka."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from tocsin.broker import ensure_topics
from tocsin.dead_letters import DeadLetter, Returned, read, replay
from tocsin.errors import StartError
from tocsin.events.topics import Topic, dlq_topic, events_topic

pytestmark = pytest.mark.embedded

_numbers = itertools.count()
PLAIN = Topic("", "events", "test", "any", {})


@pytest.fixture
async def domain(kafka: str) -> str:
    """A domain of its own, with an events topic and its dead-letter queue of two partitions."""
    name = f"letters{next(_numbers)}"
    await ensure_topics(
        kafka, [dataclasses.replace(PLAIN, name=topic) for topic in (events_topic(name), dlq_topic(name))], 2
    )
    return name


@pytest.fixture
async def producer(kafka: str) -> AsyncIterator[AIOKafkaProducer]:
    found = AIOKafkaProducer(bootstrap_servers=kafka)
    await found.start()
    yield found
    await found.stop()


async def bury(producer: AIOKafkaProducer, domain: str, value: bytes, partition: int = 1) -> None:
    """Puts a record into the queue as a stream worker does."""
    headers = [
        ("ce_id", value),
        ("ce_origin", b"0:7"),
        ("dlq.topic", events_topic(domain).encode()),
        ("dlq.partition", b"%d" % partition),
        ("dlq.reason", b"bad_json"),
    ]
    await producer.send_and_wait(dlq_topic(domain), value, key=b"w/" + value, partition=partition, headers=headers)


async def letters(kafka: str, domain: str) -> list[DeadLetter]:
    return [letter async for letter in read(kafka, (domain,))]


async def waiting(kafka: str, domain: str) -> list[DeadLetter]:
    return [letter for letter in await letters(kafka, domain) if not letter.replayed]


async def events(kafka: str, domain: str, partition: int = 1) -> list[ConsumerRecord[bytes, bytes]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed")
    await consumer.start()
    where = TopicPartition(events_topic(domain), partition)
    consumer.assign([where])
    await consumer.seek_to_beginning(where)
    end = (await consumer.end_offsets([where]))[where]
    found: list[ConsumerRecord[bytes, bytes]] = []
    while await consumer.position(where) < end:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            found += records
    await consumer.stop()
    return found


async def test_a_replay_keeps_key_value_headers_and_partition_and_says_where_it_comes_from(
    kafka: str, producer: AIOKafkaProducer, domain: str
) -> None:
    await bury(producer, domain, b"one")
    assert await replay(kafka, "test", await waiting(kafka, domain)) == 1
    record = (await events(kafka, domain))[0]
    assert (record.key, record.value) == (b"w/one", b"one")
    assert dict(record.headers) == {"ce_id": b"one", "ce_origin": b"dlq:1:0"}


async def test_what_was_replayed_is_remembered_and_not_sent_again(
    kafka: str, producer: AIOKafkaProducer, domain: str
) -> None:
    for value in (b"a", b"b"):
        await bury(producer, domain, value)
    await replay(kafka, "test", await waiting(kafka, domain))
    assert await waiting(kafka, domain) == []
    await bury(producer, domain, b"c")
    await replay(kafka, "test", await waiting(kafka, domain))
    assert [record.value for record in await events(kafka, domain)] == [b"a", b"b", b"c"]


async def test_one_record_can_go_first_with_a_repaired_value(
    kafka: str, producer: AIOKafkaProducer, domain: str
) -> None:
    for value in (b"a", b"broken", b"c"):
        await bury(producer, domain, value)
    broken = (await waiting(kafka, domain))[1]
    await replay(kafka, "test", [broken], repaired_value=b"mended")
    assert [letter.replayed for letter in await letters(kafka, domain)] == [False, True, False]
    await replay(kafka, "test", await waiting(kafka, domain))
    assert [record.value for record in await events(kafka, domain)] == [b"mended", b"a", b"c"]
    assert await waiting(kafka, domain) == []


async def test_a_record_without_an_origin_is_refused_and_nothing_is_sent(
    kafka: str, producer: AIOKafkaProducer, domain: str
) -> None:
    await bury(producer, domain, b"a")
    await producer.send_and_wait(dlq_topic(domain), b"stray", partition=1)
    with pytest.raises(StartError, match=r"The record 1:1 of .* does not say where it came from\."):
        await replay(kafka, "test", await waiting(kafka, domain))
    assert await events(kafka, domain) == []


async def test_more_than_one_batch_arrives_once_and_in_order(
    kafka: str, producer: AIOKafkaProducer, domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.dead_letters.BATCH", 3)
    for number in range(10):
        await bury(producer, domain, b"%d" % number, partition=number % 2)
    await replay(kafka, "test", await waiting(kafka, domain))
    for partition in (0, 1):
        found = [record.value for record in await events(kafka, domain, partition)]
        assert found == [b"%d" % number for number in range(partition, 10, 2)]


async def test_I2_a_webhook_is_read_again_and_what_it_becomes_is_sent(
    kafka: str, producer: AIOKafkaProducer, domain: str
) -> None:
    headers = [("webhook.source", b"sentry"), ("dlq.topic", b"/webhooks/sentry")]
    await producer.send_and_wait(dlq_topic(domain), b"raw", key=b"w/1", partition=0, headers=headers)
    found = await waiting(kafka, domain)
    with pytest.raises(StartError, match=r"The record 0:0 of .* is a webhook; nothing here can read it\."):
        await replay(kafka, "test", found)

    def read_again(letter: DeadLetter, body: bytes) -> list[Returned]:
        return [Returned(events_topic(domain), 1, b"k", body + letter.webhook.encode(), [("ce_id", b"1")])]

    assert await replay(kafka, "test", found, read_again=read_again) == 1
    assert [record.value for record in await events(kafka, domain)] == [b"rawsentry"]
    assert await waiting(kafka, domain) == []
    await replay(kafka, "test", await letters(kafka, domain), b"repaired ", read_again)
    assert [record.value for record in await events(kafka, domain)][1:] == [b"repaired sentry"]
