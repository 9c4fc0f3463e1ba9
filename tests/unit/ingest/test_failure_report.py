"""What a failure report may hold, and what is said when it holds something else."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events.identity import failure_entity
from tocsin.ingest.sources import failure
from tocsin.ingest.sources.failure import DERIVED, DERIVED_WITH_STEP, GIVEN, Report, parse
from tocsin.ingest.sources.failure_fields import Fields
from tocsin.problems import Problem

NOW = 1_800_000_000_000  # 2027-01-15T08:00:00Z


def read(**fields: object) -> Report:
    body = {"workflow": "backup", "message": "upload failed"} | fields
    return parse(json.dumps({name: value for name, value in body.items() if value is not ...}).encode(), "default", NOW)


def refusal(body: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        parse(body, "default", NOW)
    return caught.value


def test_a_plain_report_keeps_every_field() -> None:
    report = read(
        identifier="db-7",
        step="upload",
        severity="P1",
        occurred_at="2027-01-15T08:30:00.5+01:00",
        run_url="https://ci.example.com/1",
        source="nightly",
        event_id="run:4711",
        context={"a": 1},
    )
    event = report.event
    assert report.entity == failure_entity("default", "backup", "db-7")
    assert report.event_id == "run:4711"
    assert (event.workflow, event.identifier, event.identity_reason) == ("backup", "db-7", GIVEN)
    assert (event.severity, event.step, event.source) == ("critical", "upload", "nightly")
    assert event.occurred_at == "2027-01-15T07:30:00.500Z"
    assert bytes(event.context) == b'{"a": 1}'


@pytest.mark.parametrize(
    ("fields", "identifier", "reason"),
    [
        ({"message": "exit 137 after 12 s"}, "exit # after # s", DERIVED),
        ({"message": "exit 137", "step": "upload"}, "upload: exit #", DERIVED_WITH_STEP),
        ({"identifier": "  given "}, "given", GIVEN),
        ({"identifier": "", "message": "x"}, "x", DERIVED),
        ({"identifier": None, "message": "x"}, "x", DERIVED),
    ],
)
def test_identity_is_given_or_derived_and_says_so(fields: dict[str, object], identifier: str, reason: str) -> None:
    event = read(**fields).event
    assert (event.identifier, event.identity_reason) == (identifier, reason)


def test_what_is_absent_or_null_has_a_default() -> None:
    event = read(severity=None, source=None, context=None, occurred_at=None, step=None, run_url=None).event
    assert (event.severity, event.source, event.step) == ("error", "api", "")
    assert event.occurred_at == "2027-01-15T08:00:00.000Z"
    assert bytes(event.context) == b""


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"workflow": ...}, "workflow", "missing"),
        ({"workflow": None}, "workflow", "missing"),
        ({"workflow": "  "}, "workflow", "missing"),
        ({"message": ""}, "message", "missing"),
        ({"workflow": 7}, "workflow", "string_type"),
        ({"message": ["a"]}, "message", "string_type"),
        ({"identifier": {"a": 1}}, "identifier", "string_type"),
        ({"workflow": "w" * 201}, "workflow", "too_long"),
        ({"message": "m" * 10_001}, "message", "too_long"),
        ({"identifier": "i" * 501}, "identifier", "too_long"),
        ({"step": "s" * 201}, "step", "too_long"),
        ({"source": "s" * 101}, "source", "too_long"),
        ({"run_url": "https://" + "x" * 2048}, "run_url", "too_long"),
        ({"run_url": "javascript:alert(1)"}, "run_url", "url_scheme"),
        ({"run_url": "//host/x"}, "run_url", "url_scheme"),
        ({"severity": "dreadful"}, "severity", "enum"),
        ({"severity": ""}, "severity", "enum"),
        ({"severity": 3}, "severity", "string_type"),
        ({"occurred_at": "2027-01-15T08:00:00"}, "occurred_at", "datetime"),
        ({"occurred_at": "yesterday"}, "occurred_at", "datetime"),
        ({"occurred_at": 1_700_000_000}, "occurred_at", "datetime"),
        ({"occurred_at": "2027-01-15T08:05:01Z"}, "occurred_at", "future"),
        ({"occurred_at": "1969-12-31T23:59:59Z"}, "occurred_at", "past"),
        ({"event_id": "a b"}, "event_id", "pattern"),
        ({"event_id": "a/b"}, "event_id", "pattern"),
        ({"event_id": "x" * 129}, "event_id", "pattern"),
        ({"workflow": "a\x00b"}, "workflow", "nul"),
        ({"message": "a\x00b"}, "message", "nul"),
        ({"run_url": "https://a/\x00"}, "run_url", "nul"),
        ({"source": "\x00"}, "source", "nul"),
        ({"status": "success"}, "status", "success"),
        ({"conclusion": " Passed "}, "conclusion", "success"),
        ({"outcome": "OK"}, "outcome", "success"),
        ({"result": "succeeded"}, "result", "success"),
        ({"success": True}, "success", "success"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, object], field: str, code: str) -> None:
    with pytest.raises(Problem) as caught:
        read(**fields)
    assert caught.value.status == 422
    assert [(error.field, error.code) for error in caught.value.errors] == [(field, code)]
    assert field in caught.value.errors[0].message


def test_every_wrong_field_is_named_at_once() -> None:
    problem = refusal(b'{"message":1,"severity":"x","status":"ok","occurred_at":"no","event_id":"?"}')
    assert sorted(error.field for error in problem.errors) == [
        "event_id",
        "message",
        "occurred_at",
        "severity",
        "status",
        "workflow",
    ]


@pytest.mark.parametrize(
    "fields", [{"status": "failure"}, {"success": False}, {"conclusion": "timed_out"}, {"result": 1}]
)
def test_a_failure_may_say_that_it_failed(fields: dict[str, object]) -> None:
    assert json.loads(bytes(read(**fields).event.context)) == fields


@pytest.mark.parametrize(
    ("context", "extra", "kept"),
    [
        ("", '"a":1e999', '{"a":1e999}'),
        ('{"b":12345678901234567890.10}', '"a":"\\u0000"', '{"b":12345678901234567890.10,"a":"\\u0000"}'),
        ("{}", '"a":1', '{"a":1}'),
        ("[1,2]", '"a":1', '{"context":[1,2],"a":1}'),
        ('"text"', '"a":1', '{"context":"text","a":1}'),
        ('{"a":2}', '"a":1', '{"a":2,"reported":{"a":1}}'),
        ('{"a":2,"reported":0}', '"a":1', '{"a":2,"reported":0,"reported_":{"a":1}}'),
        ("null", '"a":1', '{"a":1}'),
    ],
)
def test_unknown_fields_are_kept_in_the_context_to_the_letter(context: str, extra: str, kept: str) -> None:
    member = f'"context":{context},' if context else ""
    body = f'{{"workflow":"w","message":"m",{member}{extra}}}'
    assert bytes(parse(body.encode(), "default", NOW).event.context).decode() == kept


def test_context_is_kept_to_the_letter_but_on_one_line() -> None:
    body = b'{"workflow":"w","message":"m","context":{"n": 1e999,\n "t": "\\u0000\\n", "u": "\xc3\xbc"}}'
    assert bytes(parse(body, "default", NOW).event.context) == b'{"n":1e999,"t":"\\u0000\\n","u":"\xc3\xbc"}'


def test_a_large_context_travels_apart() -> None:
    report = read(context={"log": "x" * 5000})
    assert report.payload == b'{"log": "' + b"x" * 5000 + b'"}'
    assert bytes(report.event.context) == b""
    assert len(report.event.context_digest) == 64


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a":}',
        b'{"a":1} x',
        b'{"a":NaN}',
        b'{"a":01}',
        b'{"a":"\xff"}',
        b'{"workflow":"w","message":"m","context":"\xc3"}',
        b'{"workflow":"w","message":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b'{"workflow":"w","message":"m","context":' + b"[" * 101 + b"]" * 101 + b"}",
        b'{"workflow":"w","message":"m","context":' + b"[" * 100_000,
        b'{"workflow":"w","message":"m","x":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        b'{"workflow":"w","message":"m","workflow":' + b"[" * 3000 + b"]" * 3000 + b"}",
    ],
)
def test_what_is_not_json_is_400(body: bytes) -> None:
    problem = refusal(body)
    assert (problem.status, problem.code) == (400, "malformed-json")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"7", b"true"])
def test_json_that_is_no_object_is_422(body: bytes) -> None:
    assert refusal(body).status == 422


def test_deep_but_followable_nesting_is_kept() -> None:
    context = b"[" * 99 + b'"]]]]\\"["' + b"]" * 99
    report = parse(b'{"workflow":"w","message":"m","context":' + context + b"}", "default", NOW)
    assert bytes(report.event.context) == context


# --- properties -----------------------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from([*Fields.__struct_fields__, "status", "success", "extra"])
_likely = st.sampled_from(["x", "P1", "error", "https://a", "2026-01-01T00:00:00Z", "success", "", " ", "a\x00"])
_bodies = st.dictionaries(_names, _likely | _json, max_size=12)


def outcome(read: object, body: bytes) -> object:
    try:
        report = read(body, "default", NOW)  # type: ignore[operator]
    except Problem as problem:
        return problem.document()
    return (report.entity, msgspec.json.encode(report.event), report.event_id, report.payload)


@given(_bodies)
def test_both_paths_of_the_parser_agree(fields: dict[str, object]) -> None:
    body = json.dumps({"workflow": "w", "message": "m"} | fields).encode()
    assert outcome(failure.parse_item, body) == outcome(failure._read_slowly, body)


@given(st.binary(max_size=200) | _json.map(lambda value: json.dumps(value).encode()))
def test_no_body_raises_anything_but_a_problem(body: bytes) -> None:
    outcome(parse, body)


@given(_bodies, st.data())
def test_no_damaged_body_raises_anything_but_a_problem(fields: dict[str, object], data: st.DataObject) -> None:
    body = bytearray(json.dumps({"workflow": "w", "message": "m"} | fields).encode())
    position = data.draw(st.integers(0, len(body) - 1))
    body[position] = data.draw(st.integers(0, 255))
    outcome(parse, bytes(body))


@given(_bodies)
def test_every_accepted_report_makes_a_record_that_can_be_read(fields: dict[str, object]) -> None:
    body = json.dumps({"workflow": "w", "message": "m"} | fields).encode()
    try:
        event = parse(body, "default", NOW).event
    except Problem:
        return
    written = msgspec.json.encode(event)
    assert b"\n" not in written
    assert msgspec.json.encode(msgspec.json.decode(written, type=type(event))) == written
