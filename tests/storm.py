"""An alert storm as Alertmanager makes one: many alerts firing at once, told group by group, again and again.

A group is told anew whenever it changes, and here it always has: the measured value is in each alert's description, so
no two notifications have the same bytes. An alert keeps its start, so all that is told of it is one occurrence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

SERVICES = 25
STARTED = "2026-11-20T22:13:20Z"
_FIRES = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Storm:
    """``alerts`` in all, of so many ``fingerprints``, ``a_request`` in each. ``name``: the team they belong to."""

    name: str
    fingerprints: int
    alerts: int
    a_request: int = 20

    def bodies(self) -> Iterator[bytes]:
        """The notifications, in an order in which every group has its turn."""
        groups = self.fingerprints // self.a_request
        for number in range(self.alerts // self.a_request):
            yield self._group(number % groups, number // groups)

    def _group(self, group: int, turn: int) -> bytes:
        labels = {"alertname": f"InstanceDown{group}"}
        members = range(group * self.a_request, (group + 1) * self.a_request)
        return orjson.dumps(
            {
                "version": "4",
                "groupKey": f'{{}}:{{alertname="InstanceDown{group}"}}',
                "truncatedAlerts": 0,
                "status": "firing",
                "receiver": "tocsin",
                "groupLabels": labels,
                "commonLabels": labels | {"team": self.name},
                "commonAnnotations": {},
                "externalURL": "http://alertmanager.example",
                "alerts": [self._alert(group, number, turn) for number in members],
            }
        )

    def _alert(self, group: int, number: int, turn: int) -> dict[str, Any]:
        labels = {
            "alertname": f"InstanceDown{group}",
            "env": "production",
            "instance": f"10.0.{number // 250}.{number % 250}:9100",
            "service": f"{self.name}-{number % SERVICES}",
            "severity": "critical" if number % 3 else "warning",
            "team": self.name,
        }
        return {
            "status": "firing",
            "labels": labels,
            "annotations": {
                "summary": f"Instance {number} does not answer",
                "description": f"{number} has not answered for {turn + 1} minutes",
            },
            "startsAt": STARTED,
            "endsAt": _FIRES,
            "generatorURL": "http://prometheus.example/graph?g0.expr=up",
            "fingerprint": hashlib.sha256(f"{self.name} {number}".encode()).hexdigest()[:16],
        }
