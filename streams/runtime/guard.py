"""Ends the process when it must not go on: frozen past its session, or standing still while records wait.

A process that stood still (SIGSTOP, a paused machine, a blocked loop) may have been replaced; a transaction left open
holds back every reader of the partitions it touched. Ending is safe at any instant: whatever was not committed is
decided again by the successor.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog
from aiokafka.errors import IllegalStateError

from tocsin.streams.runtime import metrics
from tocsin.streams.runtime.options import EXIT_FROZEN, EXIT_NO_PROGRESS, Options
from tocsin.streams.runtime.ownership import OwnedPartition

log = structlog.get_logger(__name__)
_BEAT: Final = 0.1
_LAG_INTERVAL: Final = 1.0


class FreezeGuard(threading.Thread):
    """Watches the event loop and open transactions from a thread of its own."""

    def __init__(self, options: Options, owned: Callable[[], Iterable[OwnedPartition]]) -> None:
        super().__init__(name="freeze-guard", daemon=True)
        self._limit = options.frozen_after / 1000
        self._owned = owned
        self._last_beat = float("inf")  # until the first
        self._watching = True

    async def beat(self) -> None:
        """Runs on the event loop until cancelled; its silence means the loop is stuck."""
        try:
            while True:
                now = time.monotonic()
                if (silent := now - self._last_beat) > self._limit:
                    self._end("the event loop stood still", silent)  # and its watch with it: the process was frozen
                self._last_beat = now
                await asyncio.sleep(_BEAT)
        finally:
            self._watching = False  # the worker is stopping, in its own time

    def run(self) -> None:
        while self._watching:
            time.sleep(_BEAT)
            now = time.monotonic()
            if self._watching and (silent := now - self._last_beat) > self._limit:
                self._end("the event loop stood still", silent)
            for partition in list(self._owned()):
                since = partition.writer.open_since
                if since is not None and now - since > self._limit:
                    self._end(f"a transaction of partition {partition.number} stayed open", now - since)

    def _end(self, why: str, seconds: float) -> None:
        log.error("ending this process: " + why, seconds=round(seconds, 3))
        os._exit(EXIT_FROZEN)


class ProgressWatch:
    """Measures lag once a second, and ends the process when records wait and nothing moves."""

    def __init__(self, options: Options, consumer: Any) -> None:
        self._limit = options.no_progress_after / 1000
        self._consumer = consumer
        self._moved: dict[Any, tuple[tuple[int, int], float]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_LAG_INTERVAL)
            for tp, partition in list(self._consumer.owned.items()):
                await self._look(tp, partition)

    async def _look(self, tp: Any, partition: OwnedPartition) -> None:
        try:
            end, fetched = self._consumer.highwater(tp), await self._consumer.position(tp)
        except (AssertionError, IllegalStateError):
            return  # a rebalance takes it away at this moment; aiokafka says so in these two ways
        if end is None or fetched is None:
            return
        # commit markers are offsets without a record: a fetch position at the end means everything was handed over
        waiting = len(partition.inbox) if fetched >= end else end - partition.position
        self._measure(partition, max(0, waiting))
        now, here = time.monotonic(), (partition.position, fetched)
        before, since = self._moved.get(tp, (None, now))
        if waiting <= 0 or here != before:
            self._moved[tp] = here, now
        elif now - since > self._limit:
            log.error("ending this process: records wait, but a partition does not move", partition=str(tp), at=here)
            os._exit(EXIT_NO_PROGRESS)

    @staticmethod
    def _measure(partition: OwnedPartition, waiting: int) -> None:
        labels = "decide", partition.domain.name, str(partition.number)
        metrics.LAG_RECORDS.labels(*labels).set(waiting)
        behind = time.time() - partition.state.progress.now / 1000 if waiting and partition.state.progress.now else 0.0
        metrics.LAG_SECONDS.labels(*labels).set(max(0.0, behind))
