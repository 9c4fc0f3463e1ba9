"""The bare storm: two programs with nothing of tocsin in them, and nothing is decided.

``python -m bench.bare.storm gateway BOOTSTRAP TOPIC PARTITIONS PORT`` takes Alertmanager's groups and writes a record
an alert; ``… count BOOTSTRAP TOPIC PARTITIONS DSN`` consumes them, counts by fingerprint in a dict, and upserts what a
fetch changed by ``unnest``.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Mapping
from typing import Any, Final

import asyncpg
import orjson
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.bare.gateway import Gateway

_A_FETCH: Final = 2_000
TABLE: Final = """
DROP TABLE IF EXISTS bare_alerts;
CREATE TABLE bare_alerts (
    fingerprint text PRIMARY KEY, status text NOT NULL, labels jsonb NOT NULL, message text NOT NULL,
    started_at text NOT NULL, deliveries bigint NOT NULL, updated_at timestamptz NOT NULL
);
"""
_UPSERT: Final = """
INSERT INTO bare_alerts
SELECT fingerprint, status, labels, message, started_at, deliveries, now()
  FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::bigint[])
    AS new(fingerprint, status, labels, message, started_at, deliveries)
ON CONFLICT (fingerprint) DO UPDATE
   SET status = excluded.status, labels = excluded.labels, message = excluded.message,
       deliveries = bare_alerts.deliveries + excluded.deliveries, updated_at = now()
"""


class Groups(Gateway):
    """A notification is as many events as it has alerts. Ready-made batches of 20 would wait for each other."""

    async def take(self, found: Any) -> bytes:
        events = found["alerts"]
        await asyncio.gather(*[await self._sent(event) for event in events])
        return b'{"accepted":%d}' % len(events)

    async def _sent(self, event: dict[str, Any]) -> Any:
        key = event["fingerprint"].encode()
        partition = zlib.crc32(key) % self.partitions
        return await self.producer.send(self.topic, orjson.dumps(event), key=key, partition=partition)


async def count(bootstrap: str, topic: str, partitions: int, dsn: str) -> None:
    """Until it is killed."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1024 * 1024,
    )
    connection = await asyncpg.connect(dsn, server_settings={"synchronous_commit": "off"})
    await connection.execute(TABLE)
    await consumer.start()
    consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
    while True:
        fetched = await consumer.getmany(timeout_ms=200, max_records=_A_FETCH)
        if changed := _folded(fetched):
            await connection.execute(_UPSERT, *zip(*changed.values(), strict=True))


def _folded(fetched: Mapping[Any, Any]) -> dict[str, tuple[Any, ...]]:
    """The newest of each alert, and how often it was told."""
    found: dict[str, tuple[Any, ...]] = {}
    for records in fetched.values():
        for record in records:
            one = orjson.loads(record.value)
            name = one["fingerprint"]
            told = found[name][-1] + 1 if name in found else 1
            labels, message = orjson.dumps(one["labels"]).decode(), one["annotations"]["description"]
            found[name] = name, one["status"], labels, message, one["startsAt"], told
    return found


if __name__ == "__main__":
    _what, _bootstrap, _topic, _partitions, _where = sys.argv[1:]
    if _what == "count":
        uvloop.run(count(_bootstrap, _topic, int(_partitions), _where))
    else:
        uvicorn.run(
            Groups(_bootstrap, _topic, int(_partitions)),
            port=int(_where),
            loop="uvloop",
            http="httptools",
            lifespan="on",
            access_log=False,
            log_level="warning",
        )
