"""Publishes a TimerDue into the domain's own events when an entity of an owned partition wants to be woken.

It is only a wake-up: the decision checks what is due by the log's time, so one too many or too early changes nothing.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.times import rfc3339
from tocsin.events.topics import events_topic
from tocsin.kafka_security import client_options, stop_client
from tocsin.streams.runtime import metrics
from tocsin.streams.runtime.ownership import OwnedPartition

log = structlog.get_logger(__name__)
_LONGEST_SLEEP: Final = 0.25  # seconds; a timer armed meanwhile is seen this late at worst
_AT_ONCE: Final = 1000  # wake-ups of one partition published together
_LOOK_SECONDS: Final = 0.004  # of computing due times anew at a time
_BETWEEN_LOOKS: Final = 0.01
_TOO_EARLY_PAUSE: Final = 20  # ms before a timer that came early (clocks differ) is published again


def unix_now() -> int:
    """This machine's clock in Unix ms. It only says when to wake somebody, never what is decided."""
    return time.time_ns() // 1_000_000


class Looks:
    """Computes due times anew, a moment at a time: after another policy was activated, and now and then in domains that
    ask for it, so that a lost timer is late by that interval and not for ever."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._begun: WeakKeyDictionary[OwnedPartition, float] = WeakKeyDictionary()

    def go_on(self, owned: Iterable[OwnedPartition]) -> bool:
        """One moment, for whichever partitions have something left. Returns whether there may be more."""
        until = time.perf_counter() + _LOOK_SECONDS
        left = False
        for partition in owned:
            if partition.domain.looked_at:
                begun = self._begun.setdefault(partition, self._clock())
                if self._clock() >= begun + self._seconds:
                    self._begun[partition] = self._clock()
                    partition.state.look_again()
            moment = until - time.perf_counter()
            left = moment <= 0 or partition.state.look_on(moment) or left
        return left


class TimerPublisher:
    """Runs beside the agents of one worker. ``owned`` names the partitions it owns right now."""

    def __init__(
        self,
        bootstrap_servers: str,
        owned: Callable[[], Iterable[OwnedPartition]],
        clock: Callable[[], int] = unix_now,
        look_again_after: int = 60_000,
    ) -> None:
        """look_again_after: ms after which the due times of a domain that asks for it are computed anew."""
        self._owned, self._clock = owned, clock
        self._looks = Looks(look_again_after / 1000)
        self._full: WeakKeyDictionary[OwnedPartition, int] = WeakKeyDictionary()
        self._producer = AIOKafkaProducer(
            **client_options(), bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True
        )

    async def run(self) -> None:
        """Until cancelled."""
        await self._producer.start()
        try:
            while True:
                pause = await self.publish_due()
                await asyncio.sleep(pause)
        finally:
            await stop_client(self._producer)

    async def publish_due(self) -> float:
        """Publishes every wake-up due now. Returns the seconds until the next one, at most the longest sleep."""
        owned = list(self._owned())
        looking = self._looks.go_on(owned)
        now, next_due = self._clock(), None
        for partition in owned:
            # thousands due at once do not go in front of everything else: a full batch is applied before the next one
            if partition.position > self._full.get(partition, -1):
                due = partition.state.due.take_due(now, _AT_ONCE)
                if due:
                    await self._publish(partition, due)
            upcoming = partition.state.due.next_due()
            if upcoming is not None and (next_due is None or upcoming < next_due):
                next_due = upcoming
        longest = _BETWEEN_LOOKS if looking else _LONGEST_SLEEP
        if next_due is None:
            return longest
        # a timer that is due by this clock but not by the log's comes back at once: leave the log a moment
        return min(longest, max(_TOO_EARLY_PAUSE, next_due - self._clock()) / 1000)

    async def _publish(self, partition: OwnedPartition, due: list[tuple[bytes, int]]) -> None:
        domain = partition.domain
        timer_due = domain.events[f"tocsin.{domain.name}.TimerDue.v1"]
        try:
            futures = [
                await self._send(partition, key, timer_due(entity=_entity(key), due_at=due_at)) for key, due_at in due
            ]
            sent = await asyncio.gather(*futures)
            if len(due) == _AT_ONCE:
                self._full[partition] = max(one.offset for one in sent)
            metrics.TIMERS_FIRED.labels(domain.name).inc(len(due))
        except KafkaError as error:
            log.warning("wake-ups could not be published; trying again", partition=partition.number, error=repr(error))
            for key, due_at in due:
                partition.state.due.set(key, due_at)

    async def _send(self, partition: OwnedPartition, key: bytes, event: Any) -> Any:
        domain = partition.domain.name
        workspace = key.decode().partition("/")[0]
        headers = to_headers(
            Envelope(
                id=uuid.uuid4().hex,
                type=f"tocsin.{domain}.TimerDue.v1",
                source=f"/tocsin/streams/{domain}",
                time=rfc3339(self._clock()),
                workspace=workspace,
            )
        )
        return await self._producer.send(
            events_topic(domain), msgspec.json.encode(event), key=key, partition=partition.number, headers=headers
        )


def _entity(key: bytes) -> str:
    return key.decode().partition("/")[2]
