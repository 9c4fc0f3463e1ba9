"""Record batches filled by whoever publishes at the moment, one lane a partition.

aiokafka sends one batch a partition and round trip. So everything that arrives while a batch is under way goes into
the next one, and a batch has one future for each request, not for each record: that, and not the broker, bounds what
a gateway takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tocsin.ingest.publish import Record


class Batch:
    """Records under way together, and the requests that wait for them."""

    __slots__ = ("_waiters", "builder", "timer")

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.timer: asyncio.TimerHandle | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def append(self, record: Record) -> bool:
        """False when the batch is full; an empty one takes a record of any size."""
        added = self.builder.append(timestamp=None, key=record.key, value=record.value, headers=record.headers)
        return added is not None

    def waiter(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        waiter = loop.create_future()
        self._waiters.append(waiter)
        return waiter

    def settle(self, failure: Callable[[], Exception] | None = None) -> None:
        """Everybody who waits goes on, or gets an exception of their own. Only the first call counts."""
        if self.timer is not None:
            self.timer.cancel()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure())


class Lane:
    """The batches of one partition, in order, one under way at a time."""

    def __init__(self, lanes: Lanes, topic: str, partition: int) -> None:
        self._lanes = lanes
        self._topic = topic
        self._partition = partition
        self.queue: deque[Batch] = deque()
        self.under_way: Batch | None = None
        self.task: asyncio.Task[None] | None = None
        self._scheduled = False

    def append(self, record: Record) -> Batch:
        if self.queue and self.queue[-1].append(record):
            return self.queue[-1]
        batch = self._lanes.new_batch()
        batch.append(record)
        self.queue.append(batch)
        if not self._scheduled and self.task is None:
            # a moment for others to join; once a batch is under way its round trip is that moment
            self._scheduled = True
            self._lanes.loop.call_later(self._lanes.linger, self._start)
        return batch

    def _start(self) -> None:
        self._scheduled = False
        if self.queue and self.task is None:
            self.task = self._lanes.loop.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self.queue:
                batch = self.under_way = self.queue.popleft()
                batch.builder.close()
                await self._lanes.send(batch, self._topic, self._partition)
        finally:
            self.under_way = self.task = None

    def batches(self) -> list[Batch]:
        return [*self.queue, *([] if self.under_way is None else [self.under_way])]


class Lanes:
    """All lanes of one producer. ``failed`` is called once, with the reason, when a batch was not confirmed."""

    def __init__(
        self, producer: Any, linger: float, timeout: float, failed: Callable[[Lanes, BaseException], None]
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.linger = linger
        self.producer = producer
        self._timeout = timeout
        self._failed = failed
        self._lanes: dict[tuple[str, int], Lane] = {}

    def append(self, record: Record) -> asyncio.Future[None]:
        return self._lane(record).append(record).waiter(self.loop)

    def append_all(self, records: Sequence[Record]) -> list[asyncio.Future[None]]:
        """One future for every batch that took some of the records."""
        filling: dict[tuple[str, int], Batch] = {}
        batches: list[Batch] = []
        for record in records:
            where = record.topic, record.partition
            batch = filling.get(where)
            if batch is None or not batch.append(record):
                batch = filling[where] = self._lane(record).append(record)
                batches.append(batch)
        return [batch.waiter(self.loop) for batch in batches]

    def new_batch(self) -> Batch:
        batch = Batch(self.producer.create_batch())
        batch.timer = self.loop.call_later(self._timeout, self._expire)
        return batch

    async def send(self, batch: Batch, topic: str, partition: int) -> None:
        try:
            await (await self.producer.send_batch(batch.builder, topic, partition=partition))
        except Exception as error:
            self._failed(self, error)
        else:
            batch.settle()

    def pending(self) -> list[asyncio.Task[None]]:
        """The tasks that still send; lanes that only linger are started."""
        for lane in self._lanes.values():
            lane._start()
        return [lane.task for lane in self._lanes.values() if lane.task is not None]

    def fail(self, failure: Callable[[], Exception]) -> None:
        """Everything not confirmed is given up."""
        for lane in self._lanes.values():
            batches = lane.batches()
            lane.queue.clear()
            if lane.task is not None and lane.task is not asyncio.current_task():
                lane.task.cancel()
            for batch in batches:
                batch.settle(failure)

    def _expire(self) -> None:
        self._failed(self, TimeoutError())

    def _lane(self, record: Record) -> Lane:
        where = (record.topic, record.partition)
        if (lane := self._lanes.get(where)) is None:
            lane = self._lanes[where] = Lane(self, *where)
        return lane
