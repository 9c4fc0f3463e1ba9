"""Bodies of jobs: every field with its errors, instants, payloads."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ingest.job_bodies import BODIES, CIPHER, GOOD, NOW, created, errors, outcome
from tocsin.egress.policy import EgressPolicy
from tocsin.events.jobs import JobSpec
from tocsin.ingest.job_fields import readers
from tocsin.ingest.routes.jobs_documentation import JobChange, JobRequest
from tocsin.problems import Problem


def test_J1_a_body_with_nothing_but_what_is_needed_has_the_defaults_of_a_spec() -> None:
    assert created() == JobSpec(**GOOD)  # type: ignore[arg-type]


def test_J1_every_field_of_a_body_arrives_in_the_spec() -> None:
    spec = created(
        timezone="Europe/Berlin",
        cron="  0  30 2 * * mon ",
        cron_format="seconds-first",
        dst="skip",
        payload={"n": 1, "deep": [None, {}]},
        headers={"X-Team": "ops"},
        max_attempts=20,
        catchup="all",
        catchup_window=0,
        catchup_on_resume=True,
        overlap="queue_one",
        jitter_seconds=3600,
        expected_status=[204, 200, 204],
        tags=["b", "a", " b "],
        resolve_on_success=False,
    )
    assert spec == JobSpec(
        name="nightly",
        callback_url="https://example.com/hook",
        cron="0 30 2 * * mon",
        cron_format="seconds-first",
        timezone="Europe/Berlin",
        dst="skip",
        payload=spec.payload,
        headers={"X-Team": "ops"},
        max_attempts=20,
        catchup="all",
        catchup_window_seconds=0,
        catchup_on_resume=True,
        overlap="queue_one",
        jitter_seconds=3600,
        expected_status=(204, 200),
        tags=("b", "a"),
        resolve_on_success=False,
    )
    assert json.loads(bytes(spec.payload)) == {"n": 1, "deep": [None, {}]}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"name": ...}, ("name", "missing")),
        ({"name": None}, ("name", "missing")),
        ({"name": "  "}, ("name", "length")),
        ({"name": "x" * 201}, ("name", "length")),
        ({"name": 7}, ("name", "type")),
        ({"name": "a\x00b"}, ("name", "control_character")),
        ({"callback_url": ...}, ("callback_url", "missing")),
        ({"callback_url": 7}, ("callback_url", "type")),
        ({"callback_url": "ftp://example.com"}, ("callback_url", "scheme")),
        ({"callback_url": "http://169.254.169.254/"}, ("callback_url", "address")),
        ({"callback_url": "http://localhost/"}, ("callback_url", "address")),
        ({"callback_url": "https://example.com:8443/"}, ("callback_url", "port")),
        ({"timezone": "Europe/Berln"}, ("timezone", "unknown_zone")),
        ({"timezone": 7}, ("timezone", "type")),
        ({"dst": "never"}, ("dst", "enum")),
        ({"max_attempts": 0}, ("max_attempts", "range")),
        ({"max_attempts": 21}, ("max_attempts", "range")),
        ({"max_attempts": True}, ("max_attempts", "type")),
        ({"max_attempts": 2.0}, ("max_attempts", "type")),
        ({"catchup": "some"}, ("catchup", "enum")),
        ({"catchup": ["last"]}, ("catchup", "enum")),
        ({"catchup_window": -1}, ("catchup_window", "range")),
        ({"catchup_on_resume": "yes"}, ("catchup_on_resume", "type")),
        ({"overlap": "LATER"}, ("overlap", "enum")),
        ({"jitter_seconds": 3601}, ("jitter_seconds", "range")),
        ({"jitter_seconds": "1"}, ("jitter_seconds", "type")),
        ({"expected_status": 200}, ("expected_status", "type")),
        ({"expected_status": [200, 99]}, ("expected_status.1", "range")),
        ({"expected_status": [200] * 51}, ("expected_status", "too_many")),
        ({"tags": ["a", ""]}, ("tags.1", "length")),
        ({"tags": ["x"] * 21}, ("tags", "too_many")),
        ({"resolve_on_success": 1}, ("resolve_on_success", "type")),
        ({"headers": []}, ("headers", "type")),
        ({"headers": {"X": 1}}, ("headers.X", "type")),
        ({"headers": {"Host": "a"}}, ("headers.Host", "reserved_header")),
        ({"headers": {"X-A": "a\nb"}}, ("headers.X-A", "header_value")),
        ({"headers": {"X-Key": "***"}}, ("headers.X-Key", "masked")),
        ({"headers": {"X-A": "sealed:v1:abc"}}, ("headers.X-A", "reserved_value")),
        ({"spec_version": 1}, ("spec_version", "unknown_field")),
        ({"cron": ...}, ("cron", "missing")),
        ({"cron": None}, ("cron", "missing")),
        ({"cron": 5}, ("cron", "type")),
        ({"cron": "61 * * * *"}, ("cron", "minute.out_of_range")),
        ({"cron": "0 22-2 * * *"}, ("cron", "hour.reversed_range")),
        ({"cron": "0 0 30 2 *"}, ("cron", "day_of_month.never_fires")),
        ({"cron": "0 0 * *"}, ("cron", "field_count")),
        ({"cron": "0 0 0 * * *"}, ("cron", "six_fields")),
        ({"cron": "@reboot"}, ("cron", "reboot")),
        ({"cron": "TZ=UTC 0 0 * * *"}, ("cron", "zone_in_text")),
        ({"cron": "* " * 200}, ("cron", "too_long")),
        ({"cron": "0 0 1 1 * 2020", "cron_format": "year-last"}, ("cron", "never_fires")),
        ({"cron_format": "quartz"}, ("cron_format", "enum")),
        ({"cron": ..., "run_at": "2027-01-01T00:00:00Z", "cron_format": "year-last"}, ("cron_format", "without_cron")),
        ({"run_at": "2027-01-01T00:00:00Z"}, ("run_at", "exclusive")),
    ],
)
def test_J1_a_wrong_field_is_named_with_a_code(more: dict[str, Any], expected: tuple[str, str]) -> None:
    assert errors(created, **more) == [expected]


def test_J1_every_wrong_field_is_named_at_once_and_says_what_is_allowed() -> None:
    with pytest.raises(Problem) as refused:
        created(name=1, callback_url="x", cron="* * * 13 *", timezone="Mars", catchup="x", tags=[1], extra=1)
    found = {one.field: one for one in refused.value.errors}
    assert set(found) == {"name", "callback_url", "cron", "timezone", "catchup", "tags.0", "extra"}
    assert found["catchup"].allowed == ("last", "none", "first", "all")
    assert "month" in found["cron"].message
    assert "cron" in (found["extra"].allowed or ())


@pytest.mark.parametrize("text", [b"[]", b"7", b'"x"'])
def test_J1_a_body_that_is_no_object_is_400(text: bytes) -> None:
    assert errors(BODIES.created, text, NOW) == [("body", "type")]


@pytest.mark.parametrize("text", [b"", b"{", b'{"name":"\xff"}', b'{"name":"\\ud800"}', b"[" * 300 + b"]" * 300])
def test_J1_a_body_that_is_no_json_is_400(text: bytes) -> None:
    with pytest.raises(Problem) as refused:
        BODIES.created(text, NOW)
    assert (refused.value.status, refused.value.code) == (400, "malformed-json")


def test_J2_a_preview_does_without_name_and_url_also_as_null() -> None:
    found = BODIES.previewed(b'{"name": null, "callback_url": null, "cron": "* * * * *"}', NOW)
    assert found.changes() == BODIES.previewed(b'{"cron": "* * * * *"}', NOW).changes()


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just("***"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
BODY = st.dictionaries(st.sampled_from(sorted(JobRequest.model_fields)) | st.text(max_size=5), ODD, max_size=6)


@given(BODY, st.booleans())
def test_J1_any_body_is_read_or_refused_by_field(body: dict[str, Any], good: bool) -> None:
    text = json.dumps((GOOD if good else {}) | body).encode()
    for read in (BODIES.created, BODIES.changed, BODIES.previewed):
        found = outcome(read, text)
        if isinstance(found, Problem):
            assert found.status == 400
            assert found.errors or found.code == "malformed-json"
        else:
            changes = msgspec.json.decode(msgspec.json.encode(found.changes())) | {"payload": msgspec.Raw(b"1")}
            msgspec.convert({"name": "x", "callback_url": "y"} | changes, JobSpec)


@given(st.text(max_size=40), st.sampled_from([None, "Europe/Berlin"]))
def test_J2_any_text_is_a_coming_instant_or_refused(run_at: str, zone: str | None) -> None:
    body = {"name": "x", "callback_url": "https://example.com", "run_at": run_at, "timezone": zone}
    found = outcome(BODIES.created, json.dumps(body).encode())
    assert found.status == 400 if isinstance(found, Problem) else datetime.fromisoformat(found.spec().run_at) > NOW


# --- run_at ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run_at", "zone", "expected"),
    [
        ("2026-03-01T12:00:01Z", ..., "2026-03-01T12:00:01.000Z"),
        ("2026-06-01T10:00:00.9999+02:00", ..., "2026-06-01T08:00:00.999Z"),
        ("2026-06-01T10:00:00+02:00", "America/New_York", "2026-06-01T08:00:00.000Z"),
        ("2026-06-01 10:00", "Europe/Berlin", "2026-06-01T08:00:00.000Z"),
        ("2026-03-29T02:30:00", "Europe/Berlin", "2026-03-29T01:30:00.000Z"),  # skipped: 03:30 on the clock
        ("2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T00:30:00.000Z"),  # shown twice: the first
        ("2026-10-04T02:15:00", "Australia/Lord_Howe", "2026-10-03T15:45:00.000Z"),  # a gap of 30 minutes
    ],
)
def test_J2_run_at_is_one_instant(run_at: str, zone: Any, expected: str) -> None:
    spec = created(cron=..., run_at=run_at, timezone=zone)
    assert (spec.run_at, spec.cron) == (expected, "")


@pytest.mark.parametrize(
    ("run_at", "code"),
    [
        ("2026-03-01T12:00:00Z", "past"),
        ("2026-03-01T12:00:00.0004Z", "past"),  # cut below milliseconds
        ("2020-01-01T00:00:00Z", "past"),
        ("2026-06-01T10:00:00", "offset_missing"),
        ("2026-06-01", "date_time"),
        ("2026-13-01T10:00:00Z", "date_time"),
        ("20270101T100000Z", "date_time"),
        ("tomorrow", "date_time"),
        ("9999-12-31T23:59:59-12:00", "date_time"),
        (1_900_000_000, "date_time"),
    ],
)
def test_J2_a_bad_or_past_run_at_is_400(run_at: Any, code: str) -> None:
    assert errors(created, cron=..., run_at=run_at) == [("run_at", code)]


def test_J2_a_wrong_zone_is_told_once() -> None:
    body = {"cron": ..., "run_at": "2026-06-01T10:00:00", "timezone": "Nowhere"}
    assert errors(created, **body) == [("timezone", "unknown_zone")]


# --- payloads -------------------------------------------------------------------------------------------------------


def test_J1_a_payload_is_kept_verbatim() -> None:
    text = b'{"name":"x","callback_url":"https://example.com","cron":"@daily","payload":{"n":1e400,"z":"\\u0000"}}'
    body = BODIES.created(text, NOW)
    assert bytes(body.spec().payload) == b'{"n":1e400,"z":"\\u0000"}'
    assert b'"payload":{"n":1e400,"z":"\\u0000"}' in msgspec.json.encode(body.spec())
    assert not body.stored_payload


def test_J1_a_payload_over_4_KiB_is_named_by_its_digest() -> None:
    body = BODIES.created(json.dumps(GOOD | {"payload": "x" * 5000}).encode(), NOW)
    spec = body.spec()
    assert body.stored_payload == b'"' + b"x" * 5000 + b'"'
    assert (bytes(spec.payload), len(spec.payload_digest)) == (b"", 64)


def test_the_documented_models_have_the_fields_that_are_read() -> None:
    read = {*readers(EgressPolicy(), CIPHER, keeping=False), "cron", "cron_format", "run_at", "payload"}
    assert set(JobRequest.model_fields) == set(JobChange.model_fields) == read
