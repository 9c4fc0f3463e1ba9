"""Partitions that change hands: after a kill, at a clean stop, at a freeze, and when the only worker is restarted."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from typing import Final

from bench.environment import PARTITIONS, Environment, Place, Program
from bench.events import preload
from bench.figures import Line, Spread, below, samples
from bench.probe import Prober, prober
from bench.row import Bench, Row

_OWNED: Final = re.compile(r'partition="(\d+)"')
_HOT_KEYS: Final = 1_000
_PROBE_SECONDS: Final = 0.02
_AFTERWARDS_SECONDS: Final = 2.0
_FROZEN_SECONDS: Final = 8.0


async def _with_entities(bench: Bench, environment: Environment, entities: int) -> tuple[Place, Program]:
    """One worker that has decided ``entities`` open tickets, and rewritten some of them as often again."""
    place = await environment.place(database=False)
    bench.say(f"opening {entities:,} tickets")
    await preload(place.bootstrap, entities, entities)
    await preload(place.bootstrap, entities, _HOT_KEYS)
    worker = environment.role(place, "stream")
    await worker.until_total("tocsin_events_applied_total", 2 * entities)
    return place, worker


def _owned(worker: Program) -> set[int]:
    """The partitions it says it owns."""
    found = ((_OWNED.search(labels), value) for (name, labels), value in worker.metrics().items() if "owned" in name)
    return {int(one[1]) for one, value in found if one and value}


async def _until_shared(*workers: Program, seconds: float = 60) -> None:
    """Until each owns some and all partitions are owned by exactly one."""
    async with asyncio.timeout(seconds):
        while True:
            owned = [await asyncio.to_thread(_owned, worker) for worker in workers]
            if all(owned) and sum(map(len, owned)) == PARTITIONS:
                return
            for worker in workers:
                worker.check()
            await asyncio.sleep(0.05)


class Pair:
    """Two workers, one of which is lost and replaced in each round."""

    def __init__(self, environment: Environment, place: Place, first: Program) -> None:
        self._environment, self._place = environment, place
        self.workers = [first, environment.role(place, "stream")]

    async def settled(self, probe: Prober) -> None:
        await _until_shared(*self.workers)
        await probe.until_decided(await probe.send_all())

    async def kill(self, probe: Prober, number: int) -> float:
        """Seconds from the kill of a worker until the other has decided a report on every partition it owned."""
        victim = self.workers[number % 2]
        owned = _owned(victim)
        started = time.monotonic()
        victim.kill()
        decided = await probe.until_decided(await probe.send_all(owned))
        await self._replace(probe, number)
        return decided - started

    async def stop(self, probe: Prober, number: int) -> float:
        """The longest wait for a decision, in seconds, on the partitions of a worker that is asked to stop."""
        victim = self.workers[number % 2]
        owned = _owned(victim)
        async with probe.every(_PROBE_SECONDS) as since:
            victim.send(signal.SIGTERM)
            await asyncio.to_thread(victim.process.wait, 15)
            await asyncio.sleep(_AFTERWARDS_SECONDS)
        longest = max(probe.latencies(owned, since))
        await self._replace(probe, number)
        return longest

    async def _replace(self, probe: Prober, number: int) -> None:
        self.workers[number % 2] = self._environment.role(self._place, "stream")
        await self.settled(probe)


async def takeover(bench: Bench) -> list[Line]:
    rounds = bench.size(20, 3)
    with bench.environment() as environment:
        place, first = await _with_entities(bench, environment, bench.size(100_000, 20_000))
        async with prober(place.bootstrap) as probe:
            pair = Pair(environment, place, first)
            await pair.settled(probe)
            killed, stopped = [], []
            for number in range(rounds):
                bench.say(f"kill -9, {number + 1} of {rounds}")
                killed.append(await pair.kill(probe, number))
            for number in range(rounds):
                bench.say(f"clean stop, {number + 1} of {rounds}")
                stopped.append(await pair.stop(probe, number))
            for worker in pair.workers:
                worker.kill()
            frozen = [await _freeze(bench, environment, place, probe, n) for n in range(bench.size(5, 1))]
    of_the_frozen, of_others = (list(values) for values in zip(*frozen, strict=True))
    return [
        *samples("kill -9 → decided by the survivor", killed, 0.5, 0.95, 1, targets={0.95: below(3000)}),
        *samples("clean stop: longest wait for a decision", stopped, 0.5, 0.95, 1, targets={0.95: below(1500)}),
        Line("frozen in a transaction: longest wait, its partitions", "s", Spread.of(of_the_frozen)),
        Line("frozen in a transaction: longest wait, others", "s", Spread.of(of_others), targets=(below(3),)),
    ]


async def _freeze(
    bench: Bench, environment: Environment, place: Place, probe: Prober, number: int
) -> tuple[float, float]:
    """The longest wait for a decision, in seconds, on the partitions of a worker that freezes between the sends and
    the commit of a transaction, and on those of the other worker."""
    bench.say(f"freeze inside a transaction, {number + 1}")
    trigger = environment.directory / "freeze"
    victim = environment.module(place, "tests.faults.saboteur", "freeze", str(trigger))
    other = environment.role(place, "stream")
    await _until_shared(victim, other)
    await probe.until_decided(await probe.send_all())
    theirs = _owned(other)
    async with probe.every(_PROBE_SECONDS) as since:
        trigger.touch()
        await asyncio.sleep(_FROZEN_SECONDS)
    if trigger.exists():
        raise RuntimeError("the worker never froze")
    victim.kill()
    other.stop()
    mine = set(range(PARTITIONS)) - theirs
    return max(probe.latencies(mine, since)), max(probe.latencies(theirs, since))


async def restart(bench: Bench) -> list[Line]:
    entities, rounds = bench.size(100_000, 20_000), bench.size(5, 2)
    with bench.environment() as environment:
        place, worker = await _with_entities(bench, environment, entities)
        async with prober(place.bootstrap) as probe:
            stopped, killed = [], []
            for number in range(rounds):
                bench.say(f"round {number + 1} of {rounds}")
                worker.stop()
                worker, seconds = await _restarted(environment, place, probe)
                stopped.append(seconds)
                worker.kill()
                worker, seconds = await _restarted(environment, place, probe)
                killed.append(seconds)
            worker.stop()
    return [
        Line(f"after a clean stop, {entities:,} entities", "s", Spread.of(stopped), targets=(below(3),)),
        Line(f"after kill -9, {entities:,} entities", "s", Spread.of(killed), targets=(below(3),)),
    ]


async def _restarted(environment: Environment, place: Place, probe: Prober) -> tuple[Program, float]:
    """A new worker, and the seconds from its start until a report on every partition is decided."""
    waiting = await probe.send_all()
    started = time.monotonic()
    worker = environment.role(place, "stream")
    return worker, await probe.until_decided(waiting) - started


TAKEOVER: Final = Row("takeover", "partitions taken over by another stream worker, with open tickets", takeover)
RESTART: Final = Row("restart", "the only stream worker started again, until it decides on every partition", restart)
