"""Alertmanager's notifications, grouped by alert name and service: each holds every instance that still matters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tocsin.demo.post import Post, Telling, encoded, iso
from tocsin.demo.scenario import Alert, Word, Words

_OFFSET: Final = 14695981039346656037
_PRIME: Final = 1099511628211
_FIRES: Final = "0001-01-01T00:00:00Z"


def fingerprint(labels: Mapping[str, str]) -> str:
    """Prometheus' fingerprint of a label set: FNV-1a with 64 bits over the sorted pairs, 0xFF after each part."""
    found = _OFFSET
    for name in sorted(labels):
        for part in (name, labels[name]):
            for byte in (*part.encode(), 0xFF):
                found = ((found ^ byte) * _PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{found:016x}"


def labels(alert: Alert, instance: str) -> dict[str, str]:
    return {
        "alertname": alert.title,
        "environment": alert.environment,
        "instance": instance,
        "service": alert.service,
        "severity": str(alert.severity),
        "team": alert.team,
    }


def posts(alert: Alert, telling: Telling) -> Iterator[Post]:
    for minute in sorted({minute for words in alert.instances.values() for minute in words}):
        shown = [
            _alert(alert, telling, instance, said, last_word)
            for instance, words in alert.instances.items()
            if (said := _said_until(words, minute)) and (last_word := max(said)) >= _matters_since(said, minute)
        ]
        names = tuple(f"alertmanager:{one['fingerprint']}" for one in shown)
        yield Post(telling.at(minute), "alertmanager", names, alert.group, encoded(_group(alert, shown)), {})


def _said_until(words: Words, minute: int) -> dict[int, Word]:
    return {at: word for at, word in words.items() if at <= minute}


def _matters_since(said: Words, minute: int) -> int:
    """What fires is in every notification, what is over only in the first one after its end."""
    return minute if said[max(said)] == "resolved" else 0


def _alert(alert: Alert, telling: Telling, instance: str, said: Words, last_word: int) -> dict[str, Any]:
    began = max(minute for minute, word in said.items() if word == "triggered")
    over = said[last_word] == "resolved"
    own = labels(alert, instance)
    return {
        "status": "resolved" if over else "firing",
        "labels": own,
        "annotations": {"description": alert.message.format(instance=instance), "summary": _summary(alert)},
        "startsAt": iso(telling.at(began)),
        "endsAt": iso(telling.at(last_word)) if over else _FIRES,
        "generatorURL": f"http://prometheus.example/graph?g0.expr={alert.title}",
        "fingerprint": fingerprint(own),
    }


def _summary(alert: Alert) -> str:
    """``RequestLatencyHigh`` → ``Request latency high``."""
    return re.sub(r"(?<=[a-z])[A-Z]", lambda found: f" {found[0].lower()}", alert.title)


def _group(alert: Alert, shown: list[dict[str, Any]]) -> dict[str, Any]:
    group = {"alertname": alert.title, "service": alert.service}
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{alert.title}", service="{alert.service}"}}',
        "truncatedAlerts": 0,
        "status": "firing" if any(one["status"] == "firing" for one in shown) else "resolved",
        "receiver": "tocsin",
        "groupLabels": group,
        "commonLabels": group | {"severity": alert.severity, "team": alert.team},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": shown,
    }
