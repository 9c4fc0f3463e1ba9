"""An HTTP client that costs little: keep-alive connections, requests made ready before, answers hardly looked at."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import cast

from bench.figures import percentile

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


def request(method: str, path: str, body: bytes = b"", bearer: str = "") -> bytes:
    """A whole HTTP/1.1 request for ``127.0.0.1``."""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    if bearer:
        head += f"authorization: Bearer {bearer}\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


@dataclass(slots=True)
class Load:
    """What a run of requests came to: seconds in all and of each request, answers by status."""

    seconds: float = 0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def latency(self, share: float) -> float:
        """In milliseconds."""
        return percentile(self.latencies, share) * 1000

    def expect(self, status: int) -> None:
        """Raises RuntimeError when any answer had another status."""
        if set(self.statuses) != {status}:
            raise RuntimeError(f"answers by status: {dict(self.statuses)}, wanted only {status}")


class Client(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int) -> Client:
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    async def ask(self, whole: bytes) -> tuple[int, bytes]:
        """Status and body. Raises ConnectionError when the server closes."""
        if self._transport is None:
            raise ConnectionError("the connection is closed")
        self._answer = self._loop.create_future()
        self._transport.write(whole)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(_END_OF_HEAD)
        if head < 0:
            return
        at = self._buffer.find(_LENGTH, 0, head)
        length = int(self._buffer[at + len(_LENGTH) : self._buffer.find(b"\r", at)]) if at >= 0 else 0
        end = head + len(_END_OF_HEAD) + length
        if len(self._buffer) >= end and self._answer is not None and not self._answer.done():
            status, body = int(self._buffer[9:12]), bytes(self._buffer[end - length : end])
            del self._buffer[:end]
            self._answer.set_result((status, body))


async def drive(port: int, requests: Sequence[bytes], total: int, connections: int) -> Load:
    """Sends ``total`` requests, going round ``requests``, each connection its next as soon as it is answered."""
    load = Load()
    clients = [await Client.connect(port) for _ in range(connections)]
    waiting = islice(cycle(requests), total)
    started = time.perf_counter()
    await asyncio.gather(*(_send(client, waiting, load) for client in clients))
    load.seconds = time.perf_counter() - started
    for client in clients:
        client.close()
    return load


async def _send(client: Client, waiting: Iterator[bytes], load: Load) -> None:
    for one in waiting:
        started = time.perf_counter()
        status, _ = await client.ask(one)
        load.latencies.append(time.perf_counter() - started)
        load.statuses[status] += 1
