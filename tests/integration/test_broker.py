"""Topics and lag against a real Kafka."""

from __future__ import annotations

import dataclasses

import pytest
from aiokafka import AIOKafkaProducer

from tocsin.broker import Drift, ensure_topics, lags, wait_until_ready
from tocsin.errors import StartError
from tocsin.events.topics import Topic, topics

pytestmark = pytest.mark.embedded

ONE = Topic("broker.one.v1", "events", "test", "any", {"cleanup.policy": "delete", "retention.ms": "1000000"})


async def test_every_topic_of_the_table_is_created_once_with_its_settings(kafka: str) -> None:
    table = [dataclasses.replace(topic, name=f"broker.{topic.name}") for topic in topics()]
    first = await ensure_topics(kafka, table, 3)
    assert set(first.created) == {topic.name for topic in table}
    second = await ensure_topics(kafka, table, 3)
    assert (second.created, second.drift) == ((), ())


async def test_a_drifted_setting_is_reported_and_set_back(kafka: str) -> None:
    await ensure_topics(kafka, [ONE], 1)
    wanted = dataclasses.replace(ONE, configuration={"cleanup.policy": "delete", "retention.ms": "2000000"})
    report = await ensure_topics(kafka, [wanted], 1, correct=False)
    assert report.drift == (Drift(ONE.name, "retention.ms", "1000000", "2000000"),)
    assert (await ensure_topics(kafka, [wanted], 1)).corrected
    assert (await ensure_topics(kafka, [wanted], 1)).drift == ()


async def test_another_partition_count_is_refused_in_one_sentence(kafka: str) -> None:
    topic = dataclasses.replace(ONE, name="broker.count.v1")
    await ensure_topics(kafka, [topic], 2)
    with pytest.raises(StartError, match=r"broker\.count\.v1 has 2 partitions but TOCSIN_PARTITIONS is 4.*\.$"):
        await ensure_topics(kafka, [topic], 4)


async def test_lag_ignores_commit_markers_and_knows_the_age_of_the_oldest_record(kafka: str) -> None:
    topic = dataclasses.replace(ONE, name="broker.lag.v1")
    await ensure_topics(kafka, [topic], 1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id="broker-lag")
    await producer.start()
    async with producer.transaction():
        for number in range(3):
            await producer.send(topic.name, b"%d" % number, partition=0)
    await producer.stop()
    behind, done = [(await lags(kafka, {(topic.name, 0): offset}))[0] for offset in (1, 3)]
    assert behind.records == 3  # two records and the marker of their transaction
    assert 0 < behind.seconds < 60
    assert (done.records, done.seconds) == (0, 0)


async def test_no_broker_is_one_sentence() -> None:
    with pytest.raises(StartError, match=r"Kafka did not answer at 127\.0\.0\.1:9 within 0 s\."):
        await wait_until_ready("127.0.0.1:9", timeout=0)
