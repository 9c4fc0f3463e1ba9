"""Reads the newest value of every key of one compacted partition, to its end as it is after fencing."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from tocsin.kafka_security import client_options, stop_client


async def load_snapshot(bootstrap_servers: str, topic: str, partition: int) -> dict[bytes, bytes]:
    """Tombstoned keys are absent. Aborted transactions are not seen.

    Raises aiokafka.errors.KafkaError when the broker cannot be read; the caller bounds the time.
    """
    # without auto_offset_reset="earliest", assign() may jump to the end before the explicit seek
    consumer = AIOKafkaConsumer(
        **client_options(),
        bootstrap_servers=bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    where = TopicPartition(topic, partition)
    await consumer.start()
    try:
        consumer.assign([where])
        return await _read_to_end(consumer, where)
    finally:
        await stop_client(consumer)


async def _read_to_end(consumer: AIOKafkaConsumer, where: TopicPartition) -> dict[bytes, bytes]:
    end = (await consumer.end_offsets([where]))[where]
    # assign() alone races seek_to_beginning(): name the offset
    consumer.seek(where, (await consumer.beginning_offsets([where]))[where])
    snapshot: dict[bytes, bytes] = {}
    while await consumer.position(where) < end:
        for record in (await consumer.getmany(where, timeout_ms=200)).get(where, ()):
            if record.value is None:
                snapshot.pop(record.key, None)
            else:
                snapshot[record.key] = record.value
        await asyncio.sleep(0)  # a long load must not starve the heartbeat of this loop
    return snapshot
