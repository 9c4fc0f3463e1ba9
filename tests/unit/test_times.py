"""Instants on the wire and in state, and back, against the standard library."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events.times import rfc3339, round_down_ms, unix_ms

INSTANTS = st.integers(-62_135_596_800_000, 253_402_300_799_999)  # the years 1 to 9999


@given(INSTANTS)
def test_an_instant_is_read_as_it_was_written(milliseconds: int) -> None:
    text = rfc3339(milliseconds)
    assert datetime.fromisoformat(text) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert len(text) == 24
    assert unix_ms(text) == milliseconds


@given(st.datetimes(timezones=st.timezones()), st.sampled_from(["seconds", "milliseconds", "microseconds", "minutes"]))
def test_any_instant_with_an_offset_is_read_finer_digits_are_cut(moment: datetime, timespec: str) -> None:
    text = moment.isoformat(timespec=timespec)
    assert unix_ms(text) == round_down_ms(datetime.fromisoformat(text))


# in the places of digits, what only looks like them
ALMOST = st.lists(st.sampled_from("2026-11T:.0Z+ _٣²W,"), min_size=24, max_size=24).map("".join) | st.builds(
    lambda place, other: f"{'2026-11-21T10:20:30.123Z'[:place]}{other}{'2026-11-21T10:20:30.123Z'[place + 1 :]}",
    st.integers(0, 23),
    st.sampled_from("٣²_+- ,.:ZTW0a"),
)


@given(ALMOST)
def test_what_the_standard_library_does_not_read_is_refused(text: str) -> None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        with pytest.raises(ValueError, match=r"."):
            unix_ms(text)
    else:
        assert unix_ms(text) == round_down_ms(moment)
