"""Business time against a minute-by-minute oracle that only asks the wall clock (S11)."""

from __future__ import annotations

import random
from bisect import bisect_left
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.business_time import (
    ALWAYS_OPEN,
    DAY_MS,
    MINUTE_MS,
    WEEK_MS,
    BeyondHorizon,
    Calendar,
    CalendarHours,
    calendar_of,
)
from tocsin.cron.zones import zone

# both hemispheres, a half-hour change, half-hour offsets, rules that were given up
ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo"]
OFFICE = (((540, 720), (780, 1020)),) * 5 + ((), ())
SHIFTS = (((0, 360), (1320, 1440)),) * 4 + (((0, 1440),), ((60, 150), (1320, 1440)), ())  # nights, across the changes
HOLIDAYS = {
    "2017-12-25": ((0, 1440),),
    "2018-02-18": ((0, 1440),),  # the clock is set back in São Paulo
    "2018-03-09": ((600, 660), (700, 1440)),
    "2018-11-02": ((0, 30),),
}


def minute(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


class Oracle:
    """Open minutes counted one by one: each is open when its wall clock says so."""

    def __init__(self, hours: CalendarHours, start: int, minutes: int) -> None:
        self.start, self.passed = start, [0]
        where = zone(hours.timezone)
        for number in range(minutes):
            local = datetime.fromtimestamp(start // 1000 + number * 60, where)
            now, closed = local.hour * 60 + local.minute, hours.holidays.get(local.date().isoformat(), ())
            is_open = any(since <= now < to for since, to in hours.week[local.weekday()])
            is_open = is_open and not any(since <= now < to for since, to in closed)
            self.passed.append(self.passed[-1] + is_open)


def compared(hours: CalendarHours, start: int, days: int, samples: int) -> int:
    """How often calendar and oracle differ."""
    minutes = days * 1440
    oracle, calendar, random_ = Oracle(hours, start, minutes), Calendar(hours), random.Random(7)
    differences = 0
    for _ in range(samples):
        one, other = sorted((random_.randrange(minutes), random_.randrange(minutes)))
        between = calendar.between(start + one * MINUTE_MS, start + other * MINUTE_MS)
        differences += between != (oracle.passed[other] - oracle.passed[one]) * MINUTE_MS
        amount = random_.choice([random_.randrange(1, 600), random_.randrange(1, 60_000)])
        reached = bisect_left(oracle.passed, oracle.passed[one] + amount)
        if reached < len(oracle.passed):
            after = calendar.after(start + one * MINUTE_MS, amount * MINUTE_MS)
            differences += after != start + reached * MINUTE_MS
    return differences


@pytest.mark.parametrize("timezone", ZONES)
def test_S11_business_time_is_what_the_wall_clock_says_minute_by_minute(timezone: str) -> None:
    """Three months with a change of the clock in each zone that has one."""
    start = minute("2018-01-25T00:00") if timezone == "America/Sao_Paulo" else minute("2018-10-01T00:00")
    for week in (OFFICE, SHIFTS):
        assert compared(CalendarHours(timezone, week, HOLIDAYS), start, 92, 2_000) == 0


@pytest.mark.long
@pytest.mark.parametrize("timezone", ZONES)
@pytest.mark.parametrize("week", [OFFICE, SHIFTS], ids=["office", "shifts"])
def test_S11_two_years_in_five_zones_without_a_difference(timezone: str, week: Any) -> None:
    assert compared(CalendarHours(timezone, week, HOLIDAYS), minute("2017-06-01T00:00"), 731, 100_000) == 0


BERLIN = Calendar(CalendarHours("Europe/Berlin", OFFICE, HOLIDAYS))
INSTANTS = st.integers(minute("2015-01-01T00:00"), minute("2035-01-01T00:00"))
AMOUNTS = st.integers(0, 400 * DAY_MS)


@given(INSTANTS, AMOUNTS)
def test_S11_what_has_passed_after_an_amount_is_that_amount(start: int, amount: int) -> None:
    end = BERLIN.after(start, amount)
    assert BERLIN.between(start, end) == amount
    assert end == start or BERLIN.between(start, end - 1) < amount  # and not earlier


@given(INSTANTS, AMOUNTS, AMOUNTS)
def test_S11_amounts_add_up(start: int, one: int, other: int) -> None:
    assert BERLIN.after(BERLIN.after(start, one), other) == BERLIN.after(start, one + other)


@given(INSTANTS, st.lists(st.integers(0, WEEK_MS * 60), max_size=4))
def test_S11_elapsed_time_is_monotone_and_adds_up(start: int, steps: list[int]) -> None:
    points = [start]
    for step in steps:
        points.append(points[-1] + step)
    parts = [BERLIN.between(one, other) for one, other in pairwise(points)]
    assert min(parts, default=0) >= 0
    assert sum(parts) == BERLIN.between(start, points[-1])


@given(INSTANTS)
def test_S11_openings_and_closings_are_the_next_ones(at: int) -> None:
    opening, closing = BERLIN.opening(at), BERLIN.closing(at)
    assert BERLIN.is_open(opening)
    assert BERLIN.between(at, opening) == 0
    assert not BERLIN.is_open(closing)
    assert BERLIN.between(at, closing) == closing - at


EDGES = [
    # at, amount, then: intervals end exclusively, so nothing is left at 17:00 sharp
    ("2018-10-01T15:00", 1, "2018-10-02T07:00"),
    ("2018-10-01T14:59", 1, "2018-10-01T15:00"),
    ("2018-10-05T20:00", 60, "2018-10-08T08:00"),  # Friday evening
    ("2018-10-26T14:00", 120, "2018-10-29T09:00"),  # summer time ends at the weekend: 9:00 is 8:00 UTC
]


@pytest.mark.parametrize(("start", "minutes", "then"), EDGES)
def test_S11_goals_are_reached_at_the_edges_of_the_day(start: str, minutes: int, then: str) -> None:
    reached = BERLIN.after(minute(start), minutes * MINUTE_MS)
    expected = minute(then) + (MINUTE_MS if then == "2018-10-02T07:00" else 0)
    assert reached == expected


def test_S11_a_night_shift_is_an_hour_shorter_when_the_clock_is_set_forward() -> None:
    night = Calendar(CalendarHours("Europe/Berlin", (((0, 360),),) * 7))
    spring, autumn = minute("2018-03-24T22:00"), minute("2018-10-27T21:00")
    assert night.between(spring, spring + DAY_MS // 2) == 5 * 60 * MINUTE_MS
    assert night.between(autumn, autumn + DAY_MS // 2) == 7 * 60 * MINUTE_MS


def test_S11_always_open_is_wall_time() -> None:
    assert ALWAYS_OPEN.after(5, 10) == 15
    assert ALWAYS_OPEN.between(5, 15) == 10
    assert ALWAYS_OPEN.opening(7) == 7


def test_a_calendar_that_is_never_open_says_so() -> None:
    with pytest.raises(BeyondHorizon):
        Calendar(CalendarHours(week=((),) * 7)).after(0, 1)
    with pytest.raises(BeyondHorizon):
        ALWAYS_OPEN.closing(0)


def test_a_holiday_in_every_year_ahead_is_no_endless_search() -> None:
    christmas = Calendar(CalendarHours("UTC", (((540, 1020),),) * 7, {"2018-12-25": ((0, 1440),)}))
    years = 20 * 365 * 8 * 60 * MINUTE_MS
    assert christmas.between(minute("2018-01-01T00:00"), christmas.after(minute("2018-01-01T00:00"), years)) == years


def test_a_calendar_is_read_from_a_policy() -> None:
    calendar = calendar_of({"timezone": "Europe/Berlin", "week": [[[540, 1020]]] * 5 + [[], []], "holidays": {}})
    assert calendar.open_ms_of_a_week == 40 * 60 * MINUTE_MS
