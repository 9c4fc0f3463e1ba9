"""PagerDuty's Events API v2: what is refused, and what an event becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.sources.given import alert, body, delivery
from tocsin.ingest.sources.pagerduty import GENERATED_RULE, RULE, Invalid, check, dedup_key, parse

TRIGGER = body("pagerduty/trigger.json")
KEY = TRIGGER["routing_key"]


def test_I1_a_trigger() -> None:
    check(delivery(TRIGGER))
    found = alert(parse(delivery(TRIGGER)))
    scope = found.fingerprint.split(":")[1]
    assert found.fingerprint == f"pagerduty:{scope}:samplekeyhere"
    assert (found.fingerprint_rule, found.fingerprint_fields["dedup_key"]) == (RULE, "samplekeyhere")
    assert (found.transition, found.severity, found.service) == ("triggered", "info", "postgres")
    assert found.title == "Example alert on host1.example.com"
    assert found.occurred_at == "2015-07-17T08:42:58.315Z"
    assert found.url == "https://monitoring.example.com"
    assert json.loads(bytes(found.context)) == {name: value for name, value in TRIGGER.items() if name != "routing_key"}
    assert KEY not in str(found)


@pytest.mark.parametrize(("action", "transition"), [("acknowledge", "acknowledged"), ("resolve", "resolved")])
def test_I1_later_words_need_no_payload_and_mean_the_same_alert(action: str, transition: str) -> None:
    content = {"routing_key": KEY, "event_action": action, "dedup_key": "samplekeyhere"}
    check(delivery(content))
    found = alert(parse(delivery(content)))
    assert (found.fingerprint, found.transition) == (alert(parse(delivery(TRIGGER))).fingerprint, transition)


def test_I2_a_key_is_scoped_to_its_routing_key() -> None:
    other = alert(parse(delivery(TRIGGER | {"routing_key": "f" * 32})))
    assert other.fingerprint != alert(parse(delivery(TRIGGER))).fingerprint


def test_I2_without_dedup_key_the_body_gives_one() -> None:
    content = {name: value for name, value in TRIGGER.items() if name != "dedup_key"}
    reading = parse(delivery(content))
    assert alert(reading).fingerprint_rule == GENERATED_RULE
    assert len(dedup_key(reading)) == 32
    assert dedup_key(reading) == dedup_key(parse(delivery(content)))


def test_I2_an_event_without_time_is_news_when_it_comes_again() -> None:
    assert not parse(delivery(TRIGGER)).timeless
    assert parse(delivery({"routing_key": KEY, "event_action": "resolve", "dedup_key": "a"})).timeless


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        (b"{", ["the body is not JSON: Input data was truncated"]),
        (b"[]", ["the body is not a JSON object"]),
        ({}, ["'routing_key' is missing or blank"]),
        ({"routing_key": KEY}, ["'event_action' must be one of trigger, acknowledge, resolve"]),
        ({"routing_key": KEY, "event_action": "resolve"}, ["'dedup_key' is missing or blank"]),
        (TRIGGER | {"dedup_key": "x" * 256}, ["'dedup_key' is longer than 255 characters"]),
        (TRIGGER | {"dedup_key": 7}, ["'dedup_key' must be a string"]),
        (TRIGGER | {"payload": None}, ["'payload' is missing or not an object"]),
        (
            TRIGGER | {"payload": {"severity": "page"}},
            [
                "'payload.summary' is missing or blank",
                "'payload.source' is missing or blank",
                "'payload.severity' must be one of critical, error, warning, info",
            ],
        ),
    ],
)
def test_I1_what_pagerduty_refuses_is_refused_with_every_reason(content: Any, errors: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        check(delivery(content))
    assert refused.value.errors == errors
