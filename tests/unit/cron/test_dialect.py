"""What each form of each field stands for, and how the days combine."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.unit.cron.walk import utc
from tocsin.cron import NICKNAMES, next_after, parse, slots_between, zone

UTC_ZONE = zone("UTC")


def days(text: str, month: str, cron_format: str | None = None) -> list[int]:
    """Days of the month on which the expression runs."""
    begin = utc(f"{month}-01")
    end = (begin + timedelta(days=32)).replace(day=1)
    second = timedelta(seconds=1)
    slots = slots_between(parse(text, cron_format), UTC_ZONE, begin - second, end - second)
    return sorted({slot.day for slot in slots})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("*", tuple(range(60))),
        ("7", (7,)),
        ("07", (7,)),
        ("5-9", (5, 6, 7, 8, 9)),
        ("5-5", (5,)),
        ("*/15", (0, 15, 30, 45)),
        ("*/1", tuple(range(60))),
        ("*/99", (0,)),
        ("10-30/7", (10, 17, 24)),
        ("50/4", (50, 54, 58)),
        ("3,1,2,2", (1, 2, 3)),
        ("0-2,30,50/5", (0, 1, 2, 30, 50, 55)),
        ("*,5", tuple(range(60))),
    ],
)
def test_J1_minutes(text: str, values: tuple[int, ...]) -> None:
    assert parse(f"{text} * * * *").minute.values == values


@pytest.mark.parametrize(
    ("text", "values"),
    [("JAN", (1,)), ("jan-Mar", (1, 2, 3)), ("OCT/1", (10, 11, 12)), ("feb,12", (2, 12)), ("*/5", (1, 6, 11))],
)
def test_J1_months_have_names(text: str, values: tuple[int, ...]) -> None:
    assert parse(f"0 0 1 {text} *").month.values == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0", (0,)),
        ("7", (0,)),
        ("sun", (0,)),
        ("MON-fri", (1, 2, 3, 4, 5)),
        ("5-7", (0, 5, 6)),
        ("0-7", (0, 1, 2, 3, 4, 5, 6)),
        ("*", (0, 1, 2, 3, 4, 5, 6)),
        ("?", (0, 1, 2, 3, 4, 5, 6)),
        ("*/2", (0, 2, 4, 6)),
        ("*/3", (0, 3, 6)),
        ("1/2", (0, 1, 3, 5)),  # up to 7, which is Sunday
    ],
)
def test_J1_weekdays(text: str, values: tuple[int, ...]) -> None:
    assert parse(f"0 0 * * {text}").day_of_week.values == values


@pytest.mark.parametrize(
    ("text", "month", "expected"),
    [
        ("0 0 L * *", "2026-02", [28]),
        ("0 0 L * *", "2028-02", [29]),
        ("0 0 l,1 * *", "2026-04", [1, 30]),
        ("0 0 LW * *", "2026-05", [29]),  # the 31st is a Sunday
        ("0 0 LW * *", "2026-01", [30]),  # the 31st is a Saturday
        ("0 0 15W * *", "2026-08", [14]),  # a Saturday
        ("0 0 15W * *", "2026-03", [16]),  # a Sunday
        ("0 0 15W * *", "2026-04", [15]),  # a Wednesday
        ("0 0 1W * *", "2026-08", [3]),  # a Saturday; July is another month
        ("0 0 31W * *", "2026-05", [29]),  # a Sunday; June is another month
        ("0 0 31W * *", "2026-04", []),
        ("0 0 * * 5#1", "2026-05", [1]),
        ("0 0 * * FRI#2,1#5", "2026-06", [12, 29]),
        ("0 0 * * 1#5", "2026-05", []),
        ("0 0 * * 0L", "2026-05", [31]),
        ("0 0 * * frIL", "2026-05", [29]),
        ("0 0 * * 7L,3", "2026-02", [4, 11, 18, 22, 25]),
        ("0 0 30 * *", "2026-02", []),
    ],
)
def test_J1_letters_of_the_day_fields(text: str, month: str, expected: list[int]) -> None:
    assert days(text, month) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 13 * 5", [2, 9, 13, 16, 23, 30]),  # neither begins with *: either is enough
        ("0 0 */2 * 1", [5, 19]),  # one begins with *: both must match
        ("0 0 13-19 * */2", [13, 15, 17, 18]),
        ("0 0 13 * ?", [13]),
        ("0 0 ? * 5", [2, 9, 16, 23, 30]),
        ("0 0 *,13 * 5", [2, 9, 16, 23, 30]),
        ("0 0 13,* * 5", list(range(1, 32))),  # does not begin with *
        ("0 0 L * 5#1", [2, 31]),
        ("0 0 * * *", list(range(1, 32))),
    ],
)
def test_J1_days_combine_as_in_crontab(text: str, expected: list[int]) -> None:
    assert days(text, "2026-10") == expected


@pytest.mark.parametrize(("nickname", "text"), NICKNAMES.items())
def test_J1_nicknames(nickname: str, text: str) -> None:
    after = utc("2026-05-05 10:30")
    expected = next_after(parse(text), UTC_ZONE, after)
    assert next_after(parse(nickname), UTC_ZONE, after) == expected
    assert next_after(parse(f" {nickname.upper()} "), UTC_ZONE, after) == expected


@pytest.mark.parametrize(
    ("text", "cron_format", "expected"),
    [
        ("*/20 30 2 * * *", "seconds-first", ["02:30:00", "02:30:20", "02:30:40"]),
        ("30 2 * * * 10,50", "seconds-last", ["02:30:10", "02:30:50", "02:30:10"]),
        ("59 59 23 * * ?", "seconds-first", ["23:59:59", "23:59:59", "23:59:59"]),
        ("0 10,11 * * ? *", "year-last", ["10:00:00", "11:00:00", "10:00:00"]),
        ("30 2 * * *", "standard", ["02:30:00", "02:30:00", "02:30:00"]),
        ("@daily", "seconds-first", ["00:00:00", "00:00:00", "00:00:00"]),
    ],
)
def test_J1_six_fields_when_the_format_is_named(text: str, cron_format: str, expected: list[str]) -> None:
    slots = slots_between(parse(text, cron_format), UTC_ZONE, utc("2026-05-05 00:00"), utc("2026-05-09"))
    assert [f"{next(slots):%H:%M:%S}" for _ in expected] == expected


def test_J1_years() -> None:
    expression = parse("0 0 29 FEB ? 2026-2033", "year-last")
    found = slots_between(expression, UTC_ZONE, utc("2020-01-01"), utc("2100-01-01"))
    assert [slot.date() for slot in found] == [date(2028, 2, 29), date(2032, 2, 29)]
    assert next_after(expression, UTC_ZONE, utc("2032-02-29")) is None


def test_J1_blanks_and_tabs_separate_and_the_text_is_kept() -> None:
    expression = parse("  0\t0   1  Jan *  ")
    assert expression.text == "0 0 1 Jan *"
    assert expression.cron_format == "standard"


@pytest.mark.parametrize(
    ("text", "wildcard"),
    [
        ("* * * * *", True),
        ("*/5 2 * * *", True),
        ("0 */3 * * *", True),
        ("0 *,3 * * *", True),
        ("0 3,* * * *", False),
        ("0-59 0-23 * * *", False),
        ("0 0 * * *", False),
        ("@hourly", True),
    ],
)
def test_J6_a_job_is_wildcard_when_minute_or_hour_begins_with_a_star(text: str, wildcard: bool) -> None:
    assert parse(text).wildcard is wildcard
