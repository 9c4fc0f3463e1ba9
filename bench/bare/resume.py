"""A loop that asks about every job once a second, spread over it, and settles by boto3 in threads; nothing is kept.

``python -m bench.bare.resume FILE``: FILE has a line ``<URL> <token>`` for each job.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp

from bench import workflows


async def _watch(
    session: aiohttp.ClientSession, threads: ThreadPoolExecutor, states: Any, begin_in: float, url: str, token: str
) -> None:
    await asyncio.sleep(begin_in)
    while True:
        async with session.get(url) as answer:
            if (await answer.json())["status"] == "COMPLETED":
                break
        await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(threads, lambda: states.send_task_success(taskToken=token, output='{"rows": 1}'))


async def _run(lines: list[str]) -> None:
    states = workflows.client("stepfunctions", os.environ["AWS_ENDPOINT_URL_STEPFUNCTIONS"])
    with ThreadPoolExecutor(32) as threads:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:
            watches = (
                _watch(session, threads, states, number / len(lines), *line.split(" "))
                for number, line in enumerate(lines)
            )
            await asyncio.gather(*watches)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]).read_text().splitlines()))
