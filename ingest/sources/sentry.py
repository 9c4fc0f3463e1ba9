"""Sentry: internal integrations (signed) and the legacy WebHooks plugin (unsigned, only where the source is open).

Sources: docs.sentry.io, Integration Platform, Webhooks; getsentry/sentry ``app_platform_event.py`` and
``services/legacy_webhook/service.py``. The signature is the bare hex HMAC-SHA256 of the raw body; the timestamp header
is not covered by it. ``Request-ID`` names an attempt and not the message, so the body itself names the delivery.

An issue alert never says that it is over; ``issue.resolved`` does, so both are the alert ``sentry:issue:<id>``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tocsin.events.alerts import AlertReceived
from tocsin.events.vocabulary import AlertTransition
from tocsin.ingest.sources.signatures import Secret, Verdict, hmac_hex
from tocsin.ingest.sources.webhook import (
    MAX_MESSAGE,
    MAX_TITLE,
    OPEN,
    Delivery,
    Reading,
    Unreadable,
    document,
    fingerprint,
    first,
    instant,
    link,
    mapping,
    severity,
    tags,
    text,
    verbatim,
)

SOURCE: Final = "sentry"
ISSUE_RULE: Final = "Sentry's issue"
METRIC_RULE: Final = "Sentry's metric alert rule"

_ISSUE_TRANSITIONS: Final[Mapping[str, AlertTransition]] = {
    "created": "triggered",
    "unresolved": "triggered",
    "resolved": "resolved",
    # somebody decided that it may go on; "ignored" on the wire, "archived" in the documents
    "ignored": "acknowledged",
    "archived": "acknowledged",
}
_METRIC_TRANSITIONS: Final[Mapping[str, AlertTransition]] = {
    "critical": "triggered",
    "warning": "triggered",
    "open": "triggered",
    "resolved": "resolved",
}
# The API address of an event names its project where the event itself only has a number.
_PROJECT: Final = re.compile(r"/projects/[^/]+/([^/]+)/")


def verify(delivery: Delivery, secrets: Sequence[Secret]) -> Verdict:
    """``Sentry-Hook-Signature``; calls of UI components sign as ``Sentry-App-Signature``."""
    presented = delivery.header("sentry-hook-signature") or delivery.header("sentry-app-signature")
    return hmac_hex(presented, secrets, delivery.body)


def parse(delivery: Delivery) -> Reading:
    """Raises Unreadable."""
    resource = delivery.header("sentry-hook-resource").lower()
    body = document(delivery.body)
    if not resource:
        return _without_resource(delivery, body)
    action = text(body.get("action")).lower()
    read = _READERS.get(resource)
    found = read(delivery, action, mapping(body.get("data"))) if read else None
    return Reading([found]) if found else Reading(reason=f"{resource}.{action} says nothing of an alert"[:200])


def _without_resource(delivery: Delivery, body: dict[str, Any]) -> Reading:
    if delivery.header("sentry-app-signature"):
        return Reading(reason="a call of a UI component says nothing of an alert")
    if delivery.verified_by != OPEN:
        raise Unreadable("the header Sentry-Hook-Resource is missing")
    return Reading([_legacy(delivery, body)])


def _issue(delivery: Delivery, action: str, data: dict[str, Any]) -> AlertReceived | None:
    transition = _ISSUE_TRANSITIONS.get(action)
    if transition is None:
        return None
    issue = mapping(data.get("issue"))
    metadata = mapping(issue.get("metadata"))
    return _alert_of_issue(
        delivery,
        issue.get("id"),
        "data.issue.id",
        transition,
        # a change is as old as its message, a new issue as old as its first event
        occurred_at=issue.get("firstSeen") if action == "created" else _sent_at(delivery),
        title=first(text(issue.get("title"), MAX_TITLE), text(issue.get("shortId"))),
        message=first(text(metadata.get("value"), MAX_MESSAGE), text(issue.get("culprit"), MAX_MESSAGE)),
        severity=severity(issue.get("level")),
        service=text(mapping(issue.get("project")).get("slug")),
        tags=tags({"short_id": issue.get("shortId"), "platform": issue.get("platform")}),
        url=first(link(issue.get("web_url")), link(issue.get("permalink")), link(issue.get("url"))),
    )


def _event_alert(delivery: Delivery, action: str, data: dict[str, Any]) -> AlertReceived | None:
    if action != "triggered":
        return None
    rule = first(text(data.get("triggered_rule")), text(mapping(data.get("issue_alert")).get("title")))
    return _alert_of_event(delivery, mapping(data.get("event")), "data.event.issue_id", {"triggered_rule": rule})


def _error(delivery: Delivery, action: str, data: dict[str, Any]) -> AlertReceived | None:
    if action != "created":
        return None
    return _alert_of_event(delivery, mapping(data.get("error")), "data.error.issue_id", {})


def _activity_alert(delivery: Delivery, action: str, data: dict[str, Any]) -> AlertReceived | None:
    if action != "triggered":
        return None
    if isinstance(data.get("event"), dict):
        return _event_alert(delivery, action, data)
    return _issue(delivery, "unresolved", data)


def _alert_of_event(delivery: Delivery, event: dict[str, Any], field: str, more: dict[str, Any]) -> AlertReceived:
    found = _event_tags(event)
    project = _PROJECT.search(first(text(event.get("url"), MAX_MESSAGE), text(event.get("issue_url"), MAX_MESSAGE)))
    metadata = mapping(event.get("metadata"))
    return _alert_of_issue(
        delivery,
        event.get("issue_id"),
        field,
        "triggered",
        occurred_at=event.get("datetime") or event.get("timestamp"),
        title=text(event.get("title"), MAX_TITLE),
        message=first(text(event.get("message"), MAX_MESSAGE), text(metadata.get("value"), MAX_MESSAGE)),
        severity=severity(event.get("level")) or severity(found.get("level")),
        service=first(found.get("service", ""), project.group(1) if project else ""),
        environment=first(found.get("environment", ""), text(event.get("environment"))),
        tags=tags({**found, **more, "event_id": event.get("event_id")}),
        url=first(link(event.get("web_url")), link(event.get("issue_url"))),
    )


def _metric_alert(delivery: Delivery, action: str, data: dict[str, Any]) -> AlertReceived | None:
    transition = _METRIC_TRANSITIONS.get(action)
    if transition is None:
        return None
    alert = mapping(data.get("metric_alert"))
    rule = mapping(alert.get("alert_rule"))
    identity = text(rule.get("id"))
    if not identity:
        raise Unreadable("data.metric_alert.alert_rule.id is missing")
    projects = alert.get("projects")
    return AlertReceived(
        source=SOURCE,
        fingerprint=fingerprint(SOURCE, "metric_alert", identity),
        fingerprint_rule=METRIC_RULE,
        fingerprint_fields={"data.metric_alert.alert_rule.id": identity},
        transition=transition,
        occurred_at=instant(
            _sent_at(delivery) or first(text(alert.get("date_closed")), text(alert.get("date_started"))),
            delivery.now_ms,
        ),
        title=first(text(data.get("description_title"), MAX_TITLE), text(rule.get("name"), MAX_TITLE), identity),
        message=text(data.get("description_text"), MAX_MESSAGE),
        # the incident lasts from trigger to resolve
        episode=text(alert.get("id")),
        severity=severity(action),  # open and resolved name none
        service=text(projects[0]) if isinstance(projects, list) and len(projects) == 1 else "",
        environment=text(rule.get("environment")),
        tags=tags({"rule": rule.get("name"), "aggregate": rule.get("aggregate"), "query": rule.get("query")}),
        url=link(data.get("web_url")),
        context=verbatim(delivery.body),
    )


def _legacy(delivery: Delivery, body: dict[str, Any]) -> AlertReceived:
    event = mapping(body.get("event"))
    rules = body.get("triggering_rules")
    found = _event_tags(event)
    return _alert_of_issue(
        delivery,
        body.get("id"),
        "id",
        "triggered",
        occurred_at=event.get("datetime") or event.get("timestamp") or event.get("received"),
        title=first(text(body.get("message"), MAX_TITLE), text(event.get("title"), MAX_TITLE), text(body.get("id"))),
        message=text(body.get("culprit"), MAX_MESSAGE),
        severity=severity(body.get("level")),
        service=first(text(body.get("project_slug")), text(body.get("project"))),
        environment=found.get("environment", ""),
        tags=tags({**found, "triggered_rule": rules[0] if isinstance(rules, list) and rules else ""}),
        url=link(body.get("url")),
    )


def _alert_of_issue(
    delivery: Delivery,
    issue: object,
    field: str,
    transition: AlertTransition,
    *,
    occurred_at: object,
    **fields: Any,
) -> AlertReceived:
    identity = text(issue)
    if not identity:
        raise Unreadable(f"{field} is missing")
    fields["title"] = fields["title"] or f"Sentry issue {identity}"
    return AlertReceived(
        source=SOURCE,
        fingerprint=fingerprint(SOURCE, "issue", identity),
        fingerprint_rule=ISSUE_RULE,
        fingerprint_fields={field: identity},
        transition=transition,
        occurred_at=instant(occurred_at, delivery.now_ms),
        context=verbatim(delivery.body),
        **fields,
    )


def _sent_at(delivery: Delivery) -> str:
    """When the message was made, Unix seconds."""
    return delivery.header("sentry-hook-timestamp")


def _event_tags(event: dict[str, Any]) -> dict[str, str]:
    """Tags are a list of pairs; old events have an object."""
    found = event.get("tags")
    if isinstance(found, dict):
        return tags(found)
    pairs = [one for one in found if isinstance(one, list) and len(one) == 2] if isinstance(found, list) else []
    return tags({text(name): value for name, value in pairs})


_READERS: Final[Mapping[str, Callable[[Delivery, str, dict[str, Any]], AlertReceived | None]]] = {
    "issue": _issue,
    "event_alert": _event_alert,
    "error": _error,
    "metric_alert": _metric_alert,
    "activity_alert": _activity_alert,
}
