"""A backlog of reports decided by one stream worker, next to a bare transactional loop."""

from __future__ import annotations

import asyncio
from typing import Final

from bench.environment import PARTITIONS, Environment
from bench.events import EVENTS, FACTS, decided, govern, preload, steady_rate
from bench.figures import Figures, Line, at_least, ratio_of
from bench.row import Bench, Row
from tocsin.events.topics import state_topic

_STATE: Final = state_topic("tickets")
_KEYS: Final = 1_000


async def _ours(environment: Environment, total: int, keys: int) -> Figures:
    place = await environment.place(database=False)
    policies = await govern(place.bootstrap)
    await preload(place.bootstrap, total, keys)
    worker = environment.role(place, "stream")
    await worker.until_total("tocsin_events_applied_total", total + policies)
    worker.stop()
    return await _figures(place.bootstrap, total, policies)


async def _bare(environment: Environment, total: int, keys: int) -> Figures:
    place = await environment.place(database=False)
    await preload(place.bootstrap, total, keys)
    topics = EVENTS, FACTS, _STATE
    loop = environment.module(place, "bench.bare.decide", place.bootstrap, *topics, str(PARTITIONS), str(total))
    if status := await asyncio.to_thread(loop.process.wait):
        raise RuntimeError(f"the bare loop ended with {status}:\n{loop.log.read_text()[-2000:]}")
    return await _figures(place.bootstrap, total)


async def _figures(bootstrap: str, total: int, policies: int = 0) -> Figures:
    written = await decided(bootstrap)
    if (found := sum(events for _, events in written)) != total + policies:
        raise RuntimeError(f"the facts account for {found} events of {total + policies}")
    return {"rate": steady_rate(written), "facts": len(written) - policies}


async def run(bench: Bench) -> list[Line]:
    total, rounds = bench.size(200_000, 60_000), bench.size(5, 1)
    lines = []
    with bench.environment() as environment:
        for name, keys, limit in ((f"{_KEYS:,} keys", _KEYS, 60_000), ("all unique", total, 35_000)):
            ours, bare = await bench.in_turns(
                rounds,
                lambda keys=keys: _ours(environment, total, keys),  # type: ignore[misc]
                lambda keys=keys: _bare(environment, total, keys),  # type: ignore[misc]
                warm_up=keys == _KEYS,
            )
            targets = at_least(limit), ratio_of(0.6)
            lines.append(Line(f"decided, {name}", "events/s", ours["rate"], bare["rate"], targets))
            lines.append(Line(f"facts written, {name}", "facts", ours["facts"], bare["facts"]))
    return lines


DECIDE: Final = Row(
    "decide",
    "a backlog decided by one stream worker under the SLA policy of deploy/ (middle 80 %)",
    run,
    "transactional aiokafka in one process, one producer a partition, up to 2,000 events a transaction: fold per key in"
    " a dict, write facts, state, one effect and the position",
)
