"""The bare burst: an asyncio loop that knows all its requests, sleeps until they are due, and posts them with aiohttp.

``python -m bench.bare.burst FILE``: FILE has a line ``<Unix seconds> <URL>`` for each request.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
import uvloop

_BODY: Final = b'{"a":1}'


async def _post(session: aiohttp.ClientSession, at: float, url: str, number: int) -> None:
    await asyncio.sleep(max(0.0, at - time.time()))
    headers = {"webhook-id": f"bare-{number}", "x-scheduled-for": f"{at:.6f}", "x-attempt": "1"}
    async with session.post(url, data=_BODY, headers=headers) as answer:
        await answer.read()


async def burst(lines: Sequence[str]) -> None:
    connector = aiohttp.TCPConnector(limit=256, limit_per_host=4)
    async with aiohttp.ClientSession(connector=connector) as session:
        asked = [line.split(" ") for line in lines]
        await asyncio.gather(*(_post(session, float(at), url, number) for number, (at, url) in enumerate(asked)))


if __name__ == "__main__":
    uvloop.run(burst(Path(sys.argv[1]).read_text().splitlines()))
