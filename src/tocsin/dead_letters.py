"""Reads the dead-letter queues and sends records back to where they came from.

What was replayed is remembered as the committed offset of one consumer group: every record below it. Records sent
back singly above it are listed in the metadata of that commit. Sending and remembering are one transaction.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from tocsin.errors import StartError
from tocsin.events.topics import DOMAINS, MAX_MESSAGE_BYTES, dlq_topic
from tocsin.kafka_security import client_options, stop_client

GROUP: Final = "tocsin.dlq-replay"
BATCH: Final = 500
_PREFIX: Final = "dlq."
# Kafka keeps at most 4,096 bytes of metadata
_MOST_SINGLES: Final = 200

Commits = dict[TopicPartition, OffsetAndMetadata]


class Returned(NamedTuple):
    """One record on its way back."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of a dead-letter queue. ``replayed``: it was sent back before."""

    record: ConsumerRecord[bytes, bytes]
    replayed: bool

    def header(self, name: str) -> str:
        """A header as text; empty when absent."""
        found = dict(self.record.headers).get(name)
        return found.decode(errors="replace") if found else ""

    @property
    def omitted(self) -> str:
        """What was too large to be kept here; empty when the record is whole."""
        return self.header("dlq.omitted")

    @property
    def position(self) -> str:
        return f"{self.record.partition}:{self.record.offset}"

    @property
    def webhook(self) -> str:
        """The source of a webhook that could not be read; empty for a record of a topic."""
        return self.header("webhook.source")


# What a webhook (second argument: its body) becomes when it is read again. Raises StartError.
ReadAgain = Callable[[DeadLetter, bytes], Sequence[Returned]]


async def read(bootstrap: str, domains: Iterable[str] = DOMAINS) -> AsyncIterator[DeadLetter]:
    """Every record kept in the dead-letter queues of these domains, in order of partition and offset."""
    async with _consumer(bootstrap) as consumer:
        for domain in domains:
            for partition in await _partitions(consumer, dlq_topic(domain)):
                remembered = await _remembered(consumer, partition)
                async for record in _records(consumer, partition):
                    yield DeadLetter(record, remembered.holds(record.offset))


def _no_webhooks(letter: DeadLetter, _body: bytes) -> Sequence[Returned]:
    raise StartError(f"The record {letter.position} of {letter.record.topic} is a webhook; nothing here can read it.")


async def replay(
    bootstrap: str,
    installation: str,
    letters: Sequence[DeadLetter],
    repaired_value: bytes | None = None,
    read_again: ReadAgain = _no_webhooks,
) -> int:
    """Sends records back to their original topic and partition, at most ``BATCH`` in one transaction.

    ``repaired_value`` replaces the value (of a single record). A webhook has no such topic: it is read again. Gives the
    number of letters. Raises StartError when a record does not say where it came from or is not whole, or another
    replay runs.
    """
    producer = AIOKafkaProducer(
        **client_options(),
        bootstrap_servers=bootstrap,
        transactional_id=f"{installation}-dlq-replay",
        max_request_size=MAX_MESSAGE_BYTES,
    )
    await producer.start()
    try:
        async with _consumer(bootstrap) as consumer:
            existing = await _existing(consumer, letters)
            for start in range(0, len(letters), BATCH):
                batch = letters[start : start + BATCH]
                records = [one for letter in batch for one in _returned(letter, repaired_value, read_again)]
                await _send(producer, records, await _commits(consumer, batch, existing))
    except KafkaError as error:
        raise StartError(f"The replay stopped: {error}.") from error
    finally:
        await stop_client(producer)
    return len(letters)


def _returned(letter: DeadLetter, value: bytes | None, read_again: ReadAgain) -> Sequence[Returned]:
    found = letter.record.value if value is None else value
    if letter.webhook:
        return read_again(letter, found or b"")
    return [Returned(*_target(letter, repaired=value is not None), letter.record.key, found, _headers(letter))]


async def _send(producer: AIOKafkaProducer, records: Sequence[Returned], commits: Commits) -> None:
    async with producer.transaction():
        for topic, partition, key, value, headers in records:
            await producer.send(topic, value=value, key=key, partition=partition, headers=list(headers))
        await producer.send_offsets_to_transaction(commits, GROUP)


