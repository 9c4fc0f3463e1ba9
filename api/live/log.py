"""Reading ``tocsin.live.v1``: only what was committed, from named positions; no group and nothing stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from tocsin.api.live import metrics
from tocsin.api.live.cursor import offset_of, position_of
from tocsin.api.live.entry import Entry, Undecodable, entries_of
from tocsin.events.topics import LIVE
from tocsin.kafka_security import client_options, stop_client

log = structlog.get_logger(__name__)

UNREADABLE: Final = (KafkaError, OSError, TimeoutError)
"""What a reader raises while the log cannot be read."""
_ANSWER_SECONDS: Final = 3.0
_POLL_MS: Final = 250
# records are parsed in the loop that answers requests: small bites
_FETCH_BYTES: Final = 128 * 1024


class Fetched(NamedTuple):
    """``next``: the position behind them; it moves over what is no entry (commit markers), too. Positions are those of
    Cursor."""

    entries: Sequence[Entry]
    next: int


class Bounds(NamedTuple):
    """Positions of one partition: of the oldest record kept, and behind the newest committed one."""

    start: int
    end: int


class OutOfRange(Exception):
    """The log does not have these positions, by partition: older than its retention, or of another log."""

    def __init__(self, positions: Mapping[int, int]) -> None:
        super().__init__(f"not in the log: {dict(positions)}")
        self.positions = dict(positions)


class Reader(Protocol):
    """One reader of chosen partitions. All but ``place`` raise UNREADABLE, after which it is to be stopped."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def bounds(self, partitions: Iterable[int]) -> Mapping[int, Bounds]: ...

    def place(self, positions: Mapping[int, int]) -> None:
        """Reads these partitions, and no others, from there."""

    async def fetch(self) -> Mapping[int, Fetched]:
        """What comes next, after a quarter of a second nothing. Raises OutOfRange."""


Readers = Callable[[], Reader]


class KafkaReader:
    """A consumer without a group."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = AIOKafkaConsumer(
            **client_options(),
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=_FETCH_BYTES,
            metadata_max_age_ms=30_000,
            request_timeout_ms=10_000,
        )
        self._placed: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        await asyncio.wait_for(self._consumer.start(), _ANSWER_SECONDS)

    async def stop(self) -> None:
        await stop_client(self._consumer)

    async def bounds(self, partitions: Iterable[int]) -> Mapping[int, Bounds]:
        wanted = [TopicPartition(LIVE, partition) for partition in partitions]
        async with asyncio.timeout(_ANSWER_SECONDS):
            starts = await self._consumer.beginning_offsets(wanted)
            ends = await self._consumer.end_offsets(wanted)
        return {one.partition: Bounds(position_of(starts[one]), position_of(ends[one])) for one in wanted}

    def place(self, positions: Mapping[int, int]) -> None:
        self._placed = {TopicPartition(LIVE, partition): position for partition, position in positions.items()}
        self._consumer.assign(list(self._placed))
        for partition, position in self._placed.items():  # before the consumer could ask for positions of its own
            self._consumer.seek(partition, offset_of(position))

    async def fetch(self) -> Mapping[int, Fetched]:
        try:
            found = await self._consumer.getmany(timeout_ms=_POLL_MS)
        except OffsetOutOfRangeError as error:
            raise OutOfRange({one.partition: position_of(offset) for one, offset in error.args[0].items()}) from error
        fetched = {}
        for partition, before in self._placed.items():
            position = position_of(await self._consumer.position(partition))
            if position > before:
                self._placed[partition] = position
                fetched[partition.partition] = Fetched(_entries(found.get(partition, ()), before), position)
        return fetched


def _entries(records: Iterable[Any], first: int) -> list[Entry]:
    """Those at ``first`` or behind: the record a client stands in is read again."""
    entries: list[Entry] = []
    for record in records:
        try:
            found = entries_of(record.partition, record.offset, record.headers, record.value)
        except Undecodable as error:
            metrics.UNDECODABLE.inc()
            where = f"{record.partition}-{record.offset}"
            log.warning("live events cannot be read; clients do not get them", offset=where, error=str(error)[:200])
        else:
            entries += [one for one in found if one.position >= first]
    return entries
