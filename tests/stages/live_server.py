"""Live events of a log in memory on a real socket, by the server of every role; and what clients see."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.live import MemoryLog, live_events
from tocsin import authentication, stream_tokens
from tocsin.api.live.live import Live
from tocsin.api.routes import live as live_routes
from tocsin.asgi import surround
from tocsin.authentication import Authenticator, MemoryKeys
from tocsin.keys import ApiKey
from tocsin.openapi import application
from tocsin.server import Server, server

PEPPER = "pepper"


class MemoryTokens:
    """The twin of the table of stream tokens."""

    def __init__(self) -> None:
        self.kept: dict[bytes, dict[str, Any]] = {}

    async def fetchrow(self, query: str, *arguments: Any) -> dict[str, Any] | None:
        if query == stream_tokens._ISSUE:
            digest, workspace, name, _ = arguments
            self.kept[digest] = {"workspace": workspace, "name": name, "live": True}
            return {}
        return self.kept.pop(arguments[0], None)


@dataclass
class LiveServer:
    log: MemoryLog
    live: Live
    server: Server
    port: int
    running: asyncio.Task[None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def socket(self, query: str = "", **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/ws/alerts{query}", **{"proxy": None} | options)

    def http(self, **headers: str) -> httpx.AsyncClient:
        timeout = httpx.Timeout(10)
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=timeout, trust_env=False)

    @asynccontextmanager
    async def events(self, query: str = "", **headers: str) -> AsyncIterator[EventSource]:
        async with self.http(**headers) as http, http.stream("GET", f"/events{query}") as response:
            yield await EventSource(response).opened()


@dataclass
class Block:
    """One block of an event stream."""

    id: str = ""
    event: str = ""
    data: str = ""
    comment: str = ""
    retry: str = ""

    @property
    def frame(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.data)
        return found


@dataclass
class EventSource:
    """Reads as a browser does."""

    response: httpx.Response
    cursor: str = ""
    lines: Any = field(init=False)

    async def opened(self) -> Self:
        self.lines = self.response.aiter_lines()
        if self.response.status_code == 200:
            self.first = await self.block()
        return self

    async def block(self) -> Block:
        """The next one; raises StopAsyncIteration at the end of the stream."""
        block = Block()
        async with asyncio.timeout(10):
            while line := await anext(self.lines):
                name, _, value = line.partition(":")
                setattr(block, name or "comment", value.removeprefix(" "))
        self.cursor = block.id or self.cursor
        return block

    async def ended(self) -> bool:
        """Reads on to the end. An answer that was cut raises RemoteProtocolError."""
        with contextlib.suppress(StopAsyncIteration):
            while True:
                await self.block()
        return True

    async def frame(self) -> dict[str, Any]:
        """The next event."""
        while not (block := await self.block()).data or block.event:
            pass
        return block.frame


@asynccontextmanager
async def serving(
    *keys: ApiKey, log: MemoryLog | None = None, is_open: bool = True, clients: int = 50, **options: Any
) -> AsyncIterator[LiveServer]:
    """``is_open``: unversioned routes answer without a key."""
    log = log or MemoryLog()
    live = live_events(MemoryTokens(), log, **options)
    live._max_clients = clients
    app: FastAPI = application()
    authentication.install(app, Authenticator(MemoryKeys(keys), PEPPER, is_open, True))
    app.include_router(live_routes.router(live))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        port = listening.getsockname()[1]
        made = server(surround(app), "127.0.0.1", port, "", live.hub.end)
        async with live.running():
            running = asyncio.create_task(made.serve([listening]))
            try:
                yield LiveServer(log, live, made, port, running)
            finally:
                made.should_exit = True
                await running


async def closed(connection: ClientConnection) -> tuple[int | None, list[str]]:
    """The close code, and the types of what came before it."""
    told = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            told.append((await message(connection))["type"])
    return connection.close_code, told


async def message(connection: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        found: dict[str, Any] = json.loads(await connection.recv())
    return found
