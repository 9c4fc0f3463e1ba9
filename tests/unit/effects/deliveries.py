"""A runner over partitions whose states a test sets, with a clock moved by hand, a sender and an outbox in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from tests.unit.effects.test_pool import Hand
from tocsin.encryption import Cipher
from tocsin.events.deliveries import AttemptFinished, Origin, Request
from tocsin.events.identity import delivery_id, record_key
from tocsin.events.times import rfc3339
from tocsin.streams.domain.deliveries import DELIVERIES
from tocsin.streams.domain.delivery_state import DeliveryState
from tocsin.streams.effects.attempt import NotNow
from tocsin.streams.effects.building import Builder
from tocsin.streams.effects.fair_queue import Limits
from tocsin.streams.effects.making import Tools
from tocsin.streams.effects.request import AttemptResult, OutgoingRequest
from tocsin.streams.effects.runner import Runner
from tocsin.streams.runtime.id_ring import IdRing
from tocsin.streams.runtime.partition_state import PartitionState, Progress


class MemoryPartition:
    """As much of an owned partition as an observer sees; ``set`` is a commit."""

    def __init__(self, runner: Runner, number: int = 0) -> None:
        self.state = PartitionState(DELIVERIES, IdRing(1, 1))
        self.number, self.closed, self._runner = number, False, runner

    def set(self, **states: DeliveryState | None) -> None:
        changed = {key_of(name): state for name, state in states.items()}
        me: Any = self
        self._runner.writing(me, changed)
        encoded = {key: (state, msgspec.json.encode(state) if state else None) for key, state in changed.items()}
        self.state.accept(encoded, Progress(), [], None)
        self._runner.committed(me, changed)

    def open(self) -> None:
        me: Any = self
        self._runner.opened(me)

    def close(self) -> None:
        me: Any = self
        self.closed = True
        self._runner.closed(me)


def key_of(name: str, endpoint: str = "https://example.com:443") -> bytes:
    return record_key("default", delivery_id("default", endpoint, name))


def waiting(name: str, not_before: int, attempt: int = 1, **request: Any) -> DeliveryState:
    return DeliveryState(
        delivery_id("default", "https://example.com:443", name),
        Origin(domain="jobs", entity="j_x-1", run_id=f"run-{name}"),
        Request(**{"url": "https://example.com/hook", **request}),
        not_before,
        rfc3339(not_before),
        4,
        attempt,
    )


class MemorySender:
    """Answers with ``status`` once ``gate`` is open."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.sent: list[tuple[int, OutgoingRequest]] = []
        self.status: int | None = 200
        self.retry_after: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self._clock = clock

    async def send(self, request: OutgoingRequest, started_at: int, may_dial: Callable[[], bool]) -> AttemptResult:
        if not may_dial():
            raise NotNow
        self.sent.append((self._clock(), request))
        await self.gate.wait()
        error: Any = None if self.status else "timeout"
        return AttemptResult(started_at, 1, self.status, error, retry_after=self.retry_after)


class MemoryOutbox:
    def __init__(self) -> None:
        self.told: list[AttemptFinished] = []

    async def finished(self, key: bytes, partition: int, event: AttemptFinished) -> None:
        self.told.append(event)


class MemorySecrets:
    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def of(self, workspace: str) -> tuple[str, ...]:
        return self.texts


class Bodies:
    """By digest; an exception is raised."""

    def __init__(self) -> None:
        self.known: dict[str, bytes | Exception] = {}

    async def get(self, digest: str) -> bytes:
        found = self.known[digest]
        if isinstance(found, Exception):
            raise found
        return found


class Story:
    def __init__(self, limits: Limits | None = None, keys: str = "") -> None:
        self.hand, self.allowed = Hand(), True
        self.runner = Runner(self.hand.clock, self._may_act, limits, self.hand.set_alarm)
        self.partition = MemoryPartition(self.runner)
        self.sender, self.outbox, self.bodies = MemorySender(self.hand.clock), MemoryOutbox(), Bodies()
        self.channels: dict[str, str] = {}
        tools: Any = Tools
        self.runner.equip(
            tools(self.sender, Builder(self.bodies, MemorySecrets(), Cipher(keys), self.channels), self.outbox)
        )

    def _may_act(self, partition: Any) -> bool:
        return self.allowed and not partition.closed

    async def move(self, milliseconds: int) -> None:
        self.hand.move(milliseconds)
        await settle()


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)
