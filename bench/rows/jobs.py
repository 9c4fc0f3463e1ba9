"""One-time jobs through all roles: due in one second, and a hundred every second; how late each request arrives."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import asyncpg
import orjson

from bench import sinks, system
from bench.environment import Environment
from bench.figures import Figures, Line, Target, below, percentile, single
from bench.load import Client, request
from bench.row import Bench, Row
from bench.sinks import Arrival
from bench.system import System
from tocsin import keys

_ENDPOINTS: Final = 50
_CONNECTIONS: Final = 32
_CREATED_WITHIN: Final = 90.0
_ALL_ARRIVED_WITHIN: Final = 60.0


async def _keys(running: System, workspaces: int) -> list[str]:
    connection = await asyncpg.connect(running.place.database)
    try:
        return [(await keys.create(connection, "bench", f"bench-{nth}", "bench"))[1] for nth in range(workspaces)]
    finally:
        await connection.close()


def _bodies(due: Sequence[int], ports: Sequence[int]) -> list[bytes]:
    """A job for each due time (Unix seconds), the endpoints in turn."""
    found = []
    for number, at in enumerate(due):
        job = {
            "name": f"bench {number}",
            "run_at": datetime.fromtimestamp(at, UTC).isoformat(),
            "callback_url": f"http://127.0.0.1:{ports[number % len(ports)]}/hook",
            "payload": {"a": 1},
        }
        found.append(orjson.dumps(job))
    return found


async def _create(running: System, bodies: Sequence[bytes], bearers: Sequence[str]) -> None:
    """Raises RuntimeError unless every one is created."""
    waiting = iter(enumerate(bodies))
    statuses: Counter[int] = Counter()

    async def one() -> None:
        client = await Client.connect(running.port)
        for number, body in waiting:
            status, _ = await client.ask(request("POST", "/v1/jobs", body, bearers[number % len(bearers)]))
            statuses[status] += 1
        client.close()

    async with asyncio.timeout(_CREATED_WITHIN):
        await asyncio.gather(*(one() for _ in range(_CONNECTIONS)))
    if set(statuses) != {201}:
        raise RuntimeError(f"jobs created, by status: {dict(statuses)}")


async def _arrived(environment: Environment, number: int, wanted: int) -> list[Arrival]:
    """Every request, once so many came; a moment more for what should not come. Raises TimeoutError."""
    file = environment.directory / f"sinks-{number}"
    async with asyncio.timeout(_ALL_ARRIVED_WITHIN):
        while len(sinks.arrivals(file)) < wanted:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.25)
    await asyncio.sleep(1)
    return sinks.arrivals(file)


async def _sinks(environment: Environment, running: System, number: int) -> list[int]:
    file = environment.directory / f"sinks-{number}"
    environment.module(running.place, "bench.sinks", str(file), str(_ENDPOINTS))
    async with asyncio.timeout(20):
        while not (found := sinks.ports(file)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found


def _figures(arrivals: Sequence[Arrival], wanted: int) -> Figures:
    """Raises RuntimeError when a run is lost or doubled."""
    runs = Counter(one.run_id for one in arrivals)
    if len(runs) != wanted or set(runs.values()) != {1}:
        raise RuntimeError(f"{wanted} jobs became {len(arrivals)} requests of {len(runs)} runs")
    late = [one.at - _instant(one.scheduled_for) for one in arrivals]
    return {"p50": percentile(late, 0.5) * 1000, "p99": percentile(late, 0.99) * 1000, "max": max(late) * 1000}


def _instant(text: str) -> float:
    return float(text) if "T" not in text else datetime.fromisoformat(text).timestamp()


async def _ours(environment: Environment, number: int, due_in: Sequence[int], workspaces: int) -> Figures:
    running = await system.start(environment)
    try:
        ports = await _sinks(environment, running, number)
        bearers = await _keys(running, workspaces)
        begin = int(time.time()) + 12 + len(due_in) // 300
        await _create(running, _bodies([begin + seconds for seconds in due_in], ports), bearers)
        if time.time() > begin - 1:
            raise RuntimeError("creating the jobs took longer than thought")
        await asyncio.sleep(begin - time.time() + due_in[-1])
        return _figures(await _arrived(environment, number, len(due_in)), len(due_in))
    finally:
        running.stop()


async def _bare(environment: Environment, number: int, due_in: Sequence[int]) -> Figures:
    place = await environment.place(database=False)
    file, plan = environment.directory / f"sinks-{number}", environment.directory / f"plan-{number}"
    receiving = environment.module(place, "bench.sinks", str(file), str(_ENDPOINTS))
    async with asyncio.timeout(20):
        while not (ports := sinks.ports(file)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    begin = int(time.time()) + 4
    urls = (f"http://127.0.0.1:{ports[nth % len(ports)]}/hook" for nth in range(len(due_in)))
    plan.write_text("\n".join(f"{begin + seconds} {url}" for seconds, url in zip(due_in, urls, strict=True)))
    posting = environment.module(place, "bench.bare.burst", str(plan))
    try:
        return _figures(await _arrived(environment, number, len(due_in)), len(due_in))
    finally:
        posting.stop()
        receiving.stop()


async def _both(bench: Bench, due_in: Sequence[int], workspaces: int, rounds: int) -> tuple[Figures, Figures]:
    """The middle round of each measure."""
    with bench.environment() as environment:
        number = iter(range(2 * rounds))
        ours, bare = await bench.in_turns(
            rounds,
            lambda: _ours(environment, next(number), due_in, workspaces),
            lambda: _bare(environment, next(number), due_in),
            warm_up=False,
        )
    measures = ("p50", "p99", "max")
    return ({name: ours[name].median for name in measures}, {name: bare[name].median for name in measures})


def _lines(what: str, ours: Figures, bare: Figures, targets: dict[str, Target]) -> list[Line]:
    return [
        Line(
            f"{what}, {name}",
            "ms",
            single(ours[name]),
            single(bare[name]),
            (targets[name],) if name in targets else (),
        )
        for name in ("p50", "p99", "max")
    ]


async def burst(bench: Bench) -> list[Line]:
    due_in = [0] * bench.size(1_000, 200)
    ours, bare = await _both(bench, due_in, 20, bench.size(3, 1))
    return _lines("lateness at the receiver", ours, bare, {"p99": below(600)})


async def steady(bench: Bench) -> list[Line]:
    seconds = bench.size(60, 5)
    due_in = [nth // 100 for nth in range(100 * seconds)]
    ours, bare = await _both(bench, due_in, max(20, seconds), 1)
    return _lines("lateness at the receiver", ours, bare, {"p50": below(15), "p99": below(40)})


_BARE: Final = (
    "an asyncio loop that knows all requests, sleeps until each is due and posts with aiohttp; nothing is kept"
)
BURST: Final = Row(
    "jobs_burst",
    "1,000 one-time jobs of 20 workspaces due in the same second, 50 endpoints that answer at once; none lost or"
    " doubled",
    burst,
    _BARE,
)
STEADY: Final = Row(
    "jobs_steady",
    "100 one-time jobs every second for a minute, of 60 workspaces, 50 endpoints; none lost or doubled",
    steady,
    _BARE,
)
