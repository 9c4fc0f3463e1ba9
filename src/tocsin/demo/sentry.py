"""Sentry's integration webhooks: issue alerts, what becomes of the issue, and metric alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tocsin.demo.post import Post, Telling, encoded, iso
from tocsin.demo.scenario import Alert, Word

_ISSUE_ACTIONS: Final[Mapping[Word, str]] = {"acknowledged": "archived", "resolved": "resolved"}
_WEB: Final = "https://example-shop.sentry.example"


def issue_posts(alert: Alert, telling: Telling) -> Iterator[Post]:
    issue = telling.digits(10, "issue", alert.service, alert.title)
    for minute, word in sorted(alert.words.items()):
        if action := _ISSUE_ACTIONS.get(word):
            said = "issue", {"action": action, "data": {"issue": _issue(alert, issue, telling.at(min(alert.words)))}}
        else:
            data = {"event": _event(alert, telling, issue, minute), "triggered_rule": f"Errors of {alert.service}"}
            said = "event_alert", {"action": "triggered", "data": data}
        yield _post(alert, telling, minute, f"sentry:issue:{issue}", *said)


def metric_posts(alert: Alert, telling: Telling) -> Iterator[Post]:
    rule = telling.digits(6, "rule", alert.service, alert.title)
    for minute, word in sorted(alert.words.items()):
        resolved = word == "resolved"
        found = {
            "id": telling.digits(7, "metric alert", rule),
            "identifier": telling.digits(3, "identifier", rule),
            "title": alert.title,
            "projects": [alert.service],
            "date_started": iso(telling.at(min(alert.words))),
            "date_closed": iso(telling.at(minute)) if resolved else None,
            "alert_rule": {
                "id": rule,
                "name": alert.title,
                "aggregate": "count()",
                "query": "level:error",
                "environment": alert.environment,
                "projects": [alert.service],
                "time_window": 10,
            },
        }
        action = "resolved" if resolved else alert.severity
        data = {
            "metric_alert": found,
            "description_title": f"{str(action).capitalize()}: {alert.title}",
            "description_text": alert.message,
            "web_url": f"{_WEB}/alerts/rules/details/{rule}/",
        }
        said = {"action": action, "data": data}
        yield _post(alert, telling, minute, f"sentry:metric_alert:{rule}", "metric_alert", said)


def _post(
    alert: Alert, telling: Telling, minute: int, fingerprint: str, resource: str, said: Mapping[str, Any]
) -> Post:
    actor = {"id": "sentry", "name": "Sentry", "type": "application"}
    body = {**said, "actor": actor, "installation": {"uuid": telling.hex(32, "installation")}}
    headers = {
        "request-id": telling.hex(32, "request", fingerprint, minute),
        "sentry-hook-resource": resource,
        "sentry-hook-timestamp": str(telling.at(minute) // 1000),
    }
    return Post(telling.at(minute), "sentry", (fingerprint,), alert.group, encoded(body), headers)


def _event(alert: Alert, telling: Telling, issue: str, minute: int) -> dict[str, Any]:
    event = telling.hex(32, "event", issue, minute)
    tags = {"environment": alert.environment, "level": alert.severity, "server_name": f"{alert.service}-{minute % 3}"}
    kind, _, value = alert.title.partition(": ")
    return {
        "event_id": event,
        "issue_id": issue,
        "title": alert.title,
        "message": "",
        "metadata": {"type": kind, "value": value},
        "culprit": alert.culprit,
        "level": alert.severity,
        "platform": "python",
        "datetime": iso(telling.at(minute)),
        "tags": [[name, text] for name, text in tags.items()],
        "url": f"https://sentry.example/api/0/projects/example-shop/{alert.service}/events/{event}/",
        "web_url": f"{_WEB}/issues/{issue}/events/{event}/",
    }


def _issue(alert: Alert, issue: str, first_seen: int) -> dict[str, Any]:
    return {
        "id": issue,
        "shortId": f"{alert.service.upper()}-{issue[-3:]}",
        "title": alert.title,
        "culprit": alert.culprit,
        "level": alert.severity,
        "platform": "python",
        "project": {"slug": alert.service, "name": alert.service},
        "firstSeen": iso(first_seen),
        "metadata": {"value": alert.message},
        "web_url": f"{_WEB}/issues/{issue}/",
    }
