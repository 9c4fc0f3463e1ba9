"""Runs deliveries: each at its time, at most so many at once, fairly; one that is slow delays nobody else's.

It holds no Kafka partition and decides nothing: what is submitted runs once, unless it is cancelled. Whatever ``run``
has to tell, it tells itself.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import structlog

from tocsin.streams.effects.fair_queue import FairQueue, Limits, Place
from tocsin.streams.effects.pacing import Lines, Pace

LONGEST_SLEEP_SECONDS: Final = 1.0
"""So that a step of the clock is noticed."""

Cancelled = Literal["waiting", "running", "unknown"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """``run`` makes the attempt; it starts at ``not_before`` (Unix ms), or later when a limit is reached.

    ``pace``: it waits in that line; its run says ``dialled`` to the pool.
    """

    id: str
    place: Place
    not_before: int
    run: Callable[[], Awaitable[None]]
    pace: Pace | None = None


class Alarm(Protocol):
    """A call that can be taken back."""

    def cancel(self) -> None: ...


SetAlarm = Callable[[float, Callable[[], None]], Alarm]


class DeliveryPool:
    """``clock``: Unix ms. ``set_alarm``: calls back after so many seconds; the loop's ``call_later`` unless given."""

    def __init__(
        self, clock: Callable[[], int], limits: Limits | None = None, set_alarm: SetAlarm | None = None
    ) -> None:
        self._clock = clock
        self._set_alarm = set_alarm or _call_later
        self._queue = FairQueue(limits or Limits())
        self._lines = Lines()
        self._known: dict[str, Delivery] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._due: list[tuple[int, int, Delivery]] = []
        self._submitted = 0
        self._alarm: Alarm | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    @property
    def waiting(self) -> int:
        """Not begun: before their time, or behind a limit."""
        return len(self._known) - len(self._running)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def paced(self) -> int:
        """Those whose time has come and who wait for the rate of their line."""
        return len(self._lines)

    def submit(self, delivery: Delivery) -> bool:
        """False, and nothing done, when this id is here already or the pool is draining."""
        if self._draining or delivery.id in self._known:
            return False
        self._known[delivery.id] = delivery
        self._idle.clear()
        if delivery.not_before > self._clock():
            self._submitted += 1
            heapq.heappush(self._due, (delivery.not_before, self._submitted, delivery))
            self._arm()
        else:
            self._line_up(delivery)
            self._fill()
        return True

    def discard(self, delivery_id: str) -> Cancelled:
        """What it was doing. It begins nothing from here on; one that runs ends at its next step."""
        delivery = self._known.get(delivery_id)
        if delivery is None:
            return "unknown"
        task = self._running.get(delivery_id)
        if task is None:
            self._queue.remove(delivery.place, delivery_id)
            self._forget(delivery_id)  # its entry among the due ones is passed over
            if delivery.pace is not None:
                self._arm()  # it may have been the one its line waited for
            return "waiting"
        task.cancel()
        return "running"

    def dialled(self, delivery_id: str) -> None:
        """It is about to: the next of its line follows an interval from now."""
        self._lines.dialled(delivery_id, self._clock())
        self._arm()

    def hold(self, pace: Pace, until: int) -> None:
        """Nothing of this line starts before ``until``, Unix ms."""
        self._lines.hold(pace, until)
        self._arm()

    async def cancel(self, delivery_id: str) -> Cancelled:
        """What it was doing. When this returns it runs no more; whether a running one was received is not known."""
        task = self._running.get(delivery_id)
        was = self.discard(delivery_id)
        if task is not None:
            await asyncio.wait([task])
        return was

    async def drain(self, seconds: float) -> list[str]:
        """Takes nothing more, starts nothing more, lets those that run finish. The ids that did not run, or not to the
        end: another owner will find them in its state."""
        self._draining = True
        left = [delivery_id for delivery_id in self._known if delivery_id not in self._running]
        for delivery_id in left:
            await self.cancel(delivery_id)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=seconds)
        cut = [delivery_id for delivery_id in list(self._running) if await self.cancel(delivery_id) == "running"]
        self._disarm()
        return left + cut

    async def close(self) -> list[str]:
        """At once."""
        return await self.drain(0)

    async def idle(self) -> None:
        """Until nothing waits or runs."""
        await self._idle.wait()

    # --- time -------------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        self._disarm()
        while self._due and self._known.get(self._due[0][2].id) is not self._due[0][2]:
            heapq.heappop(self._due)
        times = [self._due[0][0]] if self._due else []
        if (wakes_at := self._lines.wakes_at()) is not None:
            times.append(wakes_at)
        if times and not self._draining:
            seconds = (min(times) - self._clock()) / 1000
            self._alarm = self._set_alarm(min(max(seconds, 0.0), LONGEST_SLEEP_SECONDS), self._woken)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _woken(self) -> None:
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            _, _, delivery = heapq.heappop(self._due)
            if self._known.get(delivery.id) is delivery:
                self._line_up(delivery)
        self._fill()
        self._arm()

    def _line_up(self, delivery: Delivery) -> None:
        """Its time has come: behind the others of its line, if it has one, else where turns are taken."""
        if delivery.pace is None:
            self._queue.put(delivery.place, delivery.id)
        else:
            self._lines.join(delivery.pace, delivery.id, delivery.not_before)

    # --- running ----------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        for delivery_id in self._lines.ready(self._clock()):
            self._queue.put(self._known[delivery_id].place, delivery_id)
        if self._lines.wakes_at() is not None:
            self._arm()
        while not self._draining and (taken := self._queue.take()) is not None:
            _, delivery_id = taken
            self._start(self._known[delivery_id])

    def _start(self, delivery: Delivery) -> None:
        task = asyncio.create_task(_guarded(delivery), name=f"delivery {delivery.id}")
        self._running[delivery.id] = task
        # also for a task that is cancelled before its first step
        task.add_done_callback(lambda _: self._ended(delivery))

    def _ended(self, delivery: Delivery) -> None:
        del self._running[delivery.id]
        self._queue.release(delivery.place)
        self._forget(delivery.id)
        self._fill()

    def _forget(self, delivery_id: str) -> None:
        self._lines.leave(delivery_id)
        del self._known[delivery_id]
        if not self._known:
            self._idle.set()


async def _guarded(delivery: Delivery) -> None:
    try:
        await delivery.run()
    except Exception:
        # a bug: run is to tell failures itself
        log.exception("a delivery ended in an unforeseen way", delivery=delivery.id, workspace=delivery.place.workspace)


def _call_later(seconds: float, callback: Callable[[], None]) -> Alarm:
    return asyncio.get_running_loop().call_later(seconds, callback)
