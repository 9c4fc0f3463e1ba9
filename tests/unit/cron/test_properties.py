"""What holds for every expression, zone, instant and policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cron.drawing import drawn
from tocsin.cron import (
    DST_POLICIES,
    FORMATS,
    CronError,
    CronExpression,
    DstPolicy,
    describe,
    next_after,
    parse,
    slots_between,
    warnings,
    zone,
)

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/Havana",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
        "Antarctica/Casey",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Asia/Kolkata",
    ]
).map(zone)
INSTANTS = st.datetimes(datetime(1995, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
POLICIES = st.sampled_from(DST_POLICIES)


def _drawn(seed: int) -> CronExpression:
    return parse(drawn(Random(seed), datetime(2026, 10, 25).date()).text)


_SECONDS = st.sampled_from(["*/20 30 2 * * *", "5,59 * 1 * * *", "* 0 0 1 1 *"]).map(
    lambda one: parse(one, "seconds-first")
)
EXPRESSIONS = st.one_of(st.integers(0, 100_000).map(_drawn), _SECONDS)


@given(EXPRESSIONS, ZONES, INSTANTS, POLICIES, st.floats(0, 1, exclude_max=True))
def test_J6_a_slot_is_later_whole_and_the_same_from_anywhere_before_it(
    expression: CronExpression, place: ZoneInfo, after: datetime, dst: DstPolicy, share: float
) -> None:
    slot = next_after(expression, place, after, dst)
    assert slot is not None
    assert slot > after
    assert slot.tzinfo is UTC
    assert slot.microsecond == 0
    between = after + share * (slot - after - timedelta(microseconds=1))
    assert next_after(expression, place, between, dst) == slot
    assert list(slots_between(expression, place, after, slot, dst)) == [slot]
    assert list(slots_between(expression, place, after, slot - timedelta(microseconds=1), dst)) == []


@given(EXPRESSIONS, ZONES, INSTANTS, POLICIES, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_J6_slots_are_monotone_and_the_chain_skips_none(
    expression: CronExpression, place: ZoneInfo, after: datetime, dst: DstPolicy, length: timedelta
) -> None:
    first, second = (next_after(expression, place, one, dst) for one in (after, after + length))
    assert first is not None
    assert second is not None
    assert first <= second
    chain: list[datetime] = []
    slot = first
    while slot <= after + length and len(chain) < 400:
        chain.append(slot)
        slot = next_after(expression, place, slot, dst) or after
    assert chain == sorted(set(chain))
    assert chain == list(slots_between(expression, place, after, after + length, dst))[:400]


@given(EXPRESSIONS, ZONES, INSTANTS, POLICIES)
def test_J17_every_expression_has_a_sentence_and_warnings(
    expression: CronExpression, place: ZoneInfo, around: datetime, dst: DstPolicy
) -> None:
    sentence = describe(expression, place)
    assert sentence.endswith(f", by the clock of {place.key}.")
    told = warnings(expression, place, dst, around)
    assert len({one.code for one in told}) == len(told)
    assert all(one.message.endswith(".") for one in told)
    assert warnings(expression, place, dst, around) == told


FORMAT_NAMES = st.none() | st.sampled_from([*FORMATS, "other"])
PARTS = ("*", "?", "L", "LW", "5W", "1#2", "5L", "1-5", "*/2", "MON", "FEB-MAR", "0", "7", "30", "31", "5-1")
TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="0123456789*/-,?LW# @", max_size=60),
    st.lists(st.text(alphabet="0123457*/-,?LW#", min_size=1, max_size=5), min_size=5, max_size=6).map(" ".join),
    st.lists(st.sampled_from(PARTS), min_size=5, max_size=6).map(" ".join),
)


def _parsed(text: str, cron_format: str | None) -> CronExpression | CronError:
    try:
        return parse(text, cron_format)
    except CronError as error:
        return error


@given(TEXTS, FORMAT_NAMES)
def test_J1_any_text_is_an_expression_or_a_named_error(text: str, cron_format: str | None) -> None:
    found = _parsed(text, cron_format)
    if isinstance(found, CronError):
        assert found.field
        assert found.code
        assert str(found) == found.message
        assert found.message.encode()
    else:
        assert parse(found.text, found.cron_format) == found
        assert next_after(found, zone("UTC"), datetime(1969, 12, 31, tzinfo=UTC)) is not None
