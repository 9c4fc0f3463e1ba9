"""``tocsin up`` as its users run it: how soon it is ready, and the memory of its processes at rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from bench.figures import Line, Spread, below, single
from bench.row import Bench, Row
from tests.installation import Installation
from tocsin.embedded.roles import ROLES

_MB: Final = 2**20


def _started(installation: Installation) -> float:
    """Seconds until it said that it is ready. Raises RuntimeError when it ended instead."""
    started = time.monotonic()
    installation.start()
    seconds = time.monotonic() - started
    if not installation.ready():
        raise RuntimeError("\n".join(installation.output))
    return seconds


@contextmanager
def _installation(directory: Path) -> Iterator[Installation]:
    """Ends it whatever happens."""
    installation = Installation(directory)
    try:
        yield installation
    finally:
        if installation.process is not None and installation.process.poll() is None:
            installation.end()


async def up(bench: Bench) -> list[Line]:
    rounds = bench.size(5, 1)
    first, again = [], []
    for number in range(rounds):
        with bench.directory() as directory, _installation(directory) as installation:
            bench.say(f"first start, {number + 1} of {rounds}")
            first.append(_started(installation))
            installation.end()
            bench.say(f"again, {number + 1} of {rounds}")
            again.append(_started(installation))
    return [
        Line("first start, empty data directory", "s", Spread.of(first)),
        Line("again", "s", Spread.of(again), targets=(below(8),)),
    ]


def _processes(installation: Installation) -> Iterator[tuple[str, psutil.Process]]:
    assert installation.process is not None
    yield "supervisor", psutil.Process(installation.process.pid)
    for role in ROLES:
        yield role.name, installation.child(role.name)


def _memory(process: psutil.Process) -> tuple[float, float]:
    """(proportional, resident) set size in MB; where there is no proportional one, the resident twice."""
    found = process.memory_full_info()
    return getattr(found, "pss", found.rss) / _MB, found.rss / _MB


async def memory(bench: Bench) -> list[Line]:
    with bench.directory() as directory, _installation(directory) as installation:
        bench.say("starting")
        _started(installation)
        bench.say("idle")
        await asyncio.sleep(bench.size(30, 5))
        found = {name: _memory(process) for name, process in _processes(installation)}
    proportional, resident = (sum(one) for one in zip(*found.values(), strict=True))
    return [
        Line("all, proportional", "MB", single(proportional), targets=(below(500),)),
        Line("all, resident", "MB", single(resident)),
        *(Line(f"{name}, proportional", "MB", single(one)) for name, (one, _) in found.items()),
    ]


UP: Final = Row("up", "tocsin up until it is ready, jars in the cache", up)
MEMORY: Final = Row("memory", "all roles of tocsin up at rest, without the JVM and PostgreSQL", memory)
