"""What the author is told: one sentence, and warnings by name."""

from __future__ import annotations

import pytest

from tests.unit.cron.walk import utc
from tocsin.cron import DstPolicy, describe, parse, warnings, zone

BERLIN = zone("Europe/Berlin")
NOW = utc("2026-01-10")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0/20 * * * *", "Every 20 minutes"),
        ("*/7 * * * *", "At minutes 0, 7, … 56"),
        ("15 * * * *", "At minute 15 of every hour"),
        ("@hourly", "At minute 0 of every hour"),
        ("30 2 * * *", "At 02:30 every day"),
        ("0 9,12,18 * * MON-FRI", "At 09:00, 12:00 and 18:00 on Monday to Friday"),
        ("*/15 9-17 * * 1-5", "Every 15 minutes from 09:00 to 17:45 on Monday to Friday"),
        ("5-10 3 * * *", "At 03:05, 03:06, 03:07, 03:08, 03:09 and 03:10 every day"),
        ("* 3 * * *", "Every minute in hour 03"),
        ("0 */3 * * *", "At minute 0 in hours 00, 03, … 21"),
        ("0 0 13 * 5", "At 00:00 on day 13 of the month or on Friday"),
        ("0 0 */2 * 1", "At 00:00 on days 1, 3, … 31 of the month, but only on Monday"),
        ("0 0 1-31 * 5", "At 00:00 every day"),
        ("0 0 L * *", "At 00:00 on the last day of the month"),
        ("0 0 1,LW * *", "At 00:00 on day 1 of the month and the last Monday-to-Friday day of the month"),
        ("0 0 15W 3,6 *", "At 00:00 on the weekday nearest to day 15 in March and June"),
        ("0 0 * * 5#2", "At 00:00 on the second Friday of the month"),
        ("0 0 * * 0L", "At 00:00 on the last Sunday of the month"),
        ("0 0 29 2 *", "At 00:00 on day 29 of the month in February"),
        ("@yearly", "At 00:00 on day 1 of the month in January"),
        ("0 0 * 6-8 *", "At 00:00 every day in June to August"),
    ],
)
def test_J17_a_plain_sentence(text: str, sentence: str) -> None:
    assert describe(parse(text), BERLIN) == f"{sentence}, by the clock of Europe/Berlin."


@pytest.mark.parametrize(
    ("text", "cron_format", "sentence"),
    [
        ("* * * * * *", "seconds-first", "Every second"),
        ("*/10 * * * * *", "seconds-first", "Every 10 seconds"),
        ("30 */5 * * * *", "seconds-first", "At second 30, every 5 minutes"),
        ("0 30 2 * * *", "seconds-first", "At 02:30 every day"),
        ("30 2 * * * 15", "seconds-last", "At 02:30:15 every day"),
        ("0 10 ? * MON 2027", "year-last", "At 10:00 on Monday in 2027"),
    ],
)
def test_J17_a_sentence_with_seconds_or_years(text: str, cron_format: str, sentence: str) -> None:
    assert describe(parse(text, cron_format), BERLIN) == f"{sentence}, by the clock of Europe/Berlin."


def told(text: str, key: str = "Europe/Berlin", dst: DstPolicy = "vixie", form: str | None = None) -> dict[str, str]:
    return dict(warnings(parse(text, form), zone(key), dst, NOW))


