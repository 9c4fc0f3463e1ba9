"""The progress watch: measures lag, ends a worker that stands still, and survives rebalances."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError

from tocsin.streams.runtime.guard import ProgressWatch
from tocsin.streams.runtime.options import Options


class RevokedConsumer:
    """What aiokafka does while a rebalance takes the partition away: one of its calls refuses."""

    def __init__(self, refusal: Exception, *, at_highwater: bool) -> None:
        self._refusal, self._at_highwater = refusal, at_highwater
        partition: Any = SimpleNamespace(number=0, position=3, inbox=[], domain=SimpleNamespace(name="tickets"))
        self.owned = {("tocsin.tickets.events.v1", 0): partition}
        self.asked = asyncio.Event()

    def highwater(self, _: Any) -> int:
        self.asked.set()
        if self._at_highwater:
            raise self._refusal
        return 7

    async def position(self, _: Any) -> int:
        raise self._refusal


@pytest.mark.parametrize(
    ("refusal", "at_highwater"),
    [
        (AssertionError("Partition is not assigned"), True),
        (IllegalStateError("Partition is not assigned"), False),
    ],
)
async def test_a_partition_taken_away_meanwhile_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, refusal: Exception, at_highwater: bool
) -> None:
    monkeypatch.setattr("tocsin.streams.runtime.guard._LAG_INTERVAL", 0.001)
    consumer = RevokedConsumer(refusal, at_highwater=at_highwater)
    watch = asyncio.create_task(ProgressWatch(Options("unused", "test", 4), consumer).run())
    for _ in range(3):
        consumer.asked.clear()
        async with asyncio.timeout(5):
            await consumer.asked.wait()
    assert not watch.done()
    watch.cancel()
