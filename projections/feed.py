"""The log as the projector reads it: Kafka says which partitions, PostgreSQL says from where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from tocsin.kafka_security import client_options, stop_client
from tocsin.projections.positions import Move, Partition
from tocsin.projections.projection import Record
from tocsin.projections.store import Batch

log = structlog.get_logger(__name__)

CONSUMER: Final[Mapping[str, Any]] = {
    "enable_auto_commit": False,
    # a position outside the log is an alarm, never a reason to begin somewhere else
    "auto_offset_reset": "none",
    "isolation_level": "read_committed",
    # of a fetch that leaves partitions out; the others may wait longer, see _Fetcher
    "fetch_max_wait_ms": 20,
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "metadata_max_age_ms": 30_000,
}
_IDLE_WAIT_MS: Final = 500
_POLL_MS: Final = 250


class _Fetcher(Fetcher):  # type: ignore[misc]  # without types
    """A fetch holds up the next one. One that leaves out partitions, because their records are not consumed yet, must
    return soon; one that asks for all of them returns with the first record of any, so it may wait: an idle projector
    asks twice a second instead of forty times, which costs the broker a tenth of a core.
    """

    @property
    def _fetch_max_wait_ms(self) -> int:
        wait: int = self.__dict__["_fetch_max_wait_ms"]
        return wait if self._records else max(wait, _IDLE_WAIT_MS)

    @_fetch_max_wait_ms.setter
    def _fetch_max_wait_ms(self, wait: int) -> None:
        self.__dict__["_fetch_max_wait_ms"] = wait


def record_of(found: Any) -> Record:
    return Record(found.topic, found.partition, found.offset, found.timestamp, found.key, found.value, found.headers)


def batch_of(fetched: Mapping[TopicPartition, Sequence[Any]], positions: Mapping[Partition, int]) -> Batch:
    """The fetched records as one batch; those below their position were applied before and are left out."""
    batch = Batch()
    for (topic, partition), records in fetched.items():
        old = positions[topic, partition]
        fresh = [record_of(record) for record in records if record.offset >= old]
        if fresh:
            batch.moves.append(Move(topic, partition, old, fresh[-1].offset + 1))
            batch.records += fresh
    return batch


class Feed:
    """A consumer group's share of the partitions.

    A partition is paused from its assignment until ``place`` has sought it; one whose position the log does not have
    is ``stopped`` and stays paused.
    """

    def __init__(self, bootstrap: str, topics: Iterable[str], group: str) -> None:
        self._topics = tuple(topics)
        self._consumer = AIOKafkaConsumer(**client_options(), bootstrap_servers=bootstrap, group_id=group, **CONSUMER)
        self.positions: dict[Partition, int] = {}
        self.unplaced: set[Partition] = set()
        self.stopped: set[Partition] = set()

    async def start(self) -> None:
        """Raises KafkaError when no broker answers."""
        self._consumer.subscribe(self._topics, listener=_Listener(self))
        await self._consumer.start()
        self._consumer._fetcher.__class__ = _Fetcher

    async def stop(self) -> None:
        await stop_client(self._consumer)

    @property
    def partitions(self) -> set[Partition]:
        return {(one.topic, one.partition) for one in self._consumer.assignment()}

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """All partitions of a new assignment wait for their position."""
        self.positions.clear()
        self.stopped.clear()
        self._hold(partitions)
        self.unplaced = {(one.topic, one.partition) for one in partitions}

    def rewind(self) -> None:
        """What was fetched is not applied: every position is to be read again."""
        held = self._consumer.assignment()
        self._hold(held)
        self.unplaced = {(one.topic, one.partition) for one in held} - self.stopped

    def _hold(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            self._consumer.pause(partition)
            # with any position the consumer does not ask the group for one
            self._consumer.seek(partition, self.positions.get((partition.topic, partition.partition), 0))

    async def place(self, positions: Mapping[Partition, int]) -> None:
        """Seeks and resumes the partitions. Raises KafkaError; what is then still unplaced is to be placed again."""
        wanted = [TopicPartition(*partition) for partition in positions if partition in self.unplaced]
        beginnings = await self._consumer.beginning_offsets(wanted)
        ends = await self._consumer.end_offsets(wanted)
        for partition in wanted:
            key = (partition.topic, partition.partition)
            if key not in self.unplaced or partition not in self._consumer.assignment():
                continue  # lost while asking
            self.unplaced.discard(key)
            if beginnings[partition] <= positions[key] <= ends[partition]:
                self.positions[key] = positions[key]
                self._consumer.seek(partition, positions[key])
                self._consumer.resume(partition)
            else:
                self._stop_partition(key, positions[key], beginnings[partition], ends[partition])

    def _stop_partition(self, partition: Partition, position: int, beginning: int, end: int) -> None:
        self.stopped.add(partition)
        log.error(
            "the log does not have the next record of this projection; the partition stands still",
            topic=partition[0],
            partition=partition[1],
            position=position,
            log_begins=beginning,
            log_ends=end,
        )

    async def fetch(self, max_records: int) -> Batch:
        """The next records, empty after a quarter of a second without any. Raises KafkaError."""
        try:
            fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=max_records)
        except OffsetOutOfRangeError as error:
            for partition, offset in error.args[0].items():
                self._consumer.pause(partition)
                self._stop_partition((partition.topic, partition.partition), offset, -1, -1)
            return Batch()
        except (NoOffsetForPartitionError, IllegalStateError, KeyError):
            return Batch()  # the assignment changed during the fetch
        known = {
            found: records for found, records in fetched.items() if (found.topic, found.partition) in self.positions
        }
        return batch_of(known, self.positions)

    def applied(self, batch: Batch) -> None:
        for move in batch.moves:
            if (move.topic, move.partition) in self.positions:
                self.positions[move.topic, move.partition] = move.new

    def behind(self, partition: Partition) -> int:
        """Offsets between what was fetched and the end of the log, as of the last fetch."""
        key = TopicPartition(*partition)
        try:
            end = self._consumer.highwater(key)
            position = self._consumer._subscription.subscription.assignment.state_value(key).position
        except (AttributeError, IllegalStateError, KeyError, AssertionError):
            return 0  # between two assignments
        return max(0, int(end or 0) - int(position))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """A batch in hand may still commit: the positions it moves let nobody else apply it too."""

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._feed.assigned(list(assigned))


__all__ = ["CONSUMER", "Feed", "KafkaError", "batch_of", "record_of"]