@pytest.mark.parametrize(
    ("text", "key", "codes"),
    [
        ("0 12 * * *", "Europe/Berlin", []),
        ("* * * * *", "Europe/Berlin", []),
        ("0 * * * *", "Europe/Berlin", []),
        ("30 2 * * *", "UTC", []),
        ("30 2 * * *", "Europe/Berlin", ["dst_gap", "dst_overlap"]),
        ("30 2 * * 1", "Europe/Berlin", []),  # clocks change on Sundays
        ("0 2 * 3 *", "Europe/Berlin", ["dst_gap"]),
        ("0 0-23 * * *", "Europe/Berlin", ["dst_gap", "dst_overlap"]),  # fixed: the repeated hour runs once
        ("0 */3 * * *", "Europe/Riga", ["star_step", "dst_gap", "dst_overlap"]),
        ("0 */3 * * *", "UTC", []),
        ("0 */4 * * *", "Europe/Berlin", []),  # 00, 04, …: no hour of a change
        ("0 12 13 * 5", "Europe/Berlin", ["day_or_weekday"]),
        ("0 12 */2 * 1", "Europe/Berlin", ["day_and_weekday"]),
        ("0 12 */2 * *", "Europe/Berlin", []),
        ("0 12 31 * *", "Europe/Berlin", ["short_months"]),
        ("0 12 31 1,3 *", "Europe/Berlin", []),
        ("0 12 31W * *", "Europe/Berlin", ["short_months"]),
        ("0 12 29 2 *", "Europe/Berlin", ["short_months"]),
        ("0 12 1-31 * *", "Europe/Berlin", []),
        ("0 12 L * *", "Europe/Berlin", []),
        ("*/7 12 * * *", "Europe/Berlin", ["uneven_step"]),
        ("*/90 12 * * *", "Europe/Berlin", ["uneven_step"]),
    ],
)
def test_J17_warnings_by_name(text: str, key: str, codes: list[str]) -> None:
    assert list(told(text, key)) == codes


@pytest.mark.parametrize(
    ("text", "cron_format", "codes"),
    [
        ("*/10 * * * * *", "seconds-first", ["sub_minute"]),
        ("0 0 12 * * 1", "seconds-first", ["weekday_numbers"]),
        ("0 0 12 * * MON#2", "seconds-first", []),
        ("0 12 * * ? 2025", "year-last", ["never_fires"]),
    ],
)
def test_J17_warnings_of_six_fields(text: str, cron_format: str, codes: list[str]) -> None:
    assert list(told(text, form=cron_format)) == codes


@pytest.mark.parametrize(
    ("dst", "in_gap", "in_overlap"),
    [
        ("vixie", "one run at 03:00 instead", "one run, the first time"),
        ("skip", "no run that day", "one run, the first time"),
        ("shift", "run at 03:30 instead", "one run, the first time"),
        ("once", "one run at 03:00 instead", "one run, the second time"),
        ("twice", "one run at 03:00 instead", "two runs"),
    ],
)
def test_J17_a_warning_says_what_the_policy_does(dst: DstPolicy, in_gap: str, in_overlap: str) -> None:
    found = told("30 2 * * *", dst=dst)
    assert found == {
        "dst_gap": f"On 2026-03-29 the clock of Europe/Berlin skips 02:00 to 03:00. 02:30: {in_gap}.",
        "dst_overlap": f"On 2026-10-25 the clock of Europe/Berlin repeats 02:00 to 03:00. 02:30: {in_overlap}.",
    }


def test_J17_a_wildcard_job_is_told_so() -> None:
    found = told("*/30 2 * * *")
    assert found["dst_gap"].endswith("02:00 and 02:30: no run that day.")
    assert found["dst_overlap"].endswith("02:00 and 02:30: two runs each.")


def test_J17_a_lost_day_is_told() -> None:
    found = dict(warnings(parse("0 12 * * *"), zone("Pacific/Apia"), "vixie", utc("2011-12-01")))
    sentence = "On 2011-12-30 the clock of Pacific/Apia skips 00:00 to 2011-12-31 00:00. 12:00: no run that day."
    assert found["dst_gap"] == sentence


def test_J17_short_months_are_listed() -> None:
    assert "February, April, June, September and November" in told("0 12 31 * *")["short_months"]
    assert "February outside leap years" in told("0 12 29 * *")["short_months"]
    assert told("0 12 29 * *")["short_months"].startswith("Day 29 is skipped")
