"""Everything that is refused is refused by field, code and a sentence that helps."""

from __future__ import annotations

import pytest

from tocsin.cron import CronError, parse

SIX = ("seconds-first", "seconds-last", "year-last")


def refusal(text: str, cron_format: str | None = None) -> CronError:
    with pytest.raises(CronError) as caught:
        parse(text, cron_format)
    return caught.value


@pytest.mark.parametrize(
    ("text", "field", "code"),
    [
        ("60 * * * *", "minute", "out_of_range"),
        ("* 24 * * *", "hour", "out_of_range"),
        ("* * 0 * *", "day_of_month", "out_of_range"),
        ("* * 32 * *", "day_of_month", "out_of_range"),
        ("* * 0W * *", "day_of_month", "out_of_range"),
        ("* * * 13 *", "month", "out_of_range"),
        ("* * * * 8", "day_of_week", "out_of_range"),
        ("* * * * 1#0", "day_of_week", "out_of_range"),
        ("* * * * 1#6", "day_of_week", "out_of_range"),
        ("* * * * 1#", "day_of_week", "out_of_range"),
        ("* * * * 9#1", "day_of_week", "out_of_range"),
        ("0-99 * * * *", "minute", "out_of_range"),
        (f"{'9' * 200} * * * *", "minute", "out_of_range"),
        ("5-1 * * * *", "minute", "reversed_range"),
        ("* 22-2 * * *", "hour", "reversed_range"),
        ("* * * NOV-FEB *", "month", "reversed_range"),
        ("* * * * FRI-SUN", "day_of_week", "reversed_range"),
        ("* * * * 7-1", "day_of_week", "reversed_range"),
        ("*/0 * * * *", "minute", "zero_step"),
        ("* 2/00 * * *", "hour", "zero_step"),
        ("*/ * * * *", "minute", "invalid"),
        ("*/x * * * *", "minute", "invalid"),
        ("*/-5 * * * *", "minute", "invalid"),
        ("*/5/5 * * * *", "minute", "invalid"),
        ("/5 * * * *", "minute", "invalid"),
        ("-5 * * * *", "minute", "invalid"),
        ("5- * * * *", "minute", "invalid"),
        ("1-2-3 * * * *", "minute", "invalid"),
        ("*-5 * * * *", "minute", "invalid"),
        ("** * * * *", "minute", "invalid"),
        ("+5 * * * *", "minute", "invalid"),
        ("1.5 * * * *", "minute", "invalid"),
        ("0x1 * * * *", "minute", "invalid"),
        ("H * * * *", "minute", "invalid"),
        ("* L * * *", "hour", "invalid"),
        ("* * * MON *", "month", "invalid"),
        ("* * * JANUARY *", "month", "invalid"),
        ("* * * L *", "month", "invalid"),
        ("* * * * L", "day_of_week", "invalid"),
        ("* * * * 5W", "day_of_week", "invalid"),
        ("* * L-3 * *", "day_of_month", "invalid"),
        ("* * 1-L * *", "day_of_month", "invalid"),
        ("* * 1#2 * *", "day_of_month", "invalid"),
        ("* * 15W/2 * *", "day_of_month", "invalid"),
        ("* * MONL * *", "day_of_month", "invalid"),
        ("1,,2 * * * *", "minute", "empty_item"),
        (",1 * * * *", "minute", "empty_item"),
        ("* 1, * * *", "hour", "empty_item"),
        ("? * * * *", "minute", "question_mark"),
        ("* * * ? *", "month", "question_mark"),
        ("* * ?/2 * *", "day_of_month", "question_mark"),
        ("* * ?,3 * *", "day_of_month", "question_mark"),
        ("0 0 30 2 *", "day_of_month", "never_fires"),
        ("0 0 31 4,6,9,11 *", "day_of_month", "never_fires"),
        ("0 0 31W FEB *", "day_of_month", "never_fires"),
        ("0 0 */16 * 1#2", "day_of_month", "never_fires"),  # both must match, and the 1st and 17th are no second Monday
        ("", "cron", "missing"),
        (" \t ", "cron", "missing"),
        ("٥ * * * *", "cron", "not_ascii"),  # an Arabic-Indic five
        ("５ * * * *", "cron", "not_ascii"),
        ("*\u00a0* * * *", "cron", "not_ascii"),
        ("* * * * *\n* * * * *", "cron", "control_character"),
        ("* * * * *\0", "cron", "control_character"),
        ("0" * 257, "cron", "too_long"),
        ("* * * *", "cron", "field_count"),
        ("*", "cron", "field_count"),
        ("* * * * * * *", "cron", "field_count"),
        ("0 * * * * *", "cron", "six_fields"),
        ("0 12 * * ? 2026", "cron", "six_fields"),
        ("@reboot", "cron", "reboot"),
        ("@every 5m", "cron", "unknown_nickname"),
        ("@fortnightly", "cron", "unknown_nickname"),
        ("@daily 5", "cron", "unknown_nickname"),
        ("CRON_TZ=Europe/Berlin 0 3 * * *", "cron", "zone_in_text"),
        (" tz = UTC 0 3 * * *", "cron", "zone_in_text"),
        ("cron(0 12 * * ? *)", "cron", "wrapped"),
        ("rate(5 minutes)", "cron", "wrapped"),
    ],
)
def test_J1_refused_with_the_name_of_the_field(text: str, field: str, code: str) -> None:
    error = refusal(text)
    assert (error.field, error.code) == (field, code)
    assert error.message
    assert len(error.message) < 500


@pytest.mark.parametrize(
    ("text", "cron_format", "field", "code"),
    [
        ("* * * * *", "seconds-first", "cron", "field_count"),
        ("* * * * * *", "standard", "cron", "field_count"),
        ("* * * * * *", "quartz", "cron_format", "enum"),
        ("* * * * *", "", "cron_format", "enum"),
        ("60 * * * * *", "seconds-first", "second", "out_of_range"),
        ("* * * * * 60", "seconds-last", "second", "out_of_range"),
        ("* * * * * 1969", "year-last", "year", "out_of_range"),
        ("* * * * * 2200", "year-last", "year", "out_of_range"),
        ("0 0 29 2 ? 2026-2027", "year-last", "day_of_month", "never_fires"),
    ],
)
def test_J1_formats_are_checked(text: str, cron_format: str, field: str, code: str) -> None:
    error = refusal(text, cron_format)
    assert (error.field, error.code) == (field, code)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("* 22-2 * * *", "write 22-23,0-2"),
        ("* 23-0 * * *", "write 23,0"),
        ("* * * * FRI-SUN", "write 5-7"),
        ("* * * * 8", "8 is not in 0-7"),
        ("* * * MON *", "belongs into day_of_week"),
        ("* * * * L", "5L is the last Friday"),
        ("* * * * * *", "cron_format"),
        ("TZ=UTC * * * * *", "timezone"),
        ("٥ * * * *", "U+0665"),
        ("1,,2 * * * *", "comma"),
    ],
)
def test_J1_the_message_says_what_to_write(text: str, part: str) -> None:
    assert part in refusal(text).message


def test_J1_what_is_allowed_is_listed() -> None:
    assert refusal("60 * * * *").allowed == ("0-59",)
    assert refusal("* * * * 8").allowed == ("0-7", "SUN-SAT")
    assert refusal("* * * * * *").allowed == SIX
    assert refusal("@reboot").allowed == (
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
    )
    assert refusal("x * * * *").allowed == ("0-59", "*", "a", "a-b", "*/n", "a-b/n", "a/n", "a,b")
