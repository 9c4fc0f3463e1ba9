"""Zones by their IANA names, from the rules of the wheel."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise

import pytest

from tocsin.cron import ZoneError, tzdata_version, zone
from tocsin.cron.zones import _keys, clock_changes

DAY = 86_400


@pytest.mark.parametrize(
    "key", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Calcutta", "Etc/GMT+5"]
)
def test_J1_iana_names(key: str) -> None:
    found = zone(key)
    assert found.key == key
    assert zone(key) is found


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Europe/Kyjiv", "Europe/Kyiv"),
        ("", None),
        ("Factory", None),
        ("localtime", None),
        ("posix/Europe/Berlin", "Europe/Berlin"),
        ("../../../etc/passwd", None),
        ("/etc/localtime", None),
        ("Europe", None),
        ("Europe/Berlin\0", "Europe/Berlin"),
        ("+02:00", None),
        ("x" * 10_000, None),
    ],
)
def test_J1_other_names_are_refused_with_the_nearest(key: str, allowed: str | None) -> None:
    with pytest.raises(ZoneError) as caught:
        zone(key)
    assert (caught.value.field, caught.value.code) == ("timezone", "unknown_zone")
    assert len(caught.value.message) < 200
    assert (caught.value.allowed or (None,))[0] == allowed


def test_J6_the_rules_have_a_version() -> None:
    year, release = version("tzdata").split(".")[:2]
    assert re.fullmatch(r"20\d\d[a-z]", tzdata_version())
    assert tzdata_version() == f"{year}{chr(ord('a') + int(release) - 1)}"


def test_J6_every_zone_can_be_loaded() -> None:
    assert all(datetime(2026, 1, 1, tzinfo=zone(key)).utcoffset() is not None for key in _keys())


@pytest.mark.long
def test_J6_no_zone_changes_its_clock_twice_within_two_days() -> None:
    """Changes are looked for once a day and policies look at one change: what the search takes for granted."""
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1970, 2040))
    for key in sorted(_keys()):
        hours = range(begin, end, 12 * 3600)
        offsets = [datetime.fromtimestamp(hour, zone(key)).utcoffset() for hour in hours]
        at = [hour for hour, (old, new) in zip(hours[1:], pairwise(offsets), strict=True) if old != new]
        assert all(later - earlier > 2 * DAY for earlier, later in pairwise(at))
        assert len(list(clock_changes(zone(key), begin, begin + (end - begin) // DAY * DAY))) == len(at)
