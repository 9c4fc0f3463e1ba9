"""Faust with whole fetches and owned partitions.

Faust keeps membership, assignment, agents and lifecycle. What it hands to an agent here is not one message at a time
(which tops out at about 10,000/s) but a token for each fetch: the fetched records wait in the inbox of their
partition, and the agent applies all that wait there in one go.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import structlog
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from tocsin.events.topics import events_topic
from tocsin.streams.domain.decision import Domain
from tocsin.streams.runtime.observer import Observer
from tocsin.streams.runtime.options import EXIT_CANNOT_OPEN, Options
from tocsin.streams.runtime.ownership import OwnedPartition

log = structlog.get_logger(__name__)
_FETCH_WAIT_MS: Final = 250  # Faust's 1,500 ms would hold back a partition assigned while a fetch is under way
_CLOSE_TIMEOUT: Final = 2.0


class OwningConsumerThread(AIOKafkaConsumerThread):
    """Reads only what was committed (Faust does so only inside its own transactions).

    heard_at: when the last heartbeat was sent that the group answered, ``time.monotonic()``.
    memberships: how often it was in the group no more; whoever comes back may find somebody else's work done.
    """

    heard_at = float("-inf")
    memberships = 0
    coordinator: Any = None

    def _create_worker_consumer(self, transport: Any) -> Any:
        self.consumer.in_transaction = True
        try:
            consumer = super()._create_worker_consumer(transport)
        finally:
            self.consumer.in_transaction = False
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        consumer: Any = self._consumer
        self._watch(consumer._coordinator)

    def _watch(self, coordinator: Any) -> None:
        """aiokafka keeps the time of its last heartbeat to itself, and that it had to join anew."""
        self.coordinator, beat, reset = coordinator, coordinator._do_heartbeat, coordinator.reset_generation

        async def noted() -> bool:
            sent = time.monotonic()  # the session was renewed later than this
            answered: bool = await beat()
            if answered:
                self.heard_at = sent
            return answered

        def counted() -> None:
            self.memberships += 1
            reset()

        coordinator._do_heartbeat, coordinator.reset_generation = noted, counted


class OwningConsumer(Consumer):
    """Opens a partition at assignment, closes it at revocation, and reads from where its state stands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owned: dict[TP, OwnedPartition] = {}
        app: Any = self.app  # always a StreamApp
        self.options: Options = app.options
        self.domains: Mapping[str, Domain[Any, Any]] = {
            events_topic(name): domain for name, domain in app.domains.items()
        }
        self.observers: Mapping[str, Observer] = {events_topic(name): one for name, one in app.observers.items()}
        # What a fetch returns that ran across a seek may lie before or behind it: it is dropped and sought again.
        self._seeks, self._seeking = 0, asyncio.Lock()

    def _new_consumer_thread(self) -> OwningConsumerThread:
        return OwningConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Called by Faust after each assignment, before fetching resumes.

        The group's commits are not asked: Faust acknowledges batches whose agent raised or was cancelled.
        """
        async with self._seeking:
            try:
                await asyncio.wait_for(self._own_what_is_assigned(), self.options.open_timeout / 1000)
            except Exception as error:
                log.error("cannot open the assigned partitions; giving all of them back", error=repr(error))
                os._exit(EXIT_CANNOT_OPEN)

    async def _own_what_is_assigned(self) -> None:
        self._committed_offset.clear()  # a commit that a rebalance refused counts as made for Faust
        assigned = {TP(*tp) for tp in self.assignment() if tp[0] in self.domains}
        for tp, partition in list(self.owned.items()):
            if tp not in assigned or not self._is_member_since(partition):
                await self.release(tp)
        while missing := assigned - self.owned.keys():
            await asyncio.gather(*(self._open(tp) for tp in missing))
        if not assigned:
            return
        beginnings = await self.earliest_offsets(*assigned)
        for tp in assigned:
            if self.owned[tp].position < (beginnings.get(tp) or 0):
                raise LogTruncated(tp, self.owned[tp].position, beginnings[tp])
        await self._seek_to_positions()
        log.info("owning", partitions=sorted(f"{tp.topic}/{tp.partition}" for tp in assigned))

    async def _seek_to_positions(self) -> None:
        """Reads on from where the states stand. What is applied meanwhile is passed over when it comes again."""
        self._seeks += 1
        for tp, partition in list(self.owned.items()):
            partition.inbox.clear()
            await self.seek(tp, partition.position)

    async def _open(self, tp: TP) -> None:
        thread: Any = self._thread
        membership = thread.memberships
        opened = await OwnedPartition.open(self.domains[tp.topic], tp.partition, self.options)
        self.owned[tp], opened.membership = opened, membership
        if observer := self.observers.get(tp.topic):
            opened.observed_by(observer)

    def _is_member_since(self, partition: OwnedPartition) -> bool:
        """Whether nobody else can have owned it since it was opened: the group never went on without this worker."""
        thread: Any = self._thread
        member: bool = partition.membership == thread.memberships
        return member

    def may_act(self, partition: OwnedPartition) -> bool:
        """Whether something may leave the system for this partition: the group heard of this worker just now, and is
        not about to give the partition to another. A process that stood still finds its last heartbeat too old."""
        thread: Any = self._thread
        app: Any = self.app
        if partition.closed or not self._is_member_since(partition) or app.rebalancing or app.should_stop:
            return False
        fresh = time.monotonic() - thread.heard_at < self.options.act_within / 1000
        return fresh and not thread.coordinator._rejoin_needed_fut.done()

    def stand_down(self) -> None:
        """Nothing leaves the system any more; for a worker that is about to leave the group."""
        for partition in self.owned.values():
            partition.observer.closed(partition)

    async def release(self, tp: TP) -> None:
        """Closes one partition: its state and its writer are of no use any more."""
        if partition := self.owned.pop(tp, None):
            try:
                await asyncio.wait_for(partition.close(), _CLOSE_TIMEOUT)
            except Exception as error:
                log.warning("closing the producer of a lost partition", partition=str(tp), error=repr(error))

    def _new_offset(self, tp: TP) -> int | None:
        """What the group commits, for whoever measures lag: the position. Nothing here reads it back.

        Faust would look for consecutive offsets, but a token stands for many: it would commit one token a second.
        """
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        partition = self.owned.get(tp)
        return None if partition is None else partition.position

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        """All that is owned, also where nothing came: whoever had it before may have been killed between its last
        transaction and the commit to the group, and seem behind for as long as the partition is silent."""
        return (tp for tp in list(self.owned) if topics is None or tp in topics or tp.topic in topics)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Faust would keep every offset between two tokens as a gap, for ever: only its own commits trim them."""

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        try:
            return await super()._getmany(active_partitions, timeout)
        except KeyError:
            # aiokafka's fetched_records raises it when a partition goes during a fetch, and what it had drained of
            # others is lost to us
            await self._read_again()
            return {}

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        seeks, seeking = self._seeks, self._seeking.locked()
        records, _ = await self._wait_next_records(timeout)
        for tp, fetched in (records or {}).items():
            if self.should_stop or not self.flow_active:
                return  # Faust seeks before the flow resumes
            if seeking or self._seeking.locked() or seeks != self._seeks:
                await self._read_again()
                return
            partition = self.owned.get(TP(*tp))
            if partition is None or not fetched:
                continue
            partition.inbox.extend(fetched)
            token: Any = self._to_message(tp, fetched[-1])
            token.key, token.value = None, len(fetched)
            yield tp, token

    async def _read_again(self) -> None:
        """Records of a fetch were dropped: after whatever seek is under way, one more makes up for it."""
        async with self._seeking:
            await self._seek_to_positions()


class LogTruncated(RuntimeError):
    """Events were deleted before they were applied. Reading on from the earliest would hide the loss."""

    def __init__(self, tp: TP, position: int, beginning: int) -> None:
        super().__init__(
            f"{tp.topic} partition {tp.partition} begins at {beginning}; its state was applied only up to {position}"
        )


class OwningTransport(Transport):
    Consumer = OwningConsumer
