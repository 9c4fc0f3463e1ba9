"""Addresses of a host name by the system's resolver, so that one workspace's dead name servers delay nobody else.

Lookups run in threads of their own: the loop's pool is small and shared, and a lookup cannot be interrupted. Each
workspace has a few at a time, counted until they really end. Nothing is remembered: every attempt asks anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Final, Protocol

LOOKUPS: Final = 64
LOOKUPS_PER_WORKSPACE: Final = 8

Lookup = Callable[[str], Sequence[str]]


class LookupFailed(Exception):
    """There is no address; ``str(error)`` is a phrase for people."""


class Names(Protocol):
    """Who is asked for addresses."""

    async def addresses(self, host: str, workspace: str) -> Sequence[str]:
        """In the order they should be tried. Raises LookupFailed."""

    async def close(self) -> None:
        """Lookups under way are given up."""


def system_lookup(host: str) -> Sequence[str]:
    """Blocks. Every address of both families, in the order of RFC 6724. Raises LookupFailed."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise LookupFailed(str(error.strerror).lower()) from error
    except (OSError, UnicodeError) as error:
        raise LookupFailed("the name cannot be looked up") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class SystemNames:
    """``lookup`` blocks; it is called in a thread."""

    def __init__(
        self, lookup: Lookup = system_lookup, most: int = LOOKUPS, per_workspace: int = LOOKUPS_PER_WORKSPACE
    ) -> None:
        self._lookup = lookup
        self._all = asyncio.Semaphore(most)
        self._per_workspace = per_workspace
        self._turns: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()
        self._flights: dict[tuple[str, str], asyncio.Task[Sequence[str]]] = {}

    async def addresses(self, host: str, workspace: str) -> Sequence[str]:
        """Those who ask for the same name at the same time share a lookup. Raises LookupFailed."""
        key = workspace, host
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._flight(host, self._turn(workspace)))
            flight.add_done_callback(lambda done: self._landed(key, done))
        # whoever gives up waiting does not take the others' answer away
        return await asyncio.shield(flight)

    async def close(self) -> None:
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _turn(self, workspace: str) -> asyncio.Semaphore:
        turn = self._turns.get(workspace)
        if turn is None:
            turn = self._turns[workspace] = asyncio.Semaphore(self._per_workspace)
        return turn

    def _landed(self, key: tuple[str, str], flight: asyncio.Task[Sequence[str]]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # looked at, though everyone may have given up

    async def _flight(self, host: str, turn: asyncio.Semaphore) -> Sequence[str]:
        async with turn, self._all:
            return await _in_thread(self._lookup, host)


async def _in_thread(lookup: Lookup, host: str) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def run() -> None:
        try:
            found, error = lookup(host), None
        except LookupFailed as failure:
            found, error = (), failure
        except Exception:
            found, error = (), LookupFailed("the name cannot be looked up")
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(_settle, answer, found, error)

    # a daemon: the process does not wait for a name server at its end
    threading.Thread(target=run, name="lookup", daemon=True).start()
    return await answer


def _settle(answer: asyncio.Future[Sequence[str]], found: Sequence[str], error: LookupFailed | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(found)
