"""Outside jobs that are asked about over HTTP, in a process of their own: ``python -m bench.outside_jobs FILE``.

``GET /jobs/N`` says RUNNING until ``POST /complete``, then COMPLETED. FILE gets the port, one line, and then a line for
the first COMPLETED of each job: when it was said (Unix seconds), and N.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import IO

from aiohttp import web


class _Jobs:
    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._completed = False
        self._said: set[str] = set()

    async def status(self, request: web.Request) -> web.Response:
        number = request.match_info["number"]
        if not self._completed:
            return web.json_response({"status": "RUNNING"})
        if number not in self._said:
            self._said.add(number)
            self._file.write(f"{time.time():.6f} {number}\n")
        return web.json_response({"status": "COMPLETED", "result": {"rows": 1}})

    async def complete(self, _request: web.Request) -> web.Response:
        self._completed = True
        return web.Response()


def port(file: Path) -> int:
    """0 until it is open."""
    first, newline, _ = file.read_text().partition("\n") if file.exists() else ("", "", "")
    return int(first) if newline else 0


def completed_at(file: Path) -> dict[int, float]:
    """Job → when it was first said to be completed."""
    lines = (line.split(" ") for line in file.read_text().split("\n")[1:-1])
    return {int(number): float(at) for at, number in lines}


async def _serve(path: Path) -> None:
    with path.open("w", buffering=1) as file:
        jobs = _Jobs(file)
        app = web.Application()
        app.add_routes([web.get("/jobs/{number}", jobs.status), web.post("/complete", jobs.complete)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        file.write(f"{runner.addresses[0][1]}\n")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
