"""The aiohttp session behind every attempt. It can connect to one thing only: the address the attempt has admitted.

Requests go to ``http(s)://<address>`` with the name in Host, SNI and the certificate check, so the address that was
judged is the one that is dialled, and a kept connection belongs to (address, port, scheme, name): an attempt uses it
only when its own lookup gave that address again and it passed again. Two fences stand behind that: aiohttp has no
resolver, and no socket is made for an address that was not admitted.
"""

from __future__ import annotations

import contextvars
import socket
import ssl
from typing import Final, NoReturn

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from tocsin.egress.urls import Destination

KEEP_ALIVE_SECONDS: Final = 1.5
"""Below the 2 to 5 s after which common servers close an idle connection: a request that crosses with the close would
count as an attempt, though a burst still shares its connections."""
MAX_HEADER_LINE: Final = 8190
MOST_HEADERS: Final = 64
_READ_BUFFER: Final = 16 * 1024
_SKIPPED: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_NEVER: Final = 1e9

_admitted: contextvars.ContextVar[tuple[str, int]] = contextvars.ContextVar("admitted", default=("", 0))


def admit(address: str, port: int) -> None:
    """From here on this task may dial this address and port, and no other."""
    _admitted.set((address, port))


def session(tls: ssl.SSLContext | None) -> aiohttp.ClientSession:
    """No cookies, no proxies or .netrc of the environment, no redirects, no decompression. Needs a running loop."""
    connector = aiohttp.TCPConnector(
        resolver=_NoResolver(),
        use_dns_cache=False,
        ssl=tls if tls is not None else True,
        # the pool of attempts has the limits
        limit=0,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        happy_eyeballs_delay=None,
        socket_factory=_socket,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        skip_auto_headers=_SKIPPED,
        read_bufsize=_READ_BUFFER,
        max_line_size=MAX_HEADER_LINE,
        max_field_size=MAX_HEADER_LINE,
        max_headers=MOST_HEADERS,
    )


def timeouts(connect_seconds: float) -> aiohttp.ClientTimeout:
    """``connect_seconds``: TCP and TLS. The whole attempt's time is the caller's; nothing is rounded up."""
    return aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, ceil_threshold=_NEVER)


def dialled(destination: Destination, address: str) -> URL:
    """The destination with the address in place of the name."""
    host = f"[{address}]" if ":" in address else address
    return URL(f"{destination.scheme}://{host}:{destination.port}{destination.target}", encoded=True)


def _socket(info: tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]) -> socket.socket:
    family, kind, protocol, _, address = info
    if address[:2] != _admitted.get():
        raise PermissionError("an address that was not admitted was about to be dialled")
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


class _NoResolver(AbstractResolver):
    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> NoReturn:
        raise OSError("names are resolved before, so that their addresses can be judged")

    async def close(self) -> None:
        pass
