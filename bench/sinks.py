"""Receivers of webhooks, in a process of their own: ``python -m bench.sinks FILE COUNT``.

COUNT ports of 127.0.0.1 answer every request with 200 at once; FILE gets the ports, one line, and then a line for each
request: when it was there (Unix seconds), its ``webhook-id``, its ``x-scheduled-for`` and its ``x-attempt``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import IO, Final, NamedTuple

import uvloop

_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_WANTED: Final = ("webhook-id", "x-scheduled-for", "x-attempt")


class Arrival(NamedTuple):
    """``at``: Unix seconds. ``scheduled_for``: RFC 3339 UTC."""

    at: float
    run_id: str
    scheduled_for: str
    attempt: str


class _Sink(asyncio.Protocol):
    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        at = time.time()
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].decode("latin-1").split("\r\n")[1:]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._buffer) < whole:
                return
            del self._buffer[:whole]
            if self._transport is not None:
                self._transport.write(_ANSWER)
            self._file.write(f"{at:.6f} {' '.join(headers.get(name, '-') for name in _WANTED)}\n")


def arrivals(file: Path) -> list[Arrival]:
    """What came so far; a line that is just being written is left out."""
    lines = file.read_text().split("\n")[1:-1]
    found = [line.split(" ") for line in lines]
    return [Arrival(float(at), *more) for at, *more in found]


def ports(file: Path) -> list[int]:
    """Empty until all are open."""
    first, newline, _ = file.read_text().partition("\n") if file.exists() else ("", "", "")
    return [int(port) for port in first.split()] if newline else []


async def _serve(path: Path, count: int) -> None:
    loop = asyncio.get_running_loop()
    with path.open("w", buffering=1) as file:
        servers = [await loop.create_server(lambda: _Sink(file), "127.0.0.1", 0) for _ in range(count)]
        file.write(" ".join(str(server.sockets[0].getsockname()[1]) for server in servers) + "\n")
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
