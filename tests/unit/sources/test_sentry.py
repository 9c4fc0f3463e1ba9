"""Sentry's webhooks: one row a resource and action."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.unit.sources.given import alert, body, delivery
from tocsin.ingest.sources.sentry import parse, verify
from tocsin.ingest.sources.signatures import labelled
from tocsin.ingest.sources.webhook import OPEN, Delivery, Unreadable

SENT = {"sentry_hook_timestamp": "1780000000"}
SENT_AT = "2026-05-28T20:26:40.000Z"


def changed(name: str, action: str, **issue: Any) -> dict[str, Any]:
    found = body(name)
    found["action"] = action
    found["data"].get("issue", {}).update(issue)
    return found


@pytest.mark.parametrize(
    ("action", "transition", "occurred_at"),
    [
        ("created", "triggered", "2019-08-19T20:58:37.391Z"),
        ("unresolved", "triggered", SENT_AT),
        ("resolved", "resolved", SENT_AT),
        ("ignored", "acknowledged", SENT_AT),
        ("archived", "acknowledged", SENT_AT),
    ],
)
def test_I1_changes_of_an_issue(action: str, transition: str, occurred_at: str) -> None:
    content = changed("sentry/issue_created.json", action)
    found = alert(parse(delivery(content, sentry_hook_resource="issue", **SENT)))
    assert (found.fingerprint, found.transition) == ("sentry:issue:1170820242", transition)
    assert found.occurred_at == occurred_at
    assert found.fingerprint_fields == {"data.issue.id": "1170820242"}
    assert (found.title, found.message) == ("ReferenceError: blooopy is not defined", "blooopy is not defined")
    assert (found.severity, found.service) == ("error", "front-end")
    assert found.url == "https://test-org.sentry.io/issues/1170820242/"
    assert json.loads(bytes(found.context)) == content


def test_I1_an_issue_alert_is_the_alert_of_its_issue() -> None:
    found = alert(parse(delivery(body("sentry/event_alert_triggered.json"), sentry_hook_resource="event_alert")))
    assert (found.fingerprint, found.transition) == ("sentry:issue:1117540176", "triggered")
    assert found.fingerprint_fields == {"data.event.issue_id": "1117540176"}
    assert found.occurred_at == "2019-08-19T21:06:17.677Z"
    assert (found.service, found.environment, found.severity) == ("front-end", "production", "error")
    assert found.tags["triggered_rule"] == "Very Important Alert Rule!"
    assert found.tags["event_id"] == "e4874d664c3540c1a32eab185f12c5ab"


def test_I1_a_created_error_is_an_occurrence_of_its_issue() -> None:
    content = body("sentry/event_alert_triggered.json")
    content |= {"action": "created", "data": {"error": content["data"]["event"]}}
    found = alert(parse(delivery(content, sentry_hook_resource="error")))
    assert (found.fingerprint, found.transition) == ("sentry:issue:1117540176", "triggered")


@pytest.mark.parametrize(
    ("action", "transition", "severity"),
    [
        ("critical", "triggered", "critical"),
        ("warning", "triggered", "warning"),
        ("open", "triggered", None),
        ("resolved", "resolved", None),
    ],
)
def test_I1_a_metric_alert_is_named_by_its_rule_and_its_incident_is_the_episode(
    action: str, transition: str, severity: str | None
) -> None:
    content = changed("sentry/metric_alert_critical.json", action)
    found = alert(parse(delivery(content, sentry_hook_resource="metric_alert", **SENT)))
    assert (found.fingerprint, found.episode) == ("sentry:metric_alert:7", "4")
    assert (found.transition, found.severity, found.service) == (transition, severity, "bar")
    assert found.occurred_at == SENT_AT


def test_I1_the_legacy_plugin_is_read_only_where_the_source_is_open() -> None:
    content = body("sentry/legacy.json")
    found = alert(parse(delivery(content, OPEN)))
    assert (found.fingerprint, found.transition) == ("sentry:issue:541485531", "triggered")
    assert (found.service, found.environment) == ("alerta5", "prod")
    assert found.tags["triggered_rule"] == "Send a notification for new issues"
    assert found.occurred_at == "2018-05-02T08:07:10.000Z"
    with pytest.raises(Unreadable, match="Sentry-Hook-Resource"):
        parse(delivery(content, "first"))


@pytest.mark.parametrize(
    ("resource", "action"),
    [
        ("installation", "created"),
        ("installation", "deleted"),
        ("issue", "assigned"),
        ("comment", "created"),
        ("seer", "root_cause_completed"),
        ("preprod_artifact", "size_analysis_completed"),
        ("metric_alert", "something_new"),
        ("something_new", "created"),
    ],
)
def test_I1_what_says_nothing_of_an_alert_is_accepted(resource: str, action: str) -> None:
    reading = parse(delivery({"action": action, "data": {}}, sentry_hook_resource=resource))
    assert not reading.events
    assert reading.reason == f"{resource}.{action} says nothing of an alert"


@pytest.mark.parametrize("data", [{}, {"issue": {}}, {"issue": {"id": None}}, {"issue": []}, None, []])
def test_I2_an_issue_without_id_is_unreadable(data: object) -> None:
    with pytest.raises(Unreadable, match=r"data\.issue\.id is missing"):
        parse(delivery({"action": "created", "data": data}, sentry_hook_resource="issue"))


def signed(content: bytes, secret: str, header: str = "sentry-hook-signature") -> Delivery:
    return Delivery(content, {header: hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()}, 0)


def test_I1_either_live_secret_and_either_header_verify() -> None:
    secrets = labelled(["old", "new"], "default")
    assert verify(signed(b"{}", "old"), secrets) == secrets[0]
    assert verify(signed(b"{}", "new", "sentry-app-signature"), secrets) == secrets[1]
    assert verify(signed(b"{}", "other"), secrets) == "wrong"
    assert verify(Delivery(b"{}", {}, 0), secrets) == "absent"
