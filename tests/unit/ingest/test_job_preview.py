"""J17: what a schedule will do, before it is saved."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.cron import tzdata_version
from tocsin.egress.policy import EgressPolicy
from tocsin.encryption import Cipher
from tocsin.ingest.job_preview import preview
from tocsin.ingest.job_spec import Bodies
from tocsin.problems import Problem

BODIES = Bodies(EgressPolicy(), Cipher(""))
NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)


def previewed(**body: Any) -> dict[str, Any]:
    return preview(BODIES.previewed(json.dumps(body).encode(), NOW), NOW)


def test_J17_the_next_20_runs_with_their_offsets_and_a_sentence() -> None:
    shown = previewed(cron="30 2 * * *", timezone="Europe/Berlin")
    assert len(shown["next_runs"]) == 20
    assert shown["next_runs"][:2] == [
        {"at": "2026-03-29T01:00:00.000Z", "local": "2026-03-29T03:00:00+02:00", "offset": "+02:00"},
        {"at": "2026-03-30T00:30:00.000Z", "local": "2026-03-30T02:30:00+02:00", "offset": "+02:00"},
    ]
    assert shown["sentence"] == "At 02:30 every day, by the clock of Europe/Berlin."
    assert (shown["tzdata"], shown["dst"], shown["timezone"]) == (tzdata_version(), "vixie", "Europe/Berlin")
    assert shown["schedule"] == {"type": "cron", "cron": "30 2 * * *", "run_at": None}
    assert "dst_gap" in {one["code"] for one in shown["warnings"]}


def test_J17_the_policy_for_clock_changes_is_that_of_the_body() -> None:
    shown = previewed(cron="30 2 * * *", timezone="Europe/Berlin", dst="skip")
    assert shown["next_runs"][0]["at"] == "2026-03-30T00:30:00.000Z"


def test_J17_both_days_are_a_named_warning() -> None:
    assert "day_or_weekday" in {one["code"] for one in previewed(cron="0 0 13 * 5")["warnings"]}


def test_J17_an_expression_that_ends_shows_fewer_runs() -> None:
    assert len(previewed(cron="0 0 1 1 * 2027,2028", cron_format="year-last")["next_runs"]) == 2


@pytest.mark.parametrize(
    ("run_at", "local", "code"),
    [
        ("2026-03-29T02:30:00", "2026-03-29T03:30:00+02:00", "dst_gap"),
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00", "dst_overlap"),
        ("2026-10-26T02:30:00", "2026-10-26T02:30:00+01:00", None),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T02:30:00+01:00", None),
    ],
)
def test_J17_run_at_is_shown_as_it_was_understood(run_at: str, local: str, code: str | None) -> None:
    shown = previewed(run_at=run_at, timezone="Europe/Berlin")
    [run] = shown["next_runs"]
    assert run["local"] == local
    assert shown["schedule"] == {"type": "once", "cron": None, "run_at": run["at"]}
    assert [one["code"] for one in shown["warnings"]] == ([code] if code else [])
    assert shown["sentence"].startswith("Once, on Sunday" if code or "+" in run_at else "Once, on Monday")


def test_J17_an_offset_may_be_negative_or_none() -> None:
    assert previewed(cron="@daily", timezone="America/St_Johns")["next_runs"][0]["offset"] == "-02:30"
    assert previewed(cron="@daily")["next_runs"][0]["offset"] == "+00:00"


def test_J17_other_fields_of_the_form_are_checked_too_but_none_is_needed() -> None:
    assert previewed(cron="@daily", name=None, headers={"X-Team": "***"})["next_runs"]
    with pytest.raises(Problem) as refused:
        previewed(name="", callback_url="http://10.0.0.1")
    assert [one.field for one in refused.value.errors] == ["name", "callback_url", "cron"]
