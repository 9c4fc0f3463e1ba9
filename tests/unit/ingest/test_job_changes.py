"""Secret headers in bodies of jobs, and what changes say."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.unit.ingest.job_bodies import BODIES, CIPHER, GOOD, NOW, changed, created, errors
from tocsin import secret_headers
from tocsin.egress.policy import EgressPolicy, parse
from tocsin.encryption import Cipher
from tocsin.ingest.job_spec import Bodies

# --- secrets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-Api-Key", "x-gitlab-token", "My-SECRET"])
def test_J3_secret_headers_are_sealed_before_they_go_anywhere(name: str) -> None:
    value = created(headers={name: "s3cr3t", "X-Team": "ops"}).headers[name]
    assert secret_headers.is_sealed(value)
    assert "s3cr3t" not in value
    assert secret_headers.opened(value, CIPHER) == "s3cr3t"
    assert secret_headers.masked({name: value, "X-Team": "ops"}) == {name: "***", "X-Team": "ops"}


@pytest.mark.parametrize("name", ["X-Keyed", "Token-X", "keynote", "Set-Cookie2", "key"])
def test_J3_other_headers_are_shown(name: str) -> None:
    assert created(headers={name: "a"}).headers == {name: "a"}
    assert secret_headers.masked({name: "a"}) == {name: "a"}


def test_J3_without_a_key_a_secret_header_is_refused_and_not_kept() -> None:
    bodies = Bodies(EgressPolicy(), Cipher(""))
    text = json.dumps(GOOD | {"headers": {"Authorization": "x"}}).encode()
    assert errors(bodies.created, text, NOW) == [("headers.Authorization", "no_encryption_key")]
    plain = json.dumps(GOOD | {"headers": {"X-Team": "x"}}).encode()
    assert bodies.created(plain, NOW).spec().headers == {"X-Team": "x"}


def test_J3_what_the_operator_allows_may_be_called() -> None:
    bodies = Bodies(parse("10.0.0.0/8:8080"), CIPHER)
    text = json.dumps(GOOD | {"callback_url": "http://10.1.2.3:8080/x"}).encode()
    assert bodies.created(text, NOW).spec().callback_url == "http://10.1.2.3:8080/x"


# --- changes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {}),
        ({"name": " x "}, {"name": "x"}),
        ({"cron": "@daily"}, {"cron": "@daily", "cron_format": "", "run_at": ""}),
        ({"run_at": "2027-01-01T00:00:00Z"}, {"run_at": "2027-01-01T00:00:00.000Z", "cron": "", "cron_format": ""}),
        ({"timezone": "Europe/Riga"}, {"timezone": "Europe/Riga"}),
        ({"timezone": None, "tags": None, "max_attempts": None}, {"timezone": "UTC", "tags": (), "max_attempts": 4}),
        ({"catchup_window": None}, {"catchup_window_seconds": 86_400}),
        ({"catchup_window": 60}, {"catchup_window_seconds": 60}),
        ({"headers": {"X-Key": "***", "X-Team": "***"}}, {"headers": {"X-Key": "***", "X-Team": "***"}}),
        ({"headers": None}, {"headers": {}}),
        ({"payload": None}, {"payload": None, "payload_digest": ""}),
        ({"cron": None}, {}),
    ],
)
def test_J17_changes_have_the_names_of_a_spec(body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert changed(**body) == expected


def test_J17_a_new_payload_takes_the_place_of_the_old_one_wherever_that_was() -> None:
    small, large = changed(payload=[1]), changed(payload="x" * 5000)
    assert (bytes(small["payload"]), small["payload_digest"]) == (b"[1]", "")
    assert (large["payload"], len(large["payload_digest"])) == (None, 64)


@pytest.mark.parametrize("payload", [b'{"n":1e400}', b'{"a": 1}', b'"\\u00e4"', b"1.0e0"])
def test_J17_a_payload_that_would_not_survive_as_a_change_travels_apart(payload: bytes) -> None:
    body = BODIES.changed(b'{"payload":' + payload + b"}", NOW)
    digest = hashlib.sha256(payload).hexdigest()
    assert (body.stored_payload, body.changes()) == (payload, {"payload": None, "payload_digest": digest})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": None}, ("name", "null")),
        ({"callback_url": None}, ("callback_url", "null")),
        ({"cron_format": "year-last"}, ("cron_format", "without_cron")),
        ({"cron": "@daily", "run_at": "2027-01-01T00:00:00Z"}, ("run_at", "exclusive")),
        ({"run_at": "2027-01-01T00:00:00"}, ("run_at", "offset_missing")),
        ({"status": "paused"}, ("status", "unknown_field")),
        ({"headers": {"X-Key": "sealed:v1:x"}}, ("headers.X-Key", "reserved_value")),
    ],
)
def test_J17_a_wrong_change_is_named(body: dict[str, Any], expected: tuple[str, str]) -> None:
    assert errors(changed, **body) == [expected]
