"""A log of live events in memory, with the holes a real one has, and what reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec
from aiokafka.errors import KafkaConnectionError

from tocsin.api.live.cursor import offset_of, position_of
from tocsin.api.live.entry import Entry, entries_of
from tocsin.api.live.hub import Hub
from tocsin.api.live.live import Live
from tocsin.api.live.log import Bounds, Fetched, OutOfRange
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import partition_of
from tocsin.events.live import LIVE_EVENTS, LiveEvent, LiveEvents

PARTITIONS = 2
POLL_SECONDS = 0.002


class MemoryLog:
    """``reader`` makes readers of it. ``broken``: nobody can read. ``bite``: records a fetch reads at most."""

    def __init__(self, partitions: int = PARTITIONS, bite: int = 7) -> None:
        self.entries: dict[int, list[Entry]] = {partition: [] for partition in range(partitions)}
        self.starts, self.ends = dict.fromkeys(self.entries, 0), dict.fromkeys(self.entries, 0)
        self.bite, self.broken, self.readers = bite, False, 0

    def append(self, live_type: str = "ticket.opened", workspace: str = "default", **event: Any) -> Entry:
        """A record with one event, and a commit marker behind it."""
        (made,) = self.append_record([live_type], workspace, **event)
        return made

    def append_record(self, live_types: Iterable[str], workspace: str = "default", **event: Any) -> list[Entry]:
        """A record with several."""
        partition = partition_of(workspace.encode(), len(self.entries))
        offset = self.ends[partition]
        at = "2026-03-14T09:26:53.589Z"
        envelope = Envelope(f"tickets:0:{offset}:0:live", LIVE_EVENTS, "/tocsin/streams/tickets", at, workspace)
        events = tuple(LiveEvent(type=live_type, occurred_at=at, **event) for live_type in live_types)
        made = entries_of(partition, offset, to_headers(envelope), msgspec.json.encode(LiveEvents(events)))
        self.entries[partition] += made
        self.ends[partition] = offset + 2
        return made

    def end(self, partition: int) -> int:
        """The position behind everything."""
        return position_of(self.ends[partition])

    def expire(self, partition: int, before: int) -> None:
        """What lies before that offset is gone, as after the retention."""
        self.starts[partition] = before
        kept = [one for one in self.entries[partition] if one.position >= position_of(before)]
        self.entries[partition] = kept

    def reader(self) -> MemoryReader:
        self.readers += 1
        return MemoryReader(self)


class MemoryReader:
    """The twin of KafkaReader."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._positions: dict[int, int] = {}

    async def start(self) -> None:
        self._check()

    async def stop(self) -> None:
        self._log.readers -= 1

    async def bounds(self, partitions: Iterable[int]) -> Mapping[int, Bounds]:
        self._check()
        await asyncio.sleep(0)
        return {one: Bounds(position_of(self._log.starts[one]), self._log.end(one)) for one in partitions}

    def place(self, positions: Mapping[int, int]) -> None:
        self._positions = dict(positions)

    async def fetch(self) -> Mapping[int, Fetched]:
        await asyncio.sleep(POLL_SECONDS)
        if self._log.broken:
            return {}  # as a consumer does: it waits for the broker
        wrong = {
            partition: position
            for partition, position in self._positions.items()
            if not position_of(self._log.starts[partition]) <= position <= self._log.end(partition)
        }
        if wrong:
            raise OutOfRange(wrong)
        return {partition: found for partition in self._positions if (found := self._next(partition))}

    def _next(self, partition: int) -> Fetched | None:
        position = self._positions[partition]
        behind = min(position_of(offset_of(position) + self._log.bite), self._log.end(partition))
        if behind == position:
            return None
        self._positions[partition] = behind
        found = [one for one in self._log.entries[partition] if position <= one.position < behind]
        return Fetched(found, behind)

    def _check(self) -> None:
        if self._log.broken:
            raise KafkaConnectionError("no broker")


def live_events(tokens: Any = None, log: MemoryLog | None = None, **options: Any) -> Live:
    """The live events of a log in memory, by default an empty one that nobody reads."""
    hub = Hub((log or MemoryLog()).reader, PARTITIONS, **options)
    return Live(hub, cast("Any", tokens), origins=("https://console.example",), max_clients=50)
