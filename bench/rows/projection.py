"""Facts into rows: the projector on a backlog, and a rebuild of everything."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import Final

from bench.bare.upsert import upsert
from bench.environment import Environment, Place
from bench.events import govern, preload
from bench.figures import Figures, Line, Spread, at_least
from bench.row import Bench, Row

_FACTS: Final = "tocsin_projected_records_total"
_ROWS: Final = "tocsin_projected_rows_total"
_KEYS: Final = 1_000
_POLL_SECONDS: Final = 0.25


async def _decided(environment: Environment, place: Place, total: int, keys: int) -> int:
    """Puts reports into the log and has a real worker decide them under the SLA policy; the number of facts."""
    policies = await govern(place.bootstrap)
    await preload(place.bootstrap, total, keys)
    worker = environment.role(place, "stream")
    await worker.until_total("tocsin_events_applied_total", total + policies)
    facts = worker.total("tocsin_worker_decisions_total")
    worker.stop()
    return int(facts)


async def _project(environment: Environment, place: Place, facts: int) -> Figures:
    """Rows and facts a second of a projector that finds them all waiting."""
    projector = environment.role(place, "project")
    samples: list[tuple[float, float, float]] = []
    while not samples or samples[-1][1] < facts:
        projector.check()
        found = await asyncio.to_thread(projector.metrics)
        if found.get((_FACTS, "")):
            samples.append((time.perf_counter(), found[_FACTS, ""], found[_ROWS, ""]))
        await asyncio.sleep(_POLL_SECONDS)
    projector.stop()
    (first, facts_before, rows_before), (last, facts_after, rows_after) = samples[0], samples[-1]
    seconds = last - first
    return {"rows": (rows_after - rows_before) / seconds, "facts": (facts_after - facts_before) / seconds}


async def projection(bench: Bench) -> list[Line]:
    total = bench.size(200_000, 40_000)
    lines = []
    with bench.environment() as environment:
        for name, keys in ((f"{_KEYS:,} keys", _KEYS), ("all unique", total)):

            async def ours(keys: int = keys) -> Figures:
                place = await environment.place()
                facts = await _decided(environment, place, total, keys)
                return await _project(environment, place, facts)

            async def bare(keys: int = keys) -> Figures:
                return {"rows": await upsert(environment.server, total, keys)}

            found, limit = await bench.in_turns(bench.size(3, 1), ours, bare, warm_up=False)
            # of many facts about one ticket one row is left: there facts/s is what counts
            targets = (at_least(30_000),) if keys == total else ()
            lines.append(Line(f"rows written, {name}", "rows/s", found["rows"], limit["rows"], targets))
            lines.append(Line(f"facts applied, {name}", "facts/s", found["facts"]))
    return lines


async def rebuild(bench: Bench) -> list[Line]:
    total, seconds = bench.size(1_000_000, 50_000), []
    with bench.environment() as environment:
        place = await environment.place()
        bench.say(f"deciding {total:,} events")
        facts = await _decided(environment, place, total, total)
        for number in range(bench.size(2, 1)):
            bench.say(f"rebuilding, {number + 1}")
            seconds.append(await asyncio.to_thread(_rebuild, environment, place))
    rates = [facts / one for one in seconds]
    return [
        Line(f"rebuild of {facts:,} facts, one a ticket", "s", Spread.of(seconds)),
        Line("facts a second", "facts/s", Spread.of(rates)),
    ]


def _rebuild(environment: Environment, place: Place) -> float:
    """Seconds of ``tocsin projections rebuild``. Raises CalledProcessError."""
    settings = {"DATABASE_URL": place.database, "KAFKA_BOOTSTRAP_SERVERS": place.bootstrap}
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "tocsin", "projections", "rebuild"],
        env={**os.environ, **settings},
        cwd=environment.directory,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - started


PROJECTION: Final = Row(
    "projection",
    "a backlog of facts written to the read models by one projector",
    projection,
    "asyncpg on one connection, 500 rows a statement by unnest, upserted into one table of 9 columns with two indexes"
    " (no log, no positions, no history, counts or search)",
)
REBUILD: Final = Row("rebuild", "tocsin projections rebuild", rebuild)