def _target(letter: DeadLetter, *, repaired: bool) -> tuple[str, int]:
    topic, partition = letter.header("dlq.topic"), letter.header("dlq.partition")
    if letter.omitted and not (repaired and letter.omitted.startswith("value") and "," not in letter.omitted):
        raise StartError(
            f"The record {letter.position} of {letter.record.topic} is not whole ({letter.omitted} too large); the"
            f" original is offset {letter.header('dlq.offset')} of {topic} partition {partition}."
        )
    if not topic or not partition.isdigit():
        raise StartError(f"The record {letter.position} of {letter.record.topic} does not say where it came from.")
    return topic, int(partition)


def _headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    kept = [(name, value) for name, value in letter.record.headers if not name.startswith(_PREFIX)]
    kept = [(name, value) for name, value in kept if name != "ce_origin"]
    return [*kept, ("ce_origin", f"dlq:{letter.position}".encode())]


# --- what was replayed ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Remembered:
    """Everything below ``below`` was replayed, and ``singles`` above it."""

    below: int
    singles: frozenset[int]

    def holds(self, offset: int) -> bool:
        return offset < self.below or offset in self.singles

    def with_more(self, offsets: Iterable[int], existing: Sequence[int]) -> _Remembered:
        """``existing``: offsets of the records there are, so that ``below`` can pass holes."""
        singles = self.singles | set(offsets)
        below = self.below
        for offset in existing:
            if offset >= below and offset not in singles:
                break
            below = max(below, offset + 1)
        return _Remembered(below, frozenset(offset for offset in singles if offset >= below))


async def _remembered(consumer: AIOKafkaConsumer, partition: TopicPartition) -> _Remembered:
    # the public committed() leaves the metadata out
    found = await consumer._coordinator.fetch_committed_offsets([partition])
    if partition not in found or found[partition].offset < 0:
        return _Remembered(0, frozenset())
    return _Remembered(found[partition].offset, frozenset(json.loads(found[partition].metadata or "[]")))


async def _existing(consumer: AIOKafkaConsumer, letters: Sequence[DeadLetter]) -> dict[TopicPartition, list[int]]:
    """The offsets of all records in the partitions these letters lie in."""
    partitions = {TopicPartition(letter.record.topic, letter.record.partition) for letter in letters}
    return {one: [record.offset async for record in _records(consumer, one)] for one in partitions}


async def _commits(
    consumer: AIOKafkaConsumer, letters: Sequence[DeadLetter], existing: Mapping[TopicPartition, Sequence[int]]
) -> Commits:
    commits: Commits = {}
    for partition, offsets in existing.items():
        sent = [
            letter.record.offset
            for letter in letters
            if (letter.record.topic, letter.record.partition) == (partition.topic, partition.partition)
        ]
        after = (await _remembered(consumer, partition)).with_more(sent, offsets)
        if len(after.singles) > _MOST_SINGLES:
            raise StartError(f"More than {_MOST_SINGLES} records were replayed singly; replay the earlier ones first.")
        commits[partition] = OffsetAndMetadata(after.below, json.dumps(sorted(after.singles)))
    return commits


# --- reading --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _consumer(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **client_options(),
        bootstrap_servers=bootstrap,
        group_id=GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=20,  # partitions are read one after the other; a fetch under way holds the next one back
    )
    try:
        await consumer.start()
    except KafkaError as error:
        raise StartError(f"Kafka does not answer at {bootstrap}.") from error
    try:
        yield consumer
    finally:
        await stop_client(consumer)


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    await consumer._client.force_metadata_update()
    found = consumer.partitions_for_topic(topic)
    return [TopicPartition(topic, number) for number in sorted(found or ())]


async def _records(
    consumer: AIOKafkaConsumer, partition: TopicPartition
) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    end = (await consumer.end_offsets([partition]))[partition]
    consumer.assign([partition])
    consumer.seek(partition, (await consumer.beginning_offsets([partition]))[partition])
    while await consumer.position(partition) < end:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                yield record
