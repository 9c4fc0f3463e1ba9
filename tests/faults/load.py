"""Clients that report failures and give commands while faults happen, and repeat each request until it is accepted."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from tests.faults.patient import ATTEMPT, GIVE_UP, Patient
from tests.installation import eventually
from tocsin.ingest.records import keyed_id

CLIENTS: Final = 16
IDENTIFIERS: Final = 20
COMMAND_EVERY: Final = 8  # so many failures of a client go with one command
PAUSE: Final = 0.15  # between two requests of a client
_WANTED: Final = ("in_progress", "pending", "open")


class Load:
    """A context manager: runs in a thread of its own, and leaves once every request under way is accepted.

    acked: the body of each accepted failure by event id; commands: the event ids of accepted commands;
    statuses: how often each HTTP status was answered.
    """

    def __init__(self, url: str, workflow: str) -> None:
        self.workflow = workflow
        self.acked: dict[str, dict[str, Any]] = {}
        self.commands: set[str] = set()
        self.patient = Patient()
        self.statuses = self.patient.statuses
        self.later = 0  # commands that were answered by 202
        self._url = url
        self._numbers = itertools.count()
        self._stopping = False
        self._failure: BaseException | None = None
        self._acking = threading.Lock()  # who counts walks through what the clients add to
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, error: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._stopping = True
        self._thread.join(GIVE_UP + 10)
        if error is None:
            assert not self._thread.is_alive()
            assert self._failure is None, repr(self._failure)

    def flows(self, more: int = 50, seconds: float = 60) -> None:
        """Waits until so many more failures are accepted."""
        wanted = len(self.acked) + more
        eventually(lambda: len(self.acked) >= wanted or self._failure is not None, seconds)
        assert self._failure is None, repr(self._failure)

    @property
    def counts(self) -> Counter[str]:
        """Distinct accepted events by identifier."""
        with self._acking:
            return Counter(body["identifier"] for body in self.acked.values())

    # --- the clients, in their own thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._clients())
        except BaseException as error:
            self._failure = error

    async def _clients(self) -> None:
        async with aiohttp.ClientSession(self._url, timeout=ATTEMPT) as session, asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client(session))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        for turn in itertools.count():
            if self._stopping:
                return
            ticket = await self._report(session, next(self._numbers))
            if turn % COMMAND_EVERY == 0:
                await self._command(session, ticket, next(self._numbers))
            await asyncio.sleep(PAUSE)

    async def _report(self, session: aiohttp.ClientSession, number: int) -> str:
        body = {"workflow": self.workflow, "identifier": f"id-{number % IDENTIFIERS}", "message": f"boom {number}"}
        answer = await self.patient.accepted(session, "POST", "/failures", body, f"{self.workflow}-{number}")
        with self._acking:
            self.acked[answer["event_id"]] = body
        return f"{answer['ticket_entity']}-1"

    async def _command(self, session: aiohttp.ClientSession, ticket: str, number: int) -> None:
        key, path = f"{self.workflow}-{number}", f"/tickets/{ticket}"
        answer = await self.patient.accepted(session, "PATCH", path, {"status": _WANTED[number % 3]}, key)
        self.commands.add(keyed_id("default", "PATCH", path, key))
        self.later += "status_url" in answer
