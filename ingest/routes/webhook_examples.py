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
    "grafana": (
        _JSON,
        {
            "version": "1",
            "orgId": 1,
            "title": "[FIRING:1] DiskFull",
            "status": "firing",
            "alerts": [
                {
                    "status": "firing",
                    "labels": {"alertname": "DiskFull", "grafana_folder": "Databases"},
                    "annotations": {"summary": "Disk of db-7 is full"},
                    "startsAt": "2026-01-31T12:00:00Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "fingerprint": "c6eadffa33fcdf37",
                    "panelURL": "https://grafana.example.com/d/abc?viewPanel=1",
                }
            ],
        },
        {
            "X-Grafana-Alerting-Signature": "Hex HMAC-SHA256 of the body, or of `timestamp:body`",
            "X-Grafana-Alerting-Timestamp": "Unix seconds, where Grafana is configured to send them under this name",
            "Authorization": _SECRET,
        },
    ),
    "cloudwatch": (
        "text/plain",
        '{"Type":"Notification","MessageId":"165545c9-2a5c-472c-8df2-7ff2be2b3b1b",'
        '"TopicArn":"arn:aws:sns:us-west-2:123456789012:alarms","Message":"{\\"AlarmName\\":\\"DiskFull\\"}",'
        '"Timestamp":"2026-01-31T12:00:00.000Z","SignatureVersion":"1","Signature":"EXAMPLE=",'
        '"SigningCertURL":"https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ec.pem"}',
        {"x-amz-sns-message-type": "Notification, SubscriptionConfirmation or UnsubscribeConfirmation"},
    ),
    "github": (
        _JSON,
        {
            "action": "completed",
            "workflow_run": {
                "id": 30433642,
                "name": "Build",
                "workflow_id": 159038,
                "head_branch": "main",
                "conclusion": "failure",
                "html_url": "https://github.com/octo-org/octo-repo/actions/runs/30433642",
            },
            "repository": {"full_name": "octo-org/octo-repo"},
        },
        {
            "X-GitHub-Event": "workflow_run",
            "X-GitHub-Delivery": "Names the delivery",
            "X-Hub-Signature-256": "sha256= and the hex HMAC-SHA256 of the body",
        },
    ),
    "cloudevents": (
        "application/cloudevents+json",
        {
            "specversion": "1.0",
            "id": "A234-1234-1234",
            "source": "/monitors/disk",
            "type": "com.example.disk.full.triggered",
            "subject": "db-7",
            "time": "2026-01-31T12:00:00Z",
            "data": {"title": "Disk of db-7 is full", "severity": "critical", "service": "orders"},
        },
        {"ce-id": "In binary mode the attributes are headers", "ce-specversion": "1.0"},
    ),
    "standard": (
        _JSON,
        {
            "type": "disk.full.triggered",
            "timestamp": "2026-01-31T12:00:00Z",
            "data": {"id": "db-7", "title": "Disk of db-7 is full", "severity": "critical"},
        },
        {
            "webhook-id": "Names the delivery",
            "webhook-timestamp": "Unix seconds of the attempt",
            "webhook-signature": "v1, and base64 of the HMAC-SHA256 of id.timestamp.body",
        },
    ),
}
GENERIC_EXAMPLE: Final = {
    "heartbeat": {"status": 0, "time": "2026-01-31 12:00:00.000", "msg": "connect ECONNREFUSED"},
    "monitor": {"id": 7, "name": "orders", "type": "http", "url": "https://orders.example.com/health"},
    "msg": "[orders] [Down] connect ECONNREFUSED",
}
PAGERDUTY_EXAMPLE: Final = {
    "routing_key": "0123456789abcdef0123456789abcdef",
    "event_action": "trigger",
    "dedup_key": "disk/db-7",
    "payload": {"summary": "Disk of db-7 is full", "source": "db-7", "severity": "critical"},
}
