"""The projector: follows the facts and keeps the read models where they lead. ``run`` is the role's entry.

Postgres or Kafka going away stops nothing but progress: no position moves, the same records come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections import Counter
from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog
import uvloop
from aiokafka.errors import KafkaError

from tocsin import log as logging
from tocsin import metrics as process_metrics
from tocsin.database import UNAVAILABLE
from tocsin.projections.apply import PROJECTIONS
from tocsin.projections.feed import Feed
from tocsin.projections.metrics import Progress, ProjectorMetrics
from tocsin.projections.outcomes import Announcer
from tocsin.projections.positions import PositionMoved
from tocsin.projections.projection import Projection
from tocsin.projections.store import Batch, Projected, Store
from tocsin.projections.tables import READ_MODEL
from tocsin.settings import settings

log = structlog.get_logger(__name__)

NAME: Final = "projector"
GROUP: Final = "tocsin.projector.v1"
MAX_RECORDS: Final = 5_000
_BACKOFF_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class Projector:
    """One worker. ``run`` returns after ``stop``; it raises only what is a programming error."""

    def __init__(
        self,
        dsn: str,
        bootstrap: str,
        *,
        metrics: ProjectorMetrics,
        projections: Sequence[Projection] = PROJECTIONS,
        group: str = GROUP,
        max_records: int = MAX_RECORDS,
    ) -> None:
        self._domains = {one.topic: one.domain for one in projections}
        self._store = Store(dsn, projections, name=NAME, schema=READ_MODEL, answers=True)
        self._announcer = Announcer(dsn)
        self._bootstrap = bootstrap
        self._group = group
        self._metrics = metrics
        self._most = self._max_records = max_records
        self._stopping = asyncio.Event()
        self._trouble = ""
        self._attempts = 0

    def stop(self) -> None:
        """Finishes the batch in hand."""
        self._stopping.set()

    async def run(self) -> None:
        expiry = asyncio.create_task(self._announcer.expire())
        feed = await self._connected_feed()
        try:
            while feed is not None and not self._stopping.is_set():
                await self._step(feed)
        finally:
            expiry.cancel()
            if feed is not None:
                await feed.stop()
            await self._store.close()
            await self._announcer.close()

    async def _connected_feed(self) -> Feed | None:
        while not self._stopping.is_set():
            feed = Feed(self._bootstrap, self._domains, self._group)
            try:
                await feed.start()
            except KafkaError as error:
                await feed.stop()
                await self._back_off("kafka", error)
            else:
                self._recovered()
                return feed
        return None

    async def _step(self, feed: Feed) -> None:
        try:
            if feed.unplaced:
                await feed.place(await self._store.read_positions(feed.unplaced))
            batch = await feed.fetch(self._max_records)
            self._note(feed, batch)
            if batch.moves:
                done = await self._store.project(batch)
                feed.applied(batch)
                self._note(feed, Batch())
                await self._after(batch, done)
        except PositionMoved as error:
            log.info("a position was moved by somebody else; reading again from there", moved=str(error))
            self._metrics.retries.labels("position_moved").inc()
            feed.rewind()
        except KafkaError as error:
            await self._back_off("kafka", error)
        except (*UNAVAILABLE, asyncpg.PostgresError) as error:
            feed.rewind()
            # should the size of the transaction be the trouble, the next one is smaller
            self._max_records = max(1, self._max_records // 2)
            await self._back_off("postgres", error)
        else:
            if batch.moves:
                self._recovered()

    async def _after(self, batch: Batch, done: Projected) -> None:
        self._max_records = min(self._most, self._max_records * 2)
        if done.announced:
            await self._announcer.announce(done.announced)
        self._metrics.rows.inc(done.rows)
        self._metrics.facts.inc(len(batch.records))
        self._metrics.errors.inc(done.errors)
        self._metrics.visible(done.instants)

    def _note(self, feed: Feed, batch: Batch) -> None:
        """What is in hand and what is still in the log, for the lag."""
        progress = self._metrics.progress
        oldest: dict[tuple[str, int], int] = {}
        in_hand: Counter[tuple[str, int]] = Counter()
        for record in batch.records:
            oldest.setdefault((record.topic, record.partition), record.timestamp)
            in_hand[record.topic, record.partition] += 1
        for gone in progress.keys() - feed.partitions:
            del progress[gone]
        for partition in feed.partitions:
            one = progress.setdefault(partition, Progress(self._domains[partition[0]]))
            one.records = in_hand[partition] + feed.behind(partition)
            one.oldest = oldest.get(partition, 0)
            one.stopped = partition in feed.stopped

    async def _back_off(self, reason: str, error: Exception) -> None:
        if self._trouble != reason:
            log.warning(
                "projecting stands still; trying on", waiting_for=reason, error=f"{type(error).__name__}: {error}"
            )
            self._trouble = reason
        self._metrics.retries.labels(reason).inc()
        delay = _BACKOFF_SECONDS[min(self._attempts, len(_BACKOFF_SECONDS) - 1)]
        self._attempts += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)

    def _recovered(self) -> None:
        if self._trouble:
            log.info("projecting again", waited_for=self._trouble)
        self._trouble = ""
        self._attempts = 0


def run() -> None:
    """The role: projects until SIGTERM or SIGINT. Raises StartError when the metrics port is taken."""
    current = settings()
    logging.configure("project", current)
    process_metrics.serve(current.metrics_port, host=current.metrics_host)
    # a batch is many small objects that all go at its end: looking through them meanwhile finds nothing
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    uvloop.run(_run(current.database, current.kafka))


async def _run(dsn: str, bootstrap: str) -> None:
    projector = Projector(dsn, bootstrap, metrics=ProjectorMetrics())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, projector.stop)
    log.info("projecting", topics=[one.topic for one in PROJECTIONS])
    await projector.run()
    log.info("stopped")
