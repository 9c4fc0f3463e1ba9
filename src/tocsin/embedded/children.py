"""The children of the supervisor: kept alive, restarted when they crash, stopped in order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Protocol

import psutil
import structlog

from tocsin.embedded import process, restarts

log = structlog.get_logger(__name__)


class Child(Protocol):
    """A process that can be started again and again. ``spawn`` is called in the main thread only."""

    process: psutil.Popen | None

    def spawn(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...


class Children:
    """``tell``: says one line to the person at the terminal."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._all: dict[str, Child] = {}
        self._crashes: dict[str, list[float]] = {}
        self._kept: set[str] = set()
        self._restarting: dict[str, asyncio.Task[None]] = {}
        self._ended = asyncio.Event()

    def spawn(self, name: str, child: Child) -> None:
        """Starts a child; from here on it is stopped with the others."""
        self._all[name] = child
        child.spawn()

    def keep(self, name: str) -> None:
        """From here on it is restarted when it ends."""
        self._kept.add(name)
        self._ended.set()

    def crashes(self, name: str) -> int:
        """How often it ended by itself."""
        return len(self._crashes.get(name, ()))

    async def watch(self) -> None:
        """Restarts what ends, until cancelled."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._ended.set)
        while True:
            await self._ended.wait()
            self._ended.clear()
            for name in self._kept - self._restarting.keys():
                found = self._all[name].process
                if found is not None and not process.is_alive(found):
                    self._restart(name, f"ended with code {found.returncode}")

    def _restart(self, name: str, reason: str) -> None:
        now = time.monotonic()
        crashes = self._crashes.setdefault(name, [])
        crashes.append(now)
        wait = restarts.delay(crashes, now)
        self._tell(f"{name} {reason}; starting it again{f' in {wait:.0f} s' if wait else ''}")
        log.warning("restarting", child=name, reason=reason, crashes=len(crashes), delay_seconds=wait)
        self._restarting[name] = asyncio.create_task(self._spawn_after(wait, name))

    async def _spawn_after(self, wait: float, name: str) -> None:
        await asyncio.sleep(wait)
        del self._restarting[name]
        try:
            self._all[name].spawn()
        except OSError as error:  # a full disk: it may have room again later
            self._restart(name, f"could not be started ({error.strerror})")
        self._ended.set()  # it may have ended again before anybody looked

    async def stop(self, order: tuple[str, ...]) -> None:
        """Stops one after the other; each has a deadline of its own and is killed after it."""
        self._kept.clear()
        for task in self._restarting.values():
            task.cancel()
        for name in order:
            if name in self._all:
                await asyncio.to_thread(self._all[name].stop)

    def kill(self) -> None:
        """Ends all of them now."""
        self._kept.clear()
        for child in self._all.values():
            child.kill()
