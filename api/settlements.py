"""Waiting for the end of tasks: one query a tick looks for everybody who waits, and none when nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from tocsin.problems import Problem

LOOK_EVERY_SECONDS: Final = 0.1
MOST_WAITING: Final = 5_000
"""More are answered at once, with the task as it is."""

Key = tuple[str, str]
Find = Callable[[Collection[Key]], Awaitable[Collection[Key]]]


class Settlements:
    """``find``: which of some (workspace, task id) are settled; it may raise Problem while the database is away."""

    def __init__(self, find: Find, look_every_seconds: float = LOOK_EVERY_SECONDS) -> None:
        self._find, self._every = find, look_every_seconds
        self._waiting: dict[Key, list[asyncio.Future[None]]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._number = 0

    async def wait(self, key: Key, seconds: float) -> None:
        """Until the task is settled, or so long."""
        if seconds <= 0 or self._number >= MOST_WAITING:
            return
        found: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(found)
        self._number += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            await asyncio.wait((found,), timeout=seconds)
        finally:
            self._number -= 1
            self._leave(key, found)

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _leave(self, key: Key, found: asyncio.Future[None]) -> None:
        others = [one for one in self._waiting.get(key, ()) if one is not found]
        if others:
            self._waiting[key] = others
        else:
            self._waiting.pop(key, None)

    async def _look(self) -> None:
        while self._waiting:
            try:
                settled = await self._find(list(self._waiting))
            except Problem:
                settled = ()  # whoever waits is told when its time is over and it reads the task itself
            for key in settled:
                for found in self._waiting.get(key, ()):
                    if not found.done():
                        found.set_result(None)
            await asyncio.sleep(self._every)
