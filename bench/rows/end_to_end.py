"""All roles on this machine: batches in, until the read models show every one of them; and how late one event shows."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import asyncpg

from bench import system
from bench.environment import Environment
from bench.events import batch_body, body
from bench.figures import Line, Rounds, at_least, below, samples
from bench.load import Client, drive, request
from bench.row import Bench, Row
from bench.system import System

_KEYS: Final = 1_000
_A_BATCH: Final = 500
_PROJECTED: Final = "SELECT coalesce(sum(value), 0) FROM read_model.counters WHERE name = 'occurrences_counted'"


async def _until_projected(connection: Any, events: int, seconds: float = 600) -> None:
    """Asks a table of a few rows: the read models would be slowed down by being asked."""
    async with asyncio.timeout(seconds):
        while await connection.fetchval(_PROJECTED) < events:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def _sustained(environment: Environment, total: int, keys: int) -> float:
    """Events a second from the first request to the last event visible. Raises RuntimeError for a wrong count."""
    running = await system.start(environment)
    bodies = [batch_body([nth % keys for nth in range(at, at + _A_BATCH)]) for at in range(0, total, _A_BATCH)]
    requests = [request("POST", "/failures/batch", one) for one in bodies]
    connection = await asyncpg.connect(running.place.database)
    before = await connection.fetchval(_PROJECTED)
    started = time.perf_counter()
    load = await drive(running.port, requests, len(requests), 4)
    load.expect(202)
    await _until_projected(connection, before + total)
    seconds = time.perf_counter() - started
    await connection.close()
    await _check(running, total, keys)
    running.stop()
    return total / seconds


async def _check(running: System, total: int, keys: int) -> None:
    tickets, occurrences = await system.totals(running, pages=keys // 100 + 1 if keys < total else 1)
    if tickets != keys or (keys < total and occurrences != total):
        raise RuntimeError(f"{total} events of {keys} keys became {tickets} tickets with {occurrences} occurrences")


async def end_to_end(bench: Bench) -> list[Line]:
    total, rounds = bench.size(300_000, 40_000), bench.size(3, 1)
    lines = []
    with bench.environment() as environment:
        for name, keys, limit in ((f"{_KEYS:,} keys", _KEYS, 20_000), ("all unique", total, 8_000)):
            found = Rounds()
            for number in range(rounds):
                bench.say(f"{name}, round {number + 1} of {rounds}")
                found.add({"rate": await _sustained(environment, total, keys)})
            lines.append(Line(f"in → visible, {name}", "events/s", found["rate"], targets=(at_least(limit),)))
    return lines


# --- latency ----------------------------------------------------------------------------------------------------------


async def _probe(running: System, count: int, first_key: int, every: float = 0.0) -> list[float]:
    """Seconds from accepted to visible of ``count`` new tickets, one at a time, at most one ``every`` seconds."""
    found = []
    for number in range(count):
        took = await system.accepted_to_visible(running, first_key + number)
        found.append(took)
        await asyncio.sleep(max(0.0, every - took))
    return found


async def _background(running: System, rate: int, connections: int = 64) -> None:
    """``rate`` single reports a second of 1,000 keys, until cancelled."""
    requests = [request("POST", "/failures", body(key)) for key in range(_KEYS)]
    interval, due = connections / rate, time.perf_counter()

    async def send(first: int) -> None:
        client, number = await Client.connect(running.port), first
        at = due + interval * first / connections
        while True:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            await client.ask(requests[number % _KEYS])
            at, number = at + interval, number + connections

    await asyncio.gather(*(send(first) for first in range(connections)))


async def latency(bench: Bench) -> list[Line]:
    count, rate = bench.size(500, 60), 1_000
    with bench.environment() as environment:
        bench.say("starting the roles")
        running = await system.start(environment)
        bench.say("idle, one at a time")
        idle = await _probe(running, count, 1_000_000)
        bench.say(f"beside {rate:,} events/s")
        load = asyncio.create_task(_background(running, rate))
        await asyncio.sleep(2)
        busy = await _probe(running, count, 2_000_000, every=0.05)
        if load.done():
            load.result()
        load.cancel()
        running.stop()
    return [
        *samples("accepted → visible, idle", idle, 0.5, 0.99, 1, targets={0.5: below(40), 0.99: below(150)}),
        *samples(f"accepted → visible at {rate:,} events/s", busy, 0.5, 0.99, 1, targets={0.99: below(300)}),
    ]


END_TO_END: Final = Row("end_to_end", "batches in until visible in GET, all roles on this machine", end_to_end)
LATENCY: Final = Row("latency", "one event accepted until visible in GET, asked every 2 ms", latency)
