"""Alertmanager's webhook, version 4: every alert speaks for itself."""

from __future__ import annotations

import json

import pytest

from tests.unit.sources.given import alert, body, delivery
from tocsin.events.alerts import AlertReceived
from tocsin.ingest.sources.alertmanager import LABELS_RULE, parse
from tocsin.ingest.sources.webhook import Unreadable

GROUP = body("alertmanager/group.json")


def test_I1_each_alert_has_its_own_status_and_identity() -> None:
    reading = parse(delivery(GROUP))
    firing, resolved = reading.events
    assert isinstance(firing, AlertReceived)
    assert isinstance(resolved, AlertReceived)
    assert (firing.fingerprint, firing.transition) == ("alertmanager:02ae5d2ed5aaff2f", "triggered")
    assert (firing.episode, firing.occurred_at) == ("2026-01-31T12:00:00.739266876Z", "2026-01-31T12:00:00.739Z")
    assert (firing.title, firing.message) == ("Disk of db-7 is full", "db-7 has 3 % left")
    assert (firing.service, firing.team, firing.environment) == ("orders", "payments", "prod")
    assert (firing.severity, firing.tags["instance"]) == ("critical", "db-7:9100")
    assert (resolved.fingerprint, resolved.transition) == ("alertmanager:67e54bd60ac6ed9f", "resolved")
    assert (resolved.occurred_at, resolved.service) == ("2026-01-31T12:05:00.000Z", "node")
    assert reading.truncated == 3


def test_I1_the_context_is_the_alert_with_its_group() -> None:
    [first, _] = parse(delivery(GROUP)).events
    assert isinstance(first, AlertReceived)
    context = json.loads(bytes(first.context))
    assert context.pop("group") == {name: value for name, value in GROUP.items() if name != "alerts"}
    assert context == GROUP["alerts"][0]


def test_a_long_group_is_not_repeated_in_every_alert() -> None:
    [first, _] = parse(delivery(GROUP | {"externalURL": "x" * 5_000})).events
    assert isinstance(first, AlertReceived)
    assert json.loads(bytes(first.context)) == GROUP["alerts"][0]


def test_I2_without_a_fingerprint_the_labels_are_the_identity() -> None:
    one = {"status": "firing", "labels": {"alertname": "A", "b": "1"}}
    same = {"status": "resolved", "labels": {"b": "1", "alertname": "A"}}
    first, second = parse(delivery({"alerts": [one, same]})).events
    assert isinstance(first, AlertReceived)
    assert isinstance(second, AlertReceived)
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint_rule == LABELS_RULE
    assert first.fingerprint_fields == {"alertname": "A", "b": "1"}


def test_I2_an_unknown_severity_is_left_to_classification() -> None:
    content = {"alerts": [{"status": "firing", "labels": {"alertname": "A", "severity": "page"}}]}
    assert alert(parse(delivery(content))).severity is None


def test_I1_an_empty_group_is_accepted() -> None:
    assert parse(delivery({"alerts": []})).reason == "the group has no alerts"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "there is no list of alerts"),
        ({"alerts": {}}, "there is no list of alerts"),
        ({"alerts": [7]}, "alerts.0.status is neither firing nor resolved"),
        ({"alerts": [{"status": "firing"}]}, "alerts.0 has neither a fingerprint nor labels"),
        ({"alerts": [{"status": "suppressed", "fingerprint": "a"}]}, "alerts.0.status is neither firing nor resolved"),
    ],
)
def test_I2_other_shapes_are_unreadable(content: dict[str, object], reason: str) -> None:
    with pytest.raises(Unreadable, match=f"^{reason}$"):
        parse(delivery(content))
