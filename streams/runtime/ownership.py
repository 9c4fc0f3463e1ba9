"""One owned partition: its state, its writer, and the fetched records that wait to be applied.

The state is worth something only while the writer is the newest with its transactional id. So the order is always:
fence, then load to the end, then decide; and after any failed or unclear write both are thrown away together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from aiokafka.structs import ConsumerRecord

from tocsin.events.topics import dlq_topic, facts_topic, state_topic
from tocsin.streams.domain.decision import Domain
from tocsin.streams.runtime import metrics
from tocsin.streams.runtime.draft import Draft
from tocsin.streams.runtime.encoding import Prepared, fact_reason, prepare
from tocsin.streams.runtime.id_ring import IdRing
from tocsin.streams.runtime.loading import load_snapshot
from tocsin.streams.runtime.observer import NoObserver, Observer
from tocsin.streams.runtime.options import Options
from tocsin.streams.runtime.partition_state import PartitionState
from tocsin.streams.runtime.transaction import TransactionWriter

log = structlog.get_logger(__name__)
_YIELD_EVERY = 256  # records decided before other partitions and the heartbeat of this loop get their turn


class OwnedPartition:
    """Made by ``open``; ``apply_waiting`` is called by one agent only."""

    def __init__(self, domain: Domain[Any, Any], number: int, options: Options, writer: TransactionWriter) -> None:
        self.domain, self.number, self.options, self.writer = domain, number, options, writer
        self.state = PartitionState(domain, IdRing(options.duplicate_window, options.duplicate_cap))
        self.inbox: list[ConsumerRecord] = []
        self.closed = False
        self.observer: Observer = NoObserver()
        self.membership = 0  # of the worker in its group, when this was opened
        self._applying = asyncio.Lock()  # after a rebalance the old agent may still be ending when the new one starts

        labels = domain.name, str(number)
        self._owned, self._entities = metrics.OWNED.labels(*labels), metrics.ENTITIES.labels(*labels)

    @classmethod
    async def open(cls, domain: Domain[Any, Any], number: int, options: Options) -> OwnedPartition:
        """Fences the previous owner, then loads the state to its end. Raises aiokafka.errors.KafkaError."""
        started = time.monotonic()
        writer = TransactionWriter(
            options.bootstrap_servers,
            options.transactional_id(domain.name, number),
            timeout_ms=options.transaction_timeout,
            batch_bytes=options.slice_bytes,
        )
        partition = cls(domain, number, options, writer)
        try:
            # what only the owner of a partition writes
            await writer.open((facts_topic(domain.name), dlq_topic(domain.name), state_topic(domain.name)), number)
            snapshot = await load_snapshot(options.bootstrap_servers, state_topic(domain.name), number)
            partition.state = await asyncio.to_thread(PartitionState.load, domain, partition.state.ring, snapshot)
        except BaseException:
            await partition.close()
            raise
        partition._owned.set(1)
        metrics.OPEN_SECONDS.labels(domain.name).observe(time.monotonic() - started)
        return partition

    @property
    def position(self) -> int:
        """The next offset of the events topic to apply."""
        return self.state.progress.position

    def observed_by(self, observer: Observer) -> None:
        """From here on; it hears of the states there are."""
        self.observer = observer
        observer.opened(self)

    async def close(self) -> None:
        self.closed = True
        self.observer.closed(self)
        self._owned.set(0)
        await self.writer.close()

    async def apply_waiting(self) -> None:
        """Applies every fetched record, whatever number of fetches they came in: under load batches grow by themselves.

        Raises what the writer raises; the partition must then be closed.
        """
        async with self._applying:
            while self.inbox and not self.closed:
                records, self.inbox = self.inbox, []
                for slice_ in self._slices(records):
                    await self._apply(slice_)

    async def _apply(self, records: Sequence[ConsumerRecord]) -> None:
        prepared, draft = await self._decide(records)
        if draft.position == self.position:
            return
        states = {key: state for key, (state, _) in prepared.changed.items()}
        self.observer.writing(self, states)
        with metrics.TRANSACTION_SECONDS.labels(self.domain.name).time():
            await self.writer.write(prepared)
        self.state.accept(prepared.changed, prepared.progress, draft.new_ids, draft.policy)
        if not self.closed:
            self.observer.committed(self, states)
        self._measure(records, prepared, draft)

    async def _decide(self, records: Sequence[ConsumerRecord]) -> tuple[Prepared, Draft]:
        options = self.options
        draft = await self._draft(records, probe=False)
        try:
            return prepare(draft, options.partitions, options.max_message_bytes), draft
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            log.warning("a batch cannot be encoded; looking for the record", partition=self.number, error=repr(error))
        draft = await self._draft(records, probe=True)
        return prepare(draft, options.partitions, options.max_message_bytes), draft

    async def _draft(self, records: Sequence[ConsumerRecord], *, probe: bool) -> Draft:
        draft = Draft(self.state, self.number, probe=probe, max_message_bytes=self.options.max_message_bytes)
        for start in range(0, len(records), _YIELD_EVERY):
            for record in records[start : start + _YIELD_EVERY]:
                draft.take(record)
            await asyncio.sleep(0)
        return draft

    def _slices(self, records: Sequence[ConsumerRecord]) -> Iterator[Sequence[ConsumerRecord]]:
        """At most slice_records and about slice_bytes a transaction."""
        start, size = 0, 0
        for index, record in enumerate(records):
            length = len(record.value or b"")
            if index > start and (
                index - start >= self.options.slice_records or size + length > self.options.slice_bytes
            ):
                yield records[start:index]
                start, size = index, 0
            size += length
        yield records[start:]

    def _measure(self, records: Sequence[ConsumerRecord], prepared: Prepared, draft: Draft) -> None:
        name = self.domain.name
        facts: dict[tuple[str, str], int] = {}
        for decided in prepared.facts:
            labels = type(decided.fact).__name__, fact_reason(decided.fact)
            facts[labels] = facts.get(labels, 0) + 1
        for (fact, reason), count in facts.items():
            metrics.DECISIONS.labels(name, fact, reason).inc(count)
        for letter in draft.dead_letters:
            metrics.DEAD_LETTERS.labels(name, letter.reason).inc()
            where = f"{self.number}:{letter.record.offset}"
            log.warning("dead letter", domain=name, offset=where, reason=letter.reason, detail=letter.detail)
        if draft.skipped:
            metrics.REPLAYS_SKIPPED.labels(name).inc(draft.skipped)
        if shortened := self.state.ring.shortened:
            metrics.RING_SHORTENED.labels(name).inc(shortened)
            self.state.ring.shortened = 0
        metrics.EVENTS.labels(name).inc(len(records))
        metrics.BATCH_EVENTS.labels(name).observe(len(records))
        self._entities.set(len(self.state.entities))
