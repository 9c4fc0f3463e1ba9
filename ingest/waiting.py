"""Waiting for the decision about a request: woken by NOTIFY, with a look at the outcomes table as fallback."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import structlog

from tocsin import outcomes
from tocsin.database import UNAVAILABLE, PromptPool
from tocsin.outcomes import Outcome

log = structlog.get_logger(__name__)

Find = Callable[[str, str], Awaitable[Outcome | None]]
FindAll = Callable[[str, Sequence[str]], Awaitable[dict[str, Outcome]]]
Found = TypeVar("Found")

POLL_SECONDS: Final = 0.5
LOOKUP_SECONDS: Final = 2.0


class Outcomes:
    """Finds outcomes, waiting for them when asked to. The database may be down: then nothing is found."""

    def __init__(self, find: Find, find_all: FindAll, poll_seconds: float = POLL_SECONDS) -> None:
        self._find = find
        self._find_all = find_all
        self._poll_seconds = poll_seconds
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    @classmethod
    def of(cls, pool: Any) -> Outcomes:
        """Looks in ``tocsin.outcomes`` through an asyncpg pool."""
        prompt = PromptPool(pool)

        async def find(workspace: str, event_id: str) -> Outcome | None:
            return await outcomes.find(prompt, workspace, event_id)

        async def find_all(workspace: str, event_ids: Sequence[str]) -> dict[str, Outcome]:
            return await outcomes.find_all(prompt, workspace, event_ids)

        return cls(find, find_all)

    async def now(self, workspace: str, event_id: str, seconds: float = LOOKUP_SECONDS) -> Outcome | None:
        return await self._looked_up(self._find(workspace, event_id), seconds)

    async def all_now(
        self, workspace: str, event_ids: Sequence[str], seconds: float = LOOKUP_SECONDS
    ) -> dict[str, Outcome]:
        """Those that are decided, by event id."""
        return await self._looked_up(self._find_all(workspace, event_ids), seconds) or {}

    async def _looked_up(self, asked: Awaitable[Found], seconds: float) -> Found | None:
        # not asyncio.timeout: asyncpg waits for a frozen server to confirm a cancellation, for ever
        looking = asyncio.ensure_future(asked)
        looking.add_done_callback(lambda found: found.cancelled() or found.exception())  # nobody else may ask
        try:
            await asyncio.wait({looking}, timeout=seconds)
            if looking.done():
                return looking.result()
            log.warning("outcomes cannot be read", error="no answer")
        except UNAVAILABLE as error:
            log.warning("outcomes cannot be read", error=type(error).__name__)
        finally:
            looking.cancel()
        return None

    @contextlib.contextmanager
    def expected(self, workspace: str, event_ids: Iterable[str]) -> Iterator[asyncio.Event]:
        """Registers for outcomes. To be entered before the requests are published, or a NOTIFY may be missed."""
        event = asyncio.Event()
        names = [f"{workspace}/{event_id}" for event_id in event_ids]
        for name in names:
            self._waiting[name].add(event)
        try:
            yield event
        finally:
            for name in names:
                self._waiting[name].discard(event)
                if not self._waiting[name]:
                    del self._waiting[name]

    async def within(self, seconds: float, woken: asyncio.Event, workspace: str, event_id: str) -> Outcome | None:
        """The outcome, or None when it did not come in time."""
        found: Outcome | None = None

        async def look(patience: float) -> bool:
            nonlocal found
            found = await self.now(workspace, event_id, patience)
            return found is not None

        await self._until(look, seconds, woken)
        return found

    async def all_within(
        self, seconds: float, woken: asyncio.Event, workspace: str, event_ids: Sequence[str]
    ) -> dict[str, Outcome]:
        """Those that came in time, by event id."""
        found: dict[str, Outcome] = {}

        async def look(patience: float) -> bool:
            missing = [event_id for event_id in event_ids if event_id not in found]
            found.update(await self.all_now(workspace, missing, patience))
            return len(found) == len(event_ids)

        await self._until(look, seconds, woken)
        return found

    async def _until(self, look: Callable[[float], Awaitable[bool]], seconds: float, woken: asyncio.Event) -> None:
        """Looks whenever woken, and now and then besides, until there is nothing to look for or the time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            remaining = deadline - loop.time()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), max(0.0, min(self._poll_seconds, remaining)))
            woken.clear()
            patience = max(self._poll_seconds, min(LOOKUP_SECONDS, deadline - loop.time()))
            if await look(patience) or loop.time() >= deadline:
                return

    def notified(self, payload: str) -> None:
        """Wakes whoever waits for one of the names: ``workspace/event_id``, separated by spaces."""
        for name in payload.split():
            for event in self._waiting.get(name, ()):
                event.set()

    def wake_all(self) -> None:
        """After a reconnect: whatever was notified meanwhile has been missed."""
        for events in self._waiting.values():
            for event in events:
                event.set()
