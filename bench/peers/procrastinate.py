"""procrastinate (3.x) with the same burst: jobs deferred to their time, one worker that posts with aiohttp.

``python -m bench.peers.procrastinate FILE``: FILE has a line ``<Unix seconds> <URL>`` for each job; the database is
``DATABASE_URL``. It polls every 0.1 s (its default is 5 s, which bounds its lateness) and runs 20 at a time.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp
import procrastinate

POLL_SECONDS: Final = 0.1
CONCURRENCY: Final = 20
_DEFERRING: Final = 16
_BODY: Final = b'{"a":1}'


async def _run(lines: Sequence[str], dsn: str) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=dsn, min_size=4, max_size=_DEFERRING))
    connector = aiohttp.TCPConnector(limit=256, limit_per_host=4)
    async with app.open_async(), aiohttp.ClientSession(connector=connector) as session:
        await app.schema_manager.apply_schema_async()

        @app.task(name="post")
        async def post(url: str, at: float, number: int) -> None:
            headers = {"webhook-id": f"peer-{number}", "x-scheduled-for": f"{at:.6f}", "x-attempt": "1"}
            async with session.post(url, data=_BODY, headers=headers) as answer:
                await answer.read()

        waiting = iter(enumerate(lines))

        async def defer() -> None:
            for number, line in waiting:
                at, url = line.split(" ")
                when = datetime.fromtimestamp(float(at), UTC)
                await post.configure(schedule_at=when).defer_async(url=url, at=float(at), number=number)

        await asyncio.gather(*(defer() for _ in range(_DEFERRING)))
        print("deferred", flush=True)
        await app.run_worker_async(
            concurrency=CONCURRENCY, fetch_job_polling_interval=POLL_SECONDS, install_signal_handlers=False
        )


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]).read_text().splitlines(), os.environ["DATABASE_URL"]))
