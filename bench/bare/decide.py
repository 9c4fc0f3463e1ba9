"""The bare decide loop: ``python -m bench.bare.decide BOOTSTRAP EVENTS FACTS STATE PARTITIONS TOTAL``.

Consumes, folds each batch of at most 2,000 events per key in a dict, and writes a fact and the state of every key
touched, one effect and the position, all in one transaction; one producer a partition. Ends after TOTAL events.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

_BATCH_EVENTS: Final = 2_000
_BATCH_BYTES: Final = 1024 * 1024
_WAITING_BATCHES: Final = 4  # a partition, fetched ahead
_ENCODE: Final = msgspec.json.Encoder().encode


class Event(msgspec.Struct):
    """What the loop needs of a report."""

    workflow: str
    identifier: str
    message: str
    occurred_at: str
    source: str


class Ticket(msgspec.Struct):
    """The state of a key."""

    entity: str
    workflow: str
    occurrences: int
    message: str
    first_seen_at: str
    last_seen_at: str


class Cause(msgspec.Struct):
    partition: int
    offset: int
    offsets: list[int]


class Fact(msgspec.Struct):
    """What a batch found out about a key: about as large as a fact of tocsin."""

    entity: str
    identifier: str
    occurrences: int
    occurrences_added: int
    last_seen_at: str
    latest: Event
    cause: Cause


_DECODE: Final = msgspec.json.Decoder(Event).decode


class Partition:
    """One partition: its state, its producer, and the batches that wait."""

    def __init__(self, bootstrap: str, number: int, topics: tuple[str, str]) -> None:
        self.waiting: asyncio.Queue[list[Any]] = asyncio.Queue(_WAITING_BATCHES)
        self.done = 0
        self._number, self._facts, self._state = number, *topics
        self._tickets: dict[bytes, Ticket] = {}
        self.producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=f"bare-{number}",
            acks="all",
            max_batch_size=_BATCH_BYTES,
            max_request_size=4 * _BATCH_BYTES,
        )

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            records = await self.waiting.get()
            facts = self._fold(records)
            state = [(key, _ENCODE(self._tickets[key])) for key in facts]
            state.append((b"\0progress", b'{"position":%d}' % (records[-1].offset + 1)))
            decided = [(key, _ENCODE(fact)) for key, fact in facts.items()]
            await self._write([*decided, (b"effect", b'{"due_at":%d}' % records[-1].timestamp)], state)
            self.done += len(records)

    def _fold(self, records: list[Any]) -> dict[bytes, Fact]:
        facts: dict[bytes, Fact] = {}
        tickets = self._tickets
        for record in records:
            event, key = _DECODE(record.value), record.key
            if (ticket := tickets.get(key)) is None:
                entity, at = key.decode(), event.occurred_at
                ticket = tickets[key] = Ticket(entity, event.workflow, 0, event.message, at, at)
            ticket.occurrences += 1
            ticket.message, ticket.last_seen_at = event.message, event.occurred_at
            if (fact := facts.get(key)) is None:
                cause = Cause(record.partition, record.offset, [])
                fact = facts[key] = Fact(ticket.entity, event.identifier, 0, 0, event.occurred_at, event, cause)
            fact.occurrences, fact.occurrences_added = ticket.occurrences, fact.occurrences_added + 1
            fact.latest, fact.last_seen_at, fact.cause.offset = event, event.occurred_at, record.offset
            fact.cause.offsets.append(record.offset)
        return facts

    async def _write(self, facts: list[tuple[bytes, bytes]], state: list[tuple[bytes, bytes]]) -> None:
        producer = self.producer
        await producer.begin_transaction()
        for topic, records in ((self._facts, facts), (self._state, state)):
            for batch in self._batches(records):
                await producer.send_batch(batch, topic, partition=self._number)
        await producer.commit_transaction()

    def _batches(self, records: Iterable[tuple[bytes, bytes]]) -> Iterator[Any]:
        batch = self.producer.create_batch()
        for key, value in records:
            if batch.append(timestamp=None, key=key, value=value) is None:
                yield batch
                batch = self.producer.create_batch()
                batch.append(timestamp=None, key=key, value=value)
        yield batch


async def main(bootstrap: str, events: str, facts: str, state: str, partitions: int, total: int) -> None:
    owned = [Partition(bootstrap, number, (facts, state)) for number in range(partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_BATCH_BYTES,
    )
    await asyncio.gather(consumer.start(), *(one.producer.start() for one in owned))
    consumer.assign([TopicPartition(events, one) for one in range(partitions)])
    for partition in consumer.assignment():
        consumer.seek(partition, 0)
    tasks = [asyncio.create_task(one.run()) for one in owned]
    fetched = 0
    while fetched < total:
        found = await consumer.getmany(timeout_ms=200, max_records=_BATCH_EVENTS)
        for where, records in found.items():
            await owned[where.partition].waiting.put(records)
            fetched += len(records)
    while sum(one.done for one in owned) < total:
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(consumer.stop(), *(one.producer.stop() for one in owned))


if __name__ == "__main__":
    _bootstrap, _events, _facts, _state, _partitions, _total = sys.argv[1:]
    uvloop.run(main(_bootstrap, _events, _facts, _state, int(_partitions), int(_total)))
