"""The pool and real attempts together: limits as the receivers see them, and what a slow one costs the others."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from tests.stages.attempts import quick_sender
from tests.stages.sinks import OK, Received, Sink
from tocsin.streams.effects.attempt import Sender
from tocsin.streams.effects.fair_queue import Limits, Place
from tocsin.streams.effects.pool import Delivery, DeliveryPool
from tocsin.streams.effects.request import AttemptResult, OutgoingRequest


def now() -> int:
    return time.time_ns() // 1_000_000


class Deliveries:
    """Submits attempts to sinks; ``results`` by endpoint, in the order they ended."""

    def __init__(self, sender: Sender, limits: Limits) -> None:
        self.sender = sender
        self.pool = DeliveryPool(now, limits)
        self.results: dict[str, list[AttemptResult]] = {}
        self.started: list[int] = []
        self._one_ended = asyncio.Condition()

    def submit(self, delivery_id: str, sink: Sink, workspace: str = "w", not_before: int = 0) -> None:
        async def run() -> None:
            self.started.append(now())
            result = await self.sender.send(OutgoingRequest(sink.url(), b"{}", workspace), now())
            self.results.setdefault(sink.url(), []).append(result)
            async with self._one_ended:
                self._one_ended.notify_all()

        assert self.pool.submit(Delivery(delivery_id, Place(workspace, sink.url()), not_before, run))

    async def ended(self, sink: Sink, count: int) -> None:
        async with self._one_ended:
            await self._one_ended.wait_for(lambda: len(self.results.get(sink.url(), ())) >= count)


@contextlib.asynccontextmanager
async def deliveries(limits: Limits | None = None) -> AsyncIterator[Deliveries]:
    async with quick_sender(total_seconds=60) as sender:
        found = Deliveries(sender, limits or Limits())
        yield found
        await found.pool.close()


async def test_J9_an_endpoint_has_at_most_four_at_a_time_and_a_silent_one_delays_nobody() -> None:
    at_once = most = 0

    async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(60)

    async with Sink(silent) as slow, Sink() as fast, deliveries() as given:
        for number in range(20):
            given.submit(f"slow-{number}", slow)
        for number in range(200):
            given.submit(f"fast-{number}", fast)
        await asyncio.wait_for(given.ended(fast, 200), 30)
        assert (most, len(slow.requests), given.pool.running, given.pool.waiting) == (4, 4, 4, 16)
        assert fast.accepted <= 4
        assert {result.status for result in given.results[fast.url()]} == {200}


async def test_J9_an_attempt_starts_within_moments_of_its_time() -> None:
    async with Sink() as sink, deliveries() as given:
        due = now() + 200
        for number in range(20):
            given.submit(str(number), sink, not_before=due)
        await asyncio.wait_for(given.pool.idle(), 5)
        assert all(started >= due for started in given.started)
        assert min(given.started) - due < 1_000


async def test_J10_a_cancelled_attempt_is_not_received_or_cut_off() -> None:
    received = asyncio.Event()

    async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
        received.set()
        await asyncio.sleep(60)

    async with Sink(silent) as sink, deliveries(Limits(1, 1, 1)) as given:
        given.submit("first", sink)
        given.submit("second", sink)
        await received.wait()
        assert await given.pool.cancel("second") == "waiting"
        assert await given.pool.cancel("first") == "running"
        assert (len(sink.requests), given.results, given.pool.running) == (1, {}, 0)


async def test_J9_a_thousand_deliveries_to_fifty_endpoints_all_arrive_once() -> None:
    async with contextlib.AsyncExitStack() as stack:
        sinks = [await stack.enter_async_context(Sink(OK)) for _ in range(50)]
        given = await stack.enter_async_context(deliveries())
        for number in range(1_000):
            given.submit(str(number), sinks[number % 50], f"w{number % 5}")
        await asyncio.wait_for(given.pool.idle(), 30)
        assert [len(sink.requests) for sink in sinks] == [20] * 50
        assert {result.status for results in given.results.values() for result in results} == {200}
        assert max(sink.accepted for sink in sinks) <= 4
