"""The clock changes that lose or double runs elsewhere, by the clock of the zone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.unit.cron.walk import utc
from tocsin.cron import DstPolicy, next_after, parse, slots_between, zone


def local(text: str, key: str, begin: str, count: int, dst: DstPolicy = "vixie", form: str | None = None) -> list[str]:
    """The next slots as the clock shows them, from a local time on, with offsets."""
    place = zone(key)
    slot = datetime.fromisoformat(begin).replace(tzinfo=place).astimezone(utc(begin).tzinfo)
    found: list[str] = []
    for _ in range(count):
        following = next_after(parse(text, form), place, slot, dst)
        assert following is not None
        slot = following
        found.append(f"{slot.astimezone(place):%m-%d %H:%M%z}".removesuffix("00"))
    return found


@pytest.mark.parametrize(
    ("text", "key", "begin", "expected"),
    [
        ("* 1 * * 0", "America/Santiago", "2026-09-05 12:00", ["09-06 01:00-03", "09-06 01:01-03"]),
        ("0 0 * * *", "America/Santiago", "2026-09-05 12:00", ["09-06 01:00-03", "09-07 00:00-03"]),
        ("*/30 1 * * 0", "America/Havana", "2026-03-07 00:00", ["03-08 01:00-04", "03-08 01:30-04", "03-15 01:00-04"]),
        ("30 0 * * *", "America/Havana", "2026-03-07 12:00", ["03-08 01:00-04", "03-09 00:30-04"]),
        ("30 0 * * *", "America/Havana", "2025-11-01 12:00", ["11-02 00:30-04", "11-03 00:30-05"]),
        ("0 0 * * *", "Asia/Beirut", "2026-03-28 12:00", ["03-29 01:00+03", "03-30 00:00+03"]),
        ("30 23 * * *", "Asia/Beirut", "2026-10-24 12:00", ["10-24 23:30+03", "10-25 23:30+02"]),
        ("0 0 * * 5", "Africa/Cairo", "2026-04-23 12:00", ["04-24 01:00+03", "05-01 00:00+03"]),
        ("0 2 * * *", "Antarctica/Troll", "2026-03-28 12:00", ["03-29 03:00+02", "03-30 02:00+02"]),
        ("0 0 * * *", "Asia/Kathmandu", "1985-12-31 12:00", ["01-01 00:15+0545", "01-02 00:00+0545"]),
    ],
)
def test_J6_gaps_at_midnight_lose_no_run(text: str, key: str, begin: str, expected: list[str]) -> None:
    assert local(text, key, begin, len(expected)) == expected


def test_J6_a_change_of_half_an_hour() -> None:
    """The clock of Lord Howe goes from 02:00 back to 01:30 on 2026-04-05."""
    expected = ["04-05 22:00+1030", "04-05 22:15+1030", "04-05 22:30+1030"]
    place = zone("Australia/Lord_Howe")
    slots = slots_between(parse("*/15 22-23 * * *"), place, utc("2026-04-05 00:50"), utc("2026-04-06"))
    assert [f"{next(slots).astimezone(place):%m-%d %H:%M%z}" for _ in expected] == expected
    assert local("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00", 2) == ["04-05 01:45+11", "04-06 01:45+1030"]
    assert local("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", 2) == ["10-04 02:30+11", "10-05 02:15+11"]


def test_J6_a_star_step_is_elapsed_time_and_a_list_is_not() -> None:
    """The clock of Riga goes from 04:00 back to 03:00 on 2026-10-25."""
    begin = "2026-10-25 01:00"
    assert local("0 */3 * * *", "Europe/Riga", begin, 3) == ["10-25 03:00+03", "10-25 03:00+02", "10-25 06:00+02"]
    hours = "0,3,6,9,12,15,18,21"
    assert local(f"0 {hours} * * *", "Europe/Riga", begin, 2) == ["10-25 03:00+03", "10-25 06:00+02"]


BERLIN_GAP = ("Europe/Berlin", "2026-03-28 12:00")
BERLIN_OVERLAP = ("Europe/Berlin", "2026-10-24 12:00")


@pytest.mark.parametrize(
    ("dst", "in_gap", "in_overlap"),
    [
        ("vixie", ["03-29 03:00+02", "03-30 02:15+02"], ["10-25 02:15+02", "10-25 02:30+02", "10-26 02:15+01"]),
        ("skip", ["03-30 02:15+02", "03-30 02:30+02"], ["10-25 02:15+02", "10-25 02:30+02", "10-26 02:15+01"]),
        ("shift", ["03-29 03:15+02", "03-29 03:30+02"], ["10-25 02:15+02", "10-25 02:30+02", "10-26 02:15+01"]),
        ("once", ["03-29 03:00+02", "03-30 02:15+02"], ["10-25 02:15+01", "10-25 02:30+01", "10-26 02:15+01"]),
        ("twice", ["03-29 03:00+02", "03-30 02:15+02"], ["10-25 02:15+02", "10-25 02:30+02", "10-25 02:15+01"]),
    ],
)
def test_J6_policies_of_fixed_jobs(dst: DstPolicy, in_gap: list[str], in_overlap: list[str]) -> None:
    assert local("15,30 2 * * *", *BERLIN_GAP, 2, dst) == in_gap
    assert local("15,30 2 * * *", *BERLIN_OVERLAP, 3, dst) == in_overlap


@pytest.mark.parametrize("dst", ["vixie", "skip", "shift", "once", "twice"])
def test_J6_wildcard_jobs_run_by_elapsed_time_under_every_policy(dst: DstPolicy) -> None:
    assert local("*/30 2 * * *", *BERLIN_GAP, 2, dst) == ["03-30 02:00+02", "03-30 02:30+02"]
    both = ["10-25 02:00+02", "10-25 02:30+02", "10-25 02:00+01", "10-25 02:30+01", "10-26 02:00+01"]
    assert local("*/30 2 * * *", *BERLIN_OVERLAP, 5, dst) == both


def test_J6_a_run_of_its_own_right_after_the_gap_is_not_doubled() -> None:
    assert local("30 2,3 * * *", *BERLIN_GAP, 2) == ["03-29 03:00+02", "03-29 03:30+02"]
    assert local("0 2,3 * * *", *BERLIN_GAP, 2) == ["03-29 03:00+02", "03-30 02:00+02"]
    assert local("0 2,3 * * *", *BERLIN_GAP, 2, "shift") == ["03-29 03:00+02", "03-30 02:00+02"]


@pytest.mark.parametrize("minutes", range(0, 240, 7))
def test_J6_once_sees_a_repeated_hour_that_begins_days_later(minutes: int) -> None:
    """However far away the change is, the first pass is left to the second."""
    after = utc("2026-10-23 04:00") - timedelta(minutes=minutes)
    expected = utc("2026-10-25 01:30")
    assert next_after(parse("30 2 25 10 *"), zone("Europe/Berlin"), after, "once") == expected


def test_J6_seconds_through_clock_changes() -> None:
    assert local("20 30 2 * * *", *BERLIN_GAP, 2, form="seconds-first") == ["03-29 03:00+02", "03-30 02:30+02"]
    moved = next_after(parse("20 30 2 * * *", "seconds-first"), zone("Europe/Berlin"), utc("2026-03-29"), "shift")
    assert moved == utc("2026-03-29 01:30:20")


@pytest.mark.parametrize("dst", ["vixie", "skip", "shift", "once", "twice"])
@pytest.mark.parametrize("text", ["0 12 * * *", "0 */12 30 * *"])
def test_J6_a_lost_day_has_no_runs(text: str, dst: DstPolicy) -> None:
    """Samoa went from the 29th to the 31st of December 2011."""
    slots = slots_between(parse(text), zone("Pacific/Apia"), utc("2011-12-28"), utc("2012-01-02"), dst)
    assert all(slot.astimezone(zone("Pacific/Apia")).day != 30 for slot in slots)
    expected = ["12-29 12:00-10", "12-31 12:00+14", "01-01 12:00+14"]
    assert local("0 12 * * *", "Pacific/Apia", "2011-12-29 00:00", 3, dst) == expected


def test_J6_a_zone_that_moves_three_hours_back_is_followed() -> None:
    """Casey station went from 02:00 back to 23:00 of the day before, on 2010-03-05."""
    assert local("0 1 * * *", "Antarctica/Casey", "2010-03-04 12:00", 3) == [
        "03-05 01:00+11",
        "03-05 01:00+08",
        "03-06 01:00+08",
    ]


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 0 29 2 *", "2096-03-01", "2104-02-29 00:00"),
        ("0 0 29 2 */7", "2032-03-01", "2060-02-29 00:00"),
        ("0 0 1 1 *", "2026-01-01 00:00", "2027-01-01 00:00"),
        ("* * * * *", "2026-01-01 00:00:59.999999", "2026-01-01 00:01"),
        ("* * * * *", "2026-01-01 00:01:00", "2026-01-01 00:02"),
        ("* * * * *", "0001-01-01 00:00:00", "1970-01-01 00:00"),
    ],
)
def test_J6_strictly_later_and_far_away(text: str, after: str, expected: str) -> None:
    assert next_after(parse(text), zone("UTC"), utc(after)) == utc(expected)


@pytest.mark.parametrize("after", ["2199-12-31 23:59", "2200-01-05", "9999-12-31 23:59:59"])
def test_J6_nothing_runs_after_the_last_year(after: str) -> None:
    assert next_after(parse("* * * * *"), zone("UTC"), utc(after)) is None


def test_J6_a_time_without_an_offset_is_no_instant() -> None:
    with pytest.raises(ValueError, match="no offset"):
        next_after(parse("* * * * *"), zone("UTC"), datetime(2026, 1, 1))
