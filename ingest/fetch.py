"""Fetching one small document from an address that was checked before: no redirects, bounded in time and size."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

Fetch = Callable[[str], Awaitable[bytes]]

TIMEOUT_SECONDS: Final = 3.0
MAX_BYTES: Final = 64 * 1024


class FetchError(Exception):
    """It could not be fetched; ``str(error)`` says why without naming the address."""


async def nothing(_url: str) -> bytes:
    """For installations that fetch nothing."""
    raise FetchError("fetching is not possible here")


class HttpFetch:
    """``transport``: for tests."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport

    async def __call__(self, url: str) -> bytes:
        """Raises FetchError."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._fetched(url)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise FetchError(type(error).__name__) from error

    async def _fetched(self, url: str) -> bytes:
        found = bytearray()
        # proxies and .netrc of the environment are not asked: the address that was checked is the one that is dialled
        client = httpx.AsyncClient(transport=self._transport, trust_env=False, follow_redirects=False)
        async with client, client.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise FetchError(f"the answer was {answer.status_code}")
            async for chunk in answer.aiter_bytes():
                found += chunk
                if len(found) > MAX_BYTES:
                    raise FetchError(f"the answer has more than {MAX_BYTES} bytes")
        return bytes(found)
