"""The newest live events of one partition in memory, and what of them each kind of client wants.

A client keeps nothing here but the next position it wants, so a slow one costs no memory: it falls off the ring.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, Protocol

from tocsin.api.live.entry import Entry
from tocsin.api.live.types import Types

_POSITION: Final = attrgetter("position")


class Listener(Protocol):
    def wake(self) -> None: ...


class Channel:
    """The entries of one workspace and choice of types. Complete from ``start`` on; ``listeners`` hear of new ones."""

    def __init__(self, workspace: str, types: Types, start: int) -> None:
        self.workspace, self.types, self.start = workspace, types, start
        self.listeners: set[Listener] = set()
        self._entries: list[Entry] = []

    def wants(self, entry: Entry) -> bool:
        return entry.workspace == self.workspace and self.types.match(entry.type)

    def after(self, position: int, limit: int) -> Sequence[Entry]:
        """The first entries at ``position`` or behind; it must not lie before ``start``."""
        entries = self._entries
        if not entries or entries[-1].position < position:
            return ()
        first = bisect_left(entries, position, key=_POSITION)
        return entries[first : first + limit]

    def extend(self, entries: Iterable[Entry]) -> bool:
        """Takes what it wants; whether there was any."""
        wanted = [entry for entry in entries if self.wants(entry)]
        self._entries += wanted
        return bool(wanted)

    def forget(self, before: int) -> None:
        """Drops what the ring dropped. ``start`` moves only when something of its own is gone."""
        gone = bisect_left(self._entries, before, key=_POSITION)
        if gone:
            self.start = self._entries[gone - 1].position + 1
            del self._entries[:gone]

    def restart(self, start: int) -> None:
        self.start = start
        self._entries.clear()

    def wake(self) -> None:
        for listener in self.listeners:
            listener.wake()


class Ring:
    """Every entry of the partition from ``start`` up to ``end``, at most about ``limit_bytes`` of them."""

    def __init__(self, limit_bytes: int, start: int = 0) -> None:
        self.start = self.end = start
        self.size = 0
        self.generation = 0
        self._limit = limit_bytes
        self._entries: deque[Entry] = deque()
        self._channels: dict[tuple[str, Types], Channel] = {}

    def extend(self, entries: Sequence[Entry], end: int) -> None:
        """Entries from ``self.end`` on, in order; ``end``: the next position to read."""
        self._entries.extend(entries)
        self.size += sum(entry.size for entry in entries)
        self.end = end
        self._evict()
        if entries:
            for channel in self._channels.values():
                heard = channel.extend(entries)
                channel.forget(self.start)
                if heard:
                    channel.wake()

    def _evict(self) -> None:
        while self.size > self._limit and self._entries:
            gone = self._entries.popleft()
            self.size -= gone.size
            self.start = gone.position + 1

    def restart(self, start: int, *, lost: bool = False) -> None:
        """Begins anew at ``start``. ``lost``: positions before it mean nothing any more (another log)."""
        self._entries.clear()
        self.size = 0
        self.start = self.end = start
        self.generation += lost
        for channel in self._channels.values():
            channel.restart(start)
            channel.wake()

    def join(self, workspace: str, types: Types, listener: Listener) -> Channel:
        channel = self._channels.get((workspace, types))
        if channel is None:
            channel = self._channels[workspace, types] = Channel(workspace, types, self.start)
            channel.extend(self._entries)
        channel.listeners.add(listener)
        return channel

    def leave(self, channel: Channel, listener: Listener) -> None:
        channel.listeners.discard(listener)
        if not channel.listeners:
            self._channels.pop((channel.workspace, channel.types), None)
