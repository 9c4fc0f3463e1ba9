"""Datadog's webhooks with the payload template of ``deploy/datadog-webhook.json``: all values are text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tocsin.demo.post import Post, Telling, encoded
from tocsin.demo.scenario import Alert, Word
from tocsin.events.vocabulary import Severity

_TRANSITIONS: Final[Mapping[Word, str]] = {
    "triggered": "Triggered",
    "warned": "Warn",
    "repeated": "Renotify",
    "resolved": "Recovered",
}
_TYPES: Final[Mapping[Word, str]] = {"warned": "warning", "resolved": "success"}
_PRIORITIES: Final[Mapping[Severity, str]] = {"critical": "P1", "error": "P2", "warning": "P3", "info": "P4"}


def posts(alert: Alert, telling: Telling) -> Iterator[Post]:
    monitor = telling.digits(8, "monitor", alert.service, alert.environment, alert.title)
    scope = f"env:{alert.environment},host:{alert.host}"
    cycle = 0
    for minute, word in sorted(alert.words.items()):
        event = telling.digits(19, "event", monitor, minute)
        body = {
            "id": event,
            "alert_id": monitor,
            "alert_scope": scope,
            "alert_cycle_key": telling.digits(20, "cycle", monitor, cycle),
            "aggreg_key": telling.hex(32, "aggregation", monitor),
            **_said(alert, word),
            "event_type": "query_alert_monitor",
            "text_only_msg": alert.message,
            "hostname": alert.host,
            "link": f"https://app.datadoghq.example/monitors/{monitor}?event={event}",
            "tags": _tags(alert),
            "date": str(telling.at(minute)),
            "last_updated": str(telling.at(minute) + 1000),
            "org": {"id": "11023", "name": "Example shop"},
        }
        name = f"datadog:monitor:{monitor}:{scope}"
        yield Post(telling.at(minute), "datadog", (name,), alert.group, encoded(body), {})
        cycle += word == "resolved"


def _said(alert: Alert, word: Word) -> dict[str, str]:
    priority = _PRIORITIES[alert.severity] if alert.severity else ""
    title = alert.title.format(host=alert.host)
    shown = f"{f'[{priority}] ' if priority else ''}[{_TRANSITIONS[word]} on {{host:{alert.host}}}] {title}"
    return {
        "alert_transition": _TRANSITIONS[word],
        "alert_type": _TYPES.get(word, "error"),
        "alert_priority": priority,
        "alert_status": f"{alert.metric} over host:{alert.host}",
        "alert_metric": alert.metric,
        "alert_title": shown,
        "event_title": shown,
    }


def _tags(alert: Alert) -> str:
    pairs = {"env": alert.environment, "host": alert.host, "service": alert.service, "team": alert.team}
    return ",".join(["monitor", *(f"{name}:{value}" for name, value in pairs.items() if value)])
