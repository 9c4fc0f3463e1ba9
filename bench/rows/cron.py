"""Slots of random expressions against the oracle of the tests, on many clock changes; and how fast they are found."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from random import Random

from bench.figures import Line, single
from bench.row import Bench, Row
from tests.unit.cron.drawing import drawn
from tests.unit.cron.test_oracle import EXPRESSIONS, ZONES, difference, draws, walks
from tocsin.cron import DST_POLICIES, next_after, parse, zone

_FIRST, _LAST = 2010, 2037


def _compared(bench: Bench, years: tuple[int, int]) -> int:
    """How many comparisons were made. Raises RuntimeError at the first difference."""
    count = 0
    for key in ZONES:
        bench.say(f"{key}, {years[0]} to {years[1]}")
        for change, walk in walks(key, *years):
            for one in draws(key, change, EXPRESSIONS):
                for policy in DST_POLICIES[:1] if one.wildcard else DST_POLICIES:
                    if found := difference(key, walk, one, policy):
                        raise RuntimeError(found)
                    count += 1
    return count


def _searched(count: int) -> float:
    """Next slots found a second, each of another expression, zone and instant."""
    random = Random("cron")
    asked = []
    for number in range(count):
        after = datetime.fromtimestamp(random.randrange(1_262_304_000, 2_145_916_800), UTC)
        key = ZONES[number % len(ZONES)]
        asked.append((parse(drawn(random, after.astimezone(zone(key)).date()).text), zone(key), after))
    started = time.perf_counter()
    for expression, place, after in asked:
        next_after(expression, place, after)
    return count / (time.perf_counter() - started)


async def cron(bench: Bench) -> list[Line]:
    years = (_FIRST, _LAST) if not bench.quick else (2025, 2025)
    compared = _compared(bench, years)
    searched = _searched(bench.size(20_000, 2_000))
    return [
        Line("expression x clock change x policy equal to the oracle, none different", "cases", single(compared)),
        Line("next slots found, any expression, zone and instant", "slots/s", single(searched)),
    ]


CRON = Row("cron", f"{EXPRESSIONS} random expressions at each clock change of {len(ZONES)} zones, 2010 to 2037", cron)
