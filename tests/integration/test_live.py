"""Live events over a real Kafka and PostgreSQL, by ``tocsin api`` in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.gateway import GatewayProcess, free_port
from tests.integration.live_log import PARTITIONS, LiveWriter, live_writer
from tocsin import stream_tokens

pytestmark = pytest.mark.embedded

TICKETS_YAML = "reopen_within: 24h\n"


@pytest.fixture
async def writer(kafka: str) -> AsyncIterator[LiveWriter]:
    async with live_writer(kafka) as writer:
        yield writer


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "tickets.yaml").write_text(TICKETS_YAML)
    return tmp_path


def api(kafka: str, database: str, directory: Path, port: int = 0, **environment: str) -> GatewayProcess:
    settings = {"TOCSIN_PARTITIONS": str(PARTITIONS), **environment}
    return GatewayProcess(kafka, database, directory, role="api", port=port, **settings)


@pytest.fixture(scope="module")
def pair(
    kafka: str, module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GatewayProcess, GatewayProcess]]:
    """Two processes of one installation."""
    directory = tmp_path_factory.mktemp("pair")
    (directory / "tickets.yaml").write_text(TICKETS_YAML)
    with api(kafka, module_database, directory) as one, api(kafka, module_database, directory) as other:
        yield one, other


@dataclass
class Follower:
    """An EventSource that comes back whenever it is cut, to any of the processes."""

    urls: list[str]
    query: str = ""
    seen: list[str] = field(default_factory=list)
    cursor: str = ""
    resets: int = 0

    async def follow(self, until: int, cut_after: int | None = None, seconds: float = 30) -> None:
        """Until so many events were seen; ``cut_after`` events the connection is cut from this side."""
        async with asyncio.timeout(seconds):
            while len(self.seen) < until:
                with contextlib.suppress(httpx.TransportError, httpx.HTTPStatusError):
                    await self._connected(len(self.seen) + (cut_after or until), until)
                    if cut_after is not None:
                        return
                await asyncio.sleep(0.05)

    async def _connected(self, cut_at: int, until: int) -> None:
        headers = {"Last-Event-ID": self.cursor} if self.cursor else {}
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            url = f"{random.choice(self.urls)}/events{self.query}"
            async with client.stream("GET", url, headers=headers) as response:
                response.raise_for_status()
                async for line in response.aiter_lines():
                    self._take(line)
                    if len(self.seen) >= min(cut_at, until):
                        return

    def _take(self, line: str) -> None:
        name, _, value = line.partition(": ")
        if name == "id":
            self.cursor = value
        elif name == "event" and value == "reset":
            self.resets += 1
        elif name == "data" and (frame := json.loads(value)).get("id"):
            self.seen.append(frame["id"])


async def started(follower: Follower) -> None:
    """Returns once it knows where it stands."""
    async with (
        asyncio.timeout(10),
        httpx.AsyncClient(timeout=10, trust_env=False) as client,
        client.stream("GET", f"{follower.urls[0]}/events{follower.query}") as response,
    ):
        async for line in response.aiter_lines():
            follower._take(line)
            if follower.cursor:
                return


async def measured(process: GatewayProcess) -> str:
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        return (await client.get(f"{process.url}/metrics")).text


# --- tokens ---------------------------------------------------------------------------------------------------------


async def test_S5_a_token_is_taken_once_by_one_of_many(database: str) -> None:
    pool = await asyncpg.create_pool(database, min_size=8, max_size=8)
    try:
        token = await stream_tokens.issue(pool, "acme", "browser")
        taken = await asyncio.gather(*(stream_tokens.redeem(pool, token) for _ in range(64)))
        assert [one for one in taken if one] == [("acme", "browser")]
        assert await stream_tokens.redeem(pool, "never issued") is None
    finally:
        await pool.close()


async def test_S5_an_old_token_is_worth_nothing_and_goes(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        token = await stream_tokens.issue(connection, "acme", "browser")
        stored = await connection.fetchval("SELECT encode(digest, 'hex') FROM tocsin.stream_tokens")
        assert token not in stored
        await connection.execute("UPDATE tocsin.stream_tokens SET expires_at = now() - interval '1 second'")
        await stream_tokens.issue(connection, "acme", "other")
        assert await connection.fetchval("SELECT count(*) FROM tocsin.stream_tokens") == 1
        assert await stream_tokens.redeem(connection, token) is None
    finally:
        await connection.close()


async def test_S5_a_token_of_one_process_opens_a_stream_of_another(
    pair: tuple[GatewayProcess, GatewayProcess], writer: LiveWriter
) -> None:
    one, other = pair
    async with httpx.AsyncClient(trust_env=False) as client:
        token = (await client.post(f"{one.url}/stream-tokens")).json()["token"]
    url = f"{other.url.replace('http', 'ws')}/ws/alerts?token={token}"
    async with connect(url, proxy=None) as connection:
        (written,) = await writer.write()
        assert json.loads(await connection.recv())["id"] == written
    with pytest.raises(Exception, match="401"):
        await connect(url, proxy=None)
    assert token not in one.log + other.log


# --- many clients ---------------------------------------------------------------------------------------------------


async def test_S5_many_websockets_and_one_that_never_reads(
    kafka: str, database: str, directory: Path, writer: LiveWriter, long: bool
) -> None:
    """Every one of them gets every event; the deaf one, who is told much more, costs them nothing, and no memory."""
    clients, events = (1_000, 20) if long else (200, 5)
    with api(kafka, database, directory) as process:
        url = f"{process.url.replace('http', 'ws')}/ws/alerts"
        async with contextlib.AsyncExitStack() as stack:
            connections: list[ClientConnection] = []
            for _ in range(0, clients, 50):
                made = (stack.enter_async_context(connect(url, proxy=None, compression=None)) for _ in range(50))
                connections += await asyncio.gather(*made)
            alone = await _told(writer, connections, events)
            await _deaf(stack, process.port)
            memory = process.memory_bytes()
            beside = await _told(writer, connections, events, noise=8)
            print(f"to {clients} clients: median {alone:.3f} s, beside a deaf one {beside:.3f} s")
            print(f"memory: {memory / 1e6:.0f} MB with the clients, {process.memory_bytes() / 1e6:.0f} MB afterwards")
            assert process.memory_bytes() < memory + 60_000_000  # a quarter of the ring's 64 MiB is this partition's
            dropped = 'tocsin_live_clients_dropped_total{kind="websocket",reason="send_blocked"} 1.0'
            async with asyncio.timeout(30):
                while dropped not in await measured(process):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.5)
            assert f'tocsin_live_clients{{kind="websocket"}} {clients}.0' in await measured(process)


async def _told(writer: LiveWriter, connections: list[ClientConnection], events: int, noise: int = 0) -> float:
    """The median of the seconds from a commit until the last client has the event. ``noise``: records of 200 KB."""
    seconds = []
    for _ in range(events):
        if noise:
            await writer.write(noise, "ticket.opened", padding=200_000)
        (written,) = await writer.write()
        began = time.monotonic()
        frames = await asyncio.gather(*(_frame(one) for one in connections))
        seconds.append(time.monotonic() - began)
        assert {frame["id"] for frame in frames} == {written}
    return sorted(seconds)[events // 2]


async def _frame(connection: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(20):
        found: dict[str, Any] = json.loads(await connection.recv())
    return found


async def _deaf(stack: contextlib.AsyncExitStack, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    stack.callback(writer.close)
    writer.write(
        f"GET /ws/alerts?types=* HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")


# --- cuts -----------------------------------------------------------------------------------------------------------


async def _load(writer: LiveWriter, transactions: int) -> None:
    for number in range(transactions):
        await writer.write(random.randint(1, 20), random.choice(["ticket.opened", "sla.breached"]))
        await writer.write(3, workspace=f"noise-{number % 5}", abort=number % 4 == 0)
        if number % 10 == 0:
            await writer.write(2, abort=True)


async def test_S5_a_client_cut_again_and_again_under_load_has_every_event_once(
    pair: tuple[GatewayProcess, GatewayProcess], writer: LiveWriter, long: bool
) -> None:
    cuts = 100 if long else 40
    follower = Follower([one.url for one in pair])
    await started(follower)
    load = asyncio.create_task(_load(writer, cuts))
    for _ in range(cuts):
        await follower.follow(until=len(follower.seen) + 12, cut_after=random.randint(1, 12))
    await load
    await follower.follow(until=len(writer.written["default"]))
    assert follower.seen == writer.written["default"]
    assert follower.resets == 0


async def test_S5_a_process_killed_and_started_again_leaves_no_gap(
    kafka: str, database: str, directory: Path, writer: LiveWriter, long: bool
) -> None:
    port = free_port()
    process = api(kafka, database, directory, port).__enter__()
    try:
        follower = Follower([process.url])
        await started(follower)
        for _ in range(10 if long else 1):
            following = asyncio.create_task(follower.follow(until=len(writer.written.get("default", ())) + 120))
            await writer.write(50)
            await asyncio.sleep(random.random() / 5)
            process.process.kill()
            process.process.wait()
            await writer.write(20)
            process = api(kafka, database, directory, port).__enter__()
            await writer.write(50)
            await following
        assert follower.seen == writer.written["default"]
        assert follower.resets == 0
    finally:
        process.__exit__(None, None, None)


async def test_S5_what_is_far_back_is_read_from_the_log(
    kafka: str, database: str, directory: Path, writer: LiveWriter
) -> None:
    """More than a start reads back, by more clients at once than there are readers."""
    with api(kafka, database, directory) as process:
        first = Follower([process.url])
        await started(first)
        for _ in range(4):
            await writer.write(1_000)
    with api(kafka, database, directory) as process:
        followers = [Follower([process.url], cursor=first.cursor) for _ in range(12)]
        began = time.monotonic()
        await asyncio.gather(*(one.follow(until=4_000) for one in followers))
        print(f"12 clients read 4,000 events back in {time.monotonic() - began:.2f} s")
        assert all(one.seen == writer.written["default"] for one in followers)
        assert "tocsin_live_catch_up_reads_total 0.0" not in await measured(process)


async def test_S5_sigterm_ends_streams_cleanly_and_soon(
    kafka: str, database: str, directory: Path, writer: LiveWriter
) -> None:
    with api(kafka, database, directory) as process:
        async with (
            httpx.AsyncClient(timeout=20, trust_env=False) as client,
            client.stream("GET", f"{process.url}/events") as response,
            connect(f"{process.url.replace('http', 'ws')}/ws/alerts", proxy=None) as connection,
        ):
            lines = response.aiter_lines()
            await anext(lines)
            began = time.monotonic()
            status = await asyncio.to_thread(process.stop)
            async for _ in lines:
                pass  # an answer that was cut would raise RemoteProtocolError
            with contextlib.suppress(ConnectionClosed):
                await connection.recv()
            assert (status, connection.close_code) == (0, 1012)
            assert time.monotonic() - began < 5
