"""What the gateway needs of a log: records in, acknowledged or refused, and a twin of it in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from tocsin.problems import Problem, unavailable

# What a pending record costs beside its value: futures, headers, the request that waits for it.
RECORD_OVERHEAD_BYTES: Final = 1024


class Record(NamedTuple):
    """One Kafka record with its partition already chosen."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]  # aiokafka takes no other sequence

    @property
    def weight(self) -> int:
        """Bytes this record is charged while unacknowledged."""
        return len(self.value) + RECORD_OVERHEAD_BYTES


class Publisher(Protocol):
    """Both methods return once every replica in sync has the records.

    They raise Problem 503 with Retry-After when that did not happen in time or is refused at once; the records may
    still have been kept, so only a request with an id of its own can be repeated safely.
    Records of one partition keep their order within a call.
    """

    async def publish(self, record: Record) -> None: ...
    async def publish_all(self, records: Sequence[Record]) -> None: ...


class Admission:
    """Bounds the bytes that wait for an acknowledgement; more is refused at once instead of queued."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self.pending = 0

    def enter(self, weight: int) -> None:
        """Raises Problem 503 when ``weight`` more bytes would exceed the limit."""
        if self.pending and self.pending + weight > self._limit:
            raise overloaded()
        self.pending += weight

    def leave(self, weight: int) -> None:
        self.pending -= weight


def overloaded() -> Problem:
    return unavailable("Too many events are waiting to be stored; nothing of this request was kept", 1)


def kafka_unavailable() -> Problem:
    """An ambiguous refusal: what was sent may or may not be in the log."""
    return unavailable(
        "The event log did not confirm in time. Repeat the request: with the same Idempotency-Key or event_id it counts"
        " once, without one it may count twice",
        2,
    )


class MemoryPublisher:
    """A log in memory, for tests and dry runs; held to the same suite as the real one."""

    def __init__(self, limit_bytes: int = 64 * 1024 * 1024) -> None:
        self.records: list[Record] = []
        self.available = True
        self._admission = Admission(limit_bytes)

    async def publish(self, record: Record) -> None:
        await self.publish_all([record])

    async def publish_all(self, records: Sequence[Record]) -> None:
        if not all(type(record.headers) is list for record in records):
            raise TypeError("headers must be a list")
        weight = sum(record.weight for record in records)
        self._admission.enter(weight)
        try:
            if not self.available:
                raise kafka_unavailable()
            self.records.extend(records)
        finally:
            self._admission.leave(weight)

    def of(self, topic: str) -> list[Record]:
        return [record for record in self.records if record.topic == topic]
