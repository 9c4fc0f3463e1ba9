"""One client's way through the live events of its workspace: from its cursor, each event once and in order.

Its only state is the next position it wants. Behind that everything was told; what memory no longer has is read from
the log, so it does not matter where one ends and the other begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.api.live.cursor import Cursor, position_of
from tocsin.api.live.entry import Entry
from tocsin.api.live.hub import Hub, Unreadable
from tocsin.api.live.log import UNREADABLE, OutOfRange
from tocsin.api.live.ring import Channel
from tocsin.api.live.types import Types

BATCH: Final = 100
# Further back than this a client is told to read everything anew instead.
CATCH_UP_LIMIT: Final = 1_000_000  # records
_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Events:
    """Some events, in order."""

    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing for a while; ``Subscription.cursor`` may have moved over what this client does not want."""


@dataclass(frozen=True, slots=True)
class Stalled:
    """The log cannot be read now. ``over``: it can again."""

    over: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """Events may be missing from here on: the log does not have the client's position (any more)."""


@dataclass(frozen=True, slots=True)
class TooSlow:
    """The client fell behind what memory holds. Nothing comes after it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The server stops, or ``close`` was called. Nothing comes after it."""


Told = Events | Quiet | Stalled | Reset | TooSlow | Ended


class Subscription:
    """Made by ``subscribe``; ``close`` it. ``next`` is called by one task."""

    _channel: Channel

    def __init__(self, hub: Hub, workspace: str, types: Types) -> None:
        self._hub, self._workspace, self._types = hub, workspace, types
        self._partition, self._ring = hub.ring_of(workspace)
        self._position = 0
        self._generation = self._ring.generation
        self._woken = asyncio.Event()
        self._readable = True
        self._reset = self._joined = self._closed = False

    @classmethod
    async def subscribe(cls, hub: Hub, workspace: str, types: Types, cursor: Cursor | None) -> Subscription:
        """From behind ``cursor``, else from now on. Raises Unreadable."""
        made = cls(hub, workspace, types)
        await hub.join(made)
        try:
            await made._begin(cursor)
        except BaseException:
            hub.leave(made)
            raise
        made._channel = made._ring.join(workspace, types, made)
        return made

    async def _begin(self, cursor: Cursor | None) -> None:
        self._generation = self._ring.generation
        self._position = self._ring.end
        if cursor is None:
            return
        if cursor.partition == self._partition and self._ring.start <= cursor.next <= self._ring.end:
            self._position = cursor.next
            return
        try:
            bounds = await self._hub.bounds(self._partition)
        except UNREADABLE as error:
            raise Unreadable from error
        # another process may have read further than this one: what is not here yet will come
        oldest = max(bounds.start, bounds.end - position_of(CATCH_UP_LIMIT))
        if cursor.partition == self._partition and oldest <= cursor.next <= bounds.end:
            self._position = cursor.next
        else:
            self._reset = True

    @property
    def cursor(self) -> Cursor:
        """The last position passed: where to resume."""
        return Cursor(self._partition, self._position - 1)

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        """Lets ``next`` end; nothing is kept for this client any more."""
        if not self._closed:
            self._closed = True
            self._ring.leave(self._channel, self)
            self._hub.leave(self)
            self.wake()

    async def next(self, patience: float) -> Told:
        """What comes next; Quiet after ``patience`` seconds."""
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            self._woken.clear()
            if (told := self._changed()) is not None:
                return told
            if self._position < self._channel.start:
                if self._joined:
                    return TooSlow()
                found = await self._read_back(deadline)
            else:
                found = self._channel.after(self._position, BATCH)
                self._joined = True
                self._position = max(found[-1].position + 1 if found else self._ring.end, self._position)
            if found:
                return Events(found)
            if not await self._wait(deadline):
                return Quiet()

    def _changed(self) -> Told | None:
        if self._closed or self._hub.ended:
            return Ended()
        if self._readable != self._hub.readable:
            self._readable = self._hub.readable
            return Stalled(over=self._readable)
        if self._reset or self._generation != self._ring.generation:
            self._reset, self._generation = False, self._ring.generation
            self._position = self._ring.end
            return Reset()
        return None

    async def _read_back(self, deadline: float) -> Sequence[Entry]:
        """A bite of the log, as far as it is wanted."""
        try:
            async with asyncio.timeout_at(deadline):
                fetched = await self._hub.shelf.read(self._partition, self._position)
        except OutOfRange:
            self._reset = True
            return ()
        except UNREADABLE:
            await asyncio.sleep(min(_RETRY_SECONDS, max(0.0, deadline - asyncio.get_running_loop().time())))
            return ()
        # what the ring has is told by the ring
        self._position = fetched.next
        return [entry for entry in fetched.entries if self._channel.wants(entry)]

    async def _wait(self, deadline: float) -> bool:
        """Whether there may be something new, rather than the deadline."""
        if self._reset or self._position < self._channel.start:
            return asyncio.get_running_loop().time() < deadline
        try:
            async with asyncio.timeout_at(deadline):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True
