"""The embedded Kafka and PostgreSQL, as the fixtures start them."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tocsin.embedded.kafka import Kafka

pytestmark = pytest.mark.embedded


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()


async def _read_one(bootstrap: str, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        value: bytes | None = (await consumer.getone()).value
        return value
    finally:
        await consumer.stop()


async def test_a_record_of_two_mebibytes_less_its_overhead_passes(kafka: str) -> None:
    value = b"x" * (2 * 1024 * 1024 - 500)
    await _create(kafka, "embedded.large")
    producer = AIOKafkaProducer(bootstrap_servers=kafka, max_request_size=3 * 1024 * 1024)
    await producer.start()
    await producer.send_and_wait("embedded.large", value)
    await producer.stop()
    assert await _read_one(kafka, "embedded.large") == value


async def test_an_acknowledged_record_survives_a_killed_broker_on_the_same_port(broker_process: Kafka) -> None:
    before = broker_process.bootstrap
    await _create(before, "embedded.killed")
    producer = AIOKafkaProducer(bootstrap_servers=before, acks="all")
    await producer.start()
    await producer.send_and_wait("embedded.killed", b"kept")
    await producer.stop()
    broker_process.kill()
    broker_process.restart()
    assert broker_process.bootstrap == before
    assert await _read_one(before, "embedded.killed") == b"kept"


async def test_the_dsn_serves_asyncpg_and_sqlalchemy(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    assert await connection.fetchval("SHOW server_version_num") >= "180000"
    await connection.close()
    engine = create_async_engine(empty_database.replace("postgresql:", "postgresql+asyncpg:", 1))
    async with engine.connect() as session:
        assert (await session.execute(text("SELECT current_database()"))).scalar_one().startswith("test_")
    await engine.dispose()
