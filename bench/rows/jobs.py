"""One-time jobs through all roles: due in one second, and a hundred a second; how late each request arrives."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

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

_MEASURES: Final = ("p50", "p99", "max")
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


def _bodies(due: Sequence[float], ports: Sequence[int]) -> list[bytes]:
    """A job for each due time (Unix seconds, with fraction), the endpoints in turn."""
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


async def _ours(environment: Environment, number: int, due_in: Sequence[float], workspaces: int) -> Figures:
    running = await system.start(environment)
    try:
        ports = await _sinks(environment, running, number)
        bearers = await _keys(running, workspaces)
        begin = int(time.time()) + 12 + len(due_in) // 150
        await _create(running, _bodies([begin + seconds for seconds in due_in], ports), bearers)
        if time.time() > begin - 1:
            raise RuntimeError("creating the jobs took longer than thought")
        await asyncio.sleep(begin - time.time() + due_in[-1])
        return _figures(await _arrived(environment, number, len(due_in)), len(due_in))
    finally:
        running.stop()


async def _bare(environment: Environment, number: int, due_in: Sequence[float]) -> Figures:
    return await _posted_by("bench.bare.burst", environment, number, due_in, begin_in=4)


async def _peer(environment: Environment, number: int, due_in: Sequence[float]) -> Figures:
    """procrastinate defers 400 to 800 jobs a second here."""
    return await _posted_by(
        "bench.peers.procrastinate", environment, number, due_in, begin_in=8 + len(due_in) // 250, database=True
    )


async def _posted_by(
    module: str,
    environment: Environment,
    number: int,
    due_in: Sequence[float],
    *,
    begin_in: int,
    database: bool = False,
) -> Figures:
    """What a program did with a plan of all requests. ``begin_in``: seconds until the first is due."""
    place = await environment.place(database=database)
    file, plan = environment.directory / f"sinks-{number}", environment.directory / f"plan-{number}"
    receiving = environment.module(place, "bench.sinks", str(file), str(_ENDPOINTS))
    async with asyncio.timeout(20):
        while not (ports := sinks.ports(file)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    begin = int(time.time()) + begin_in
    urls = (f"http://127.0.0.1:{ports[nth % len(ports)]}/hook" for nth in range(len(due_in)))
    plan.write_text("\n".join(f"{begin + seconds} {url}" for seconds, url in zip(due_in, urls, strict=True)))
    posting = environment.module(place, module, str(plan))
    try:
        await asyncio.sleep(begin - 1 - time.time())
        posting.check()
        if sinks.arrivals(file):
            raise RuntimeError(f"{module} was not ready when the first request was due")
        await asyncio.sleep(1 + due_in[-1])
        return _figures(await _arrived(environment, number, len(due_in)), len(due_in))
    finally:
        posting.stop()
        receiving.stop()


class _Found(NamedTuple):
    ours: Figures
    bare: Figures
    peer: Figures


async def _all(bench: Bench, due_in: Sequence[float], workspaces: int, rounds: int) -> _Found:
    """The middle round of each measure; the peer has one round."""
    with bench.environment() as environment:
        number = iter(range(2 * rounds + 1))
        ours, bare = await bench.in_turns(
            rounds,
            lambda: _ours(environment, next(number), due_in, workspaces),
            lambda: _bare(environment, next(number), due_in),
            warm_up=False,
        )
        bench.say("procrastinate")
        peer = await _peer(environment, next(number), due_in)
    return _Found(
        {name: ours[name].median for name in _MEASURES}, {name: bare[name].median for name in _MEASURES}, peer
    )


def _lines(found: _Found, targets: dict[str, Target]) -> list[Line]:
    beside = [
        Line(
            f"lateness at the receiver, {name}",
            "ms",
            single(found.ours[name]),
            single(found.bare[name]),
            (targets[name],) if name in targets else (),
        )
        for name in _MEASURES
    ]
    against = [
        Line(
            f"procrastinate in place of bare, {name}",
            "ms",
            single(found.ours[name]),
            single(found.peer[name]),
        )
        for name in _MEASURES
    ]
    return beside + against


async def burst(bench: Bench) -> list[Line]:
    due_in = [0.0] * bench.size(1_000, 200)
    return _lines(await _all(bench, due_in, 20, bench.size(3, 1)), {"p99": below(600)})


async def steady(bench: Bench) -> list[Line]:
    seconds = bench.size(60, 5)
    due_in = [nth / 100 for nth in range(100 * seconds)]
    return _lines(await _all(bench, due_in, max(20, seconds), 1), {"p50": below(15), "p99": below(40)})


_BARE: Final = (
    "an asyncio loop that knows all requests, sleeps until each is due and posts with aiohttp; nothing is kept."
    " procrastinate 3 polls every 0.1 s (5 s by default) and runs 20 at a time, on the same PostgreSQL"
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
    "100 one-time jobs a second for a minute, evenly, of 60 workspaces, 50 endpoints; none lost or doubled",
    steady,
    _BARE,
)
