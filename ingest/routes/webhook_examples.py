"""Bodies of the senders for OpenAPI: media type, example, and the headers that matter with what they hold."""

from __future__ import annotations

from typing import Any, Final

_JSON: Final = "application/json"
_SECRET: Final = "The shared secret, as Bearer token or Basic password"  # noqa: S105 - a description

EXAMPLES: Final[dict[str, tuple[str, Any, dict[str, str]]]] = {
    "sentry": (
        _JSON,
        {
            "action": "triggered",
            "installation": {"uuid": "a8e5d37a-696c-4c54-adb5-b3f28d64c7de"},
            "data": {
                "event": {"issue_id": "1117540176", "title": "ReferenceError: heck is not defined", "level": "error"},
                "triggered_rule": "Very Important Alert Rule!",
            },
            "actor": {"type": "application", "id": "sentry", "name": "Sentry"},
        },
        {
            "Sentry-Hook-Resource": "event_alert, issue, metric_alert, …",
            "Sentry-Hook-Signature": "Hex HMAC-SHA256 of the body with the client secret",
        },
    ),
    "datadog": (
        _JSON,
        {
            "alert_id": "1234",
            "alert_scope": "host:db-7",
            "alert_cycle_key": "8113540230091563425",
            "alert_transition": "Triggered",
            "alert_priority": "P2",
            "alert_title": "Disk is full on db-7",
            "date": "1700000000000",
            "tags": "env:prod,service:orders",
        },
        {"X-Webhook-Secret": "The shared secret (or Authorization: Bearer, Basic)"},
    ),
    "alertmanager": (
        _JSON,
        {
            "version": "4",
            "groupKey": '{}:{alertname="DiskFull"}',
            "status": "firing",
            "alerts": [
                {
                    "status": "firing",
                    "labels": {"alertname": "DiskFull", "severity": "critical", "service": "orders"},
                    "annotations": {"summary": "Disk of db-7 is full"},
                    "startsAt": "2026-01-31T12:00:00Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "fingerprint": "02ae5d2ed5aaff2f",
                }
            ],
        },
        {"Authorization": _SECRET},
    ),
}
