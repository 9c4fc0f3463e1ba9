"""All roles of one installation, and the questions a client asks of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import orjson

from bench.environment import Environment, Place, Program
from bench.events import body, entity_of, identifier_of
from bench.load import Client, request

_PAGE: Final = 100
_WARM_UP_KEY: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class System:
    """Running and ready."""

    place: Place
    http: Program
    stream: Program
    projector: Program

    @property
    def port(self) -> int:
        return self.http.port

    def stop(self) -> None:
        for program in (self.http, self.stream, self.projector):
            program.stop()


async def start(environment: Environment) -> System:
    """Every role on empty topics and an empty database; returns once each has decided and shown one event."""
    place = await environment.place()
    http, stream, projector = (environment.role(place, role) for role in ("http", "stream", "project"))
    await http.until_ready()
    system = System(place, http, stream, projector)
    await _until_accepting(system)
    await accepted_to_visible(system, _WARM_UP_KEY)
    return system


async def _until_accepting(system: System, seconds: float = 30) -> None:
    """A gateway is ready before its producer is connected to topics that were just made."""
    client = await Client.connect(system.port)
    async with asyncio.timeout(seconds):
        while (await client.ask(request("POST", "/failures", body(_WARM_UP_KEY))))[0] != 202:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    client.close()


async def accepted_to_visible(system: System, key: int, seconds: float = 60, pause: float = 0.002) -> float:
    """Reports a failure and asks for its ticket until it is there; seconds from the acceptance."""
    client = await Client.connect(system.port)
    try:
        status, answer = await client.ask(request("POST", "/failures", body(key)))
        accepted = time.perf_counter()
        if status != 202:
            raise RuntimeError(f"the report was answered {status}: {answer.decode()}")
        question = request("GET", f"/tickets/{entity_of(key)}-1")
        async with asyncio.timeout(seconds):
            while (await client.ask(question))[0] != 200:  # noqa: ASYNC110 - another process
                await asyncio.sleep(pause)
        return time.perf_counter() - accepted
    finally:
        client.close()


async def totals(system: System, *, pages: int) -> tuple[int, int]:
    """(tickets, occurrences on the first ``pages`` pages) as GET /tickets tells them, without that of the warm-up."""
    client = await Client.connect(system.port)
    try:
        cursor, occurrences, tickets, warm_up = "", 0, 0, identifier_of(_WARM_UP_KEY)
        for _ in range(pages):
            path = f"/tickets?limit={_PAGE}{f'&cursor={cursor}' if cursor else ''}"
            status, answer = await client.ask(request("GET", path))
            if status != 200:
                raise RuntimeError(f"GET {path} was answered {status}: {answer.decode()}")
            page = orjson.loads(answer)
            tickets, cursor = page["total"] - 1, page["next_cursor"]
            occurrences += sum(one["occurrences"] for one in page["items"] if one["identifier"] != warm_up)
            if not cursor:
                break
        return tickets, occurrences
    finally:
        client.close()
