"""Slots against a walk through every minute around the clock changes of the zones that break schedulers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from random import Random

import pytest

from tests.unit.cron.drawing import Drawn, drawn
from tests.unit.cron.walk import MINUTE, Walk, changes, utc
from tocsin.cron import DST_POLICIES, DstPolicy, next_after, parse, slots_between, zone
from tocsin.cron.zones import _keys

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Atlantic/Azores",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "America/St_Johns",
)
EXPRESSIONS = 60
YEAR = 2025
MARGIN = timedelta(hours=18)


@cache
def walks(key: str, first: int, last: int) -> list[tuple[datetime, Walk]]:
    """Every clock change of the years with the minutes around it."""
    place = zone(key)
    found = changes(place, utc(f"{first}-01-01"), utc(f"{last + 1}-01-01"))
    return [(change, Walk(place, change - MARGIN, change + MARGIN)) for change in found]


def draws(key: str, change: datetime, count: int) -> Iterator[Drawn]:
    random = Random(f"{key} {change}")
    near = change.astimezone(zone(key)).date()
    return (drawn(random, near) for _ in range(count))


def difference(key: str, walk: Walk, one: Drawn, policy: DstPolicy) -> str:
    """Empty, or what differs: along the chain of slots, and from instants between them."""
    expected = walk.slots(one, policy)
    expression, place = parse(one.text), zone(key)
    found = list(slots_between(expression, place, walk.start - MINUTE, walk.end - MINUTE, policy))
    if found != expected:
        wrong = sorted(set(found) ^ set(expected))[0]
        return f"{one.text!r} {key} {policy}: {wrong} is {'missing' if wrong in expected else 'too much'}"
    random = Random(one.text)
    for _ in range(3):
        after = walk.start + random.random() * (walk.end - walk.start)
        following = next((slot for slot in expected if slot > after), None)
        if following and (answer := next_after(expression, place, after, policy)) != following:
            return f"{one.text!r} {key} {policy}: after {after} comes {following}, not {answer}"
    return ""


@pytest.mark.parametrize("key", ZONES)
def test_J6_slots_are_those_of_the_oracle(key: str) -> None:
    around = walks(key, YEAR, YEAR)
    assert len(around) == 2
    cases = [(walk, one) for change, walk in around for one in draws(key, change, EXPRESSIONS)]
    assert [found for walk, one in cases if (found := difference(key, walk, one, "vixie"))] == []


@pytest.mark.parametrize("policy", [policy for policy in DST_POLICIES if policy != "vixie"])
@pytest.mark.parametrize("key", ZONES)
def test_J6_every_policy_is_that_of_the_oracle(key: str, policy: DstPolicy) -> None:
    cases = [(walk, one) for change, walk in walks(key, YEAR, YEAR) for one in draws(key, change, EXPRESSIONS // 3)]
    fixed = [(walk, one) for walk, one in cases if not one.wildcard]
    assert len(fixed) > EXPRESSIONS // 6
    assert [found for walk, one in fixed if (found := difference(key, walk, one, policy))] == []


@pytest.mark.parametrize(
    ("key", "year"), [("Pacific/Apia", 2011), ("Antarctica/Casey", 2010), ("Asia/Kathmandu", 1985)]
)
@pytest.mark.parametrize("policy", DST_POLICIES)
def test_J6_zones_that_moved_are_those_of_the_oracle(key: str, year: int, policy: DstPolicy) -> None:
    cases = [(walk, one) for change, walk in walks(key, year, year) for one in draws(key, change, EXPRESSIONS // 4)]
    assert cases
    assert [found for walk, one in cases if (found := difference(key, walk, one, policy))] == []


@pytest.mark.long
@pytest.mark.parametrize("key", ZONES)
def test_J6_slots_of_28_years_are_those_of_the_oracle(key: str) -> None:
    cases = [
        (walk, one, policy)
        for change, walk in walks(key, 2010, 2037)
        for one in draws(key, change, EXPRESSIONS)
        for policy in (DST_POLICIES[:1] if one.wildcard else DST_POLICIES)
    ]
    assert [found for walk, one, policy in cases if (found := difference(key, walk, one, policy))] == []


@pytest.mark.long
@pytest.mark.parametrize("initial", sorted({key[:4] for key in _keys()}))
def test_J6_slots_of_every_zone_are_those_of_the_oracle(initial: str) -> None:
    keys = [key for key in sorted(_keys()) if key.startswith(initial)]
    cases = [
        (key, walk, one)
        for key in keys
        for change, walk in walks(key, YEAR, YEAR)
        for one in draws(key, change, EXPRESSIONS // 3)
    ]
    assert [found for key, walk, one in cases if (found := difference(key, walk, one, "vixie"))] == []
