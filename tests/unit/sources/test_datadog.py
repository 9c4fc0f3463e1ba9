"""Datadog's webhooks: our template, and the spellings of others."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.unit.sources.given import alert, body, delivery
from tocsin.ingest.sources.datadog import AGGREGATION_RULE, MONITOR_RULE, TITLE_RULE, parse
from tocsin.ingest.sources.webhook import Unreadable

OURS = body("datadog/ours_triggered.json")


def test_I1_our_template() -> None:
    found = alert(parse(delivery(OURS)))
    assert (found.fingerprint, found.fingerprint_rule) == ("datadog:monitor:1234:env:prod,host:db-7", MONITOR_RULE)
    assert found.fingerprint_fields == {"alert_id": "1234", "alert_scope": "env:prod,host:db-7"}
    assert (found.transition, found.episode, found.severity) == ("triggered", "8113540230091563425", "error")
    assert (found.service, found.team, found.environment) == ("orders", "payments", "prod")
    assert (found.title, found.message) == ("Disk is full on db-7", "Disk usage is above 90 %")
    assert found.occurred_at == "2023-11-14T22:13:20.000Z"
    assert found.tags["host"] == "db-7"
    assert found.tags["monitor"] == "true"
    assert json.loads(bytes(found.context)) == OURS


def test_the_published_template_has_the_members_of_the_example() -> None:
    from pathlib import Path

    template = json.loads((Path(__file__).parents[3] / "deploy" / "datadog-webhook.json").read_bytes())
    assert set(template) == set(OURS)


@pytest.mark.parametrize(
    ("word", "transition"),
    [
        ("Triggered", "triggered"),
        ("Warn", "triggered"),
        ("No Data", "triggered"),
        ("Re-Triggered", "repeated"),
        ("Re-Warn", "repeated"),
        ("Re-No Data", "repeated"),
        ("Renotify", "repeated"),
        ("Recovered", "resolved"),
        ("Something new", "triggered"),
    ],
)
def test_I1_transitions(word: str, transition: str) -> None:
    assert alert(parse(delivery(OURS | {"alert_transition": word}))).transition == transition


@pytest.mark.parametrize(
    ("priority", "kind", "word", "severity"),
    [
        ("P1", "error", "Triggered", "critical"),
        ("P2", "error", "Triggered", "error"),
        ("P3", "error", "Triggered", "warning"),
        ("P4", "error", "Triggered", "info"),
        ("P5", "error", "Triggered", "info"),
        ("", "error", "Triggered", "error"),
        ("$ALERT_PRIORITY", "error", "Warn", "warning"),
        ("", "success", "Recovered", None),
    ],
)
def test_I1_severities(priority: str, kind: str, word: str, severity: str | None) -> None:
    content = OURS | {"alert_priority": priority, "alert_type": kind, "alert_transition": word}
    assert alert(parse(delivery(content))).severity == severity


@pytest.mark.parametrize(
    ("name", "fingerprint", "rule", "transition", "severity"),
    [
        ("default", "datadog:title:disk is full on db-7", TITLE_RULE, "resolved", None),
        ("keep", "datadog:monitor:1234:host:db-7", MONITOR_RULE, "repeated", "warning"),
        (
            "incident_io",
            "datadog:aggregation:9bd4ac313a4d1e8fae2482df7b77628-8113540230091563425",
            AGGREGATION_RULE,
            "triggered",
            "critical",
        ),
    ],
)
def test_I1_common_spellings(name: str, fingerprint: str, rule: str, transition: str, severity: str | None) -> None:
    found = alert(parse(delivery(body(f"datadog/{name}.json"))))
    assert (found.fingerprint, found.fingerprint_rule) == (fingerprint, rule)
    assert (found.transition, found.severity) == (transition, severity)
    assert (found.title, found.occurred_at) == ("Disk is full on db-7", "2023-11-14T22:13:20.000Z")


@pytest.mark.parametrize(
    ("content", "fingerprint"),
    [
        ({"monitor": {"id": 42}, "scope": ""}, "datadog:monitor:42:"),
        ({"AlertId": "42", "ALERT_SCOPE": "$ALERT_SCOPE"}, "datadog:monitor:42:"),
        ({"alert_id": "$ALERT_ID", "title": "A test"}, "datadog:title:a test"),
        ({"title": "[P1] [Re-Triggered] CPU"}, "datadog:title:cpu"),
        ({"title": "[prod] CPU"}, "datadog:title:[prod] cpu"),
    ],
)
def test_I2_identities(content: dict[str, Any], fingerprint: str) -> None:
    assert alert(parse(delivery(content))).fingerprint == fingerprint


def test_I1_a_form_says_the_same_as_json() -> None:
    flat = {name: value for name, value in OURS.items() if name != "org"}
    form = "application/x-www-form-urlencoded"
    found = alert(parse(delivery(urlencode(flat).encode(), content_type=form)))
    whole = alert(parse(delivery(urlencode({"payload": json.dumps(OURS)}).encode(), content_type=form)))
    curl = alert(parse(delivery(OURS, content_type=form)))
    assert found.fingerprint == whole.fingerprint == curl.fingerprint == "datadog:monitor:1234:env:prod,host:db-7"
    assert json.loads(bytes(found.context)) == flat


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b'{"a":1}', b'{"title":"$EVENT_TITLE"}', b"\xff"])
def test_I2_what_names_no_alert_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(delivery(content))
