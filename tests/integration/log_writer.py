"""Writes a fact log to a real Kafka the way the decide stage does: in transactions, one partition a log."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from tests.unit.projections.fact_log import FactLog
from tocsin.broker import ensure_topics
from tocsin.events.topics import PAYLOADS, facts_topic, topics
from tocsin.projections.apply import PROJECTIONS
from tocsin.projections.projection import Projection, Record

PARTITIONS = 2


@dataclasses.dataclass
class Topics:
    """Topics of one test's own, and the projections that read them."""

    facts: str
    payloads: str
    projections: tuple[Projection, ...]

    def names(self) -> dict[str, str]:
        return {facts_topic("tickets"): self.facts, PAYLOADS: self.payloads}


async def own_topics(bootstrap: str) -> Topics:
    prefix = f"t{uuid.uuid4().hex[:8]}"
    wanted = [
        dataclasses.replace(topic, name=f"{prefix}.{topic.name}")
        for topic in topics()
        if topic.kind in ("facts", "payloads")
    ]
    await ensure_topics(bootstrap, wanted, PARTITIONS)
    projections = tuple(dataclasses.replace(one, topic=f"{prefix}.{one.topic}") for one in PROJECTIONS)
    return Topics(f"{prefix}.{facts_topic('tickets')}", f"{prefix}.{PAYLOADS}", projections)


async def write(bootstrap: str, where: Topics, records: Sequence[Record], *, a_transaction: int = 50) -> None:
    """Commits the records in transactions; every third transaction is preceded by one that is aborted."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=f"writer-{uuid.uuid4().hex}", transaction_timeout_ms=10_000
    )
    await producer.start()
    try:
        for nth, at in enumerate(range(0, len(records), a_transaction)):
            part = records[at : at + a_transaction]
            if nth % 3 == 2:
                await producer.begin_transaction()
                await _send(producer, where, part[:2])
                await producer.abort_transaction()
            async with producer.transaction():
                await _send(producer, where, part)
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, where: Topics, records: Sequence[Record]) -> None:
    names = where.names()
    sent = [
        await producer.send(
            names[one.topic], key=one.key, value=one.value, partition=one.partition, headers=list(one.headers)
        )
        for one in records
    ]
    for future in sent:
        await future


def both(first: FactLog, second: FactLog) -> list[Record]:
    """Two partitions' logs, in turns."""
    mixed: list[Record] = []
    for one, other in zip(first.records, second.records, strict=False):
        mixed += [one, other]
    return mixed
