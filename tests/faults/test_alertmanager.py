"""A real Alertmanager whose receiver is killed while it notifies: it repeats, and every alert is there once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.alertmanager import Alertmanager, alertmanager
from tests.faults.conftest import ALERTMANAGER_SECRET
from tests.installation import Installation, eventually
from tocsin.demo.alertmanager import fingerprint
from tocsin.demo.post import iso

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

GROUPS, A_GROUP = 18, 4
BEGAN_MS = time.time_ns() // 1_000_000 - 60_000


@pytest.fixture
def sender(installation: Installation, session_directory: Path) -> Iterator[Alertmanager]:
    with alertmanager(session_directory / "alertmanager", installation.url, ALERTMANAGER_SECRET) as found:
        yield found


def labels(group: int, number: int) -> dict[str, str]:
    return {
        "alertname": f"Lag{group}",
        "environment": "production",
        "instance": f"worker-{number}",
        "service": f"service-{group % 10}",
        "severity": ("critical", "warning")[number % 2],
    }


def alerts(groups: Sequence[int], **more: str) -> list[dict[str, Any]]:
    """Every alert of these groups, as a Prometheus has them."""
    return [
        {
            "labels": labels(group, number),
            "annotations": {"summary": f"Worker {number} of {group} falls back"},
            "startsAt": iso(BEGAN_MS + group * 1000),
            **more,
        }
        for group in groups
        for number in range(A_GROUP)
    ]


def kill_gateway(installation: Installation) -> None:
    installation.child("http").kill()


def shown(installation: Installation) -> list[dict[str, Any]]:
    """Every alert that GET /alerts has; none while the gateway is away."""
    found: list[dict[str, Any]] = []
    if not installation.ready():
        return found
    with installation.client() as client:
        while True:
            query: dict[str, str | int] = {
                "source": "alertmanager",
                "limit": 100,
                "offset": len(found),
                "sort": "created_at",
            }
            page = client.get("/alerts", params=query).raise_for_status().json()
            found += page["items"]
            if len(found) >= page["total"]:
                return found


def test_I1_a_killed_gateway_loses_and_doubles_no_alert_of_a_real_alertmanager(
    installation: Installation, sender: Alertmanager
) -> None:
    third = GROUPS // 3
    sender.post(alerts(range(third)))
    eventually(lambda: shown(installation), pause=0.01)  # some are there, others on their way
    kill_gateway(installation)
    sender.post(alerts(range(third, 2 * third)))
    eventually(installation.ready, 30)
    sender.post(alerts(range(2 * third, GROUPS)))
    names = {f"alertmanager:{one['fingerprint']}" for one in sender.firing()}
    assert len(names) == GROUPS * A_GROUP
    eventually(lambda: {one["fingerprint"] for one in shown(installation)} == names, 30)
    assert sender.failed_requests() > 0

    over = range(0, GROUPS, 2)
    sender.post(alerts(over[:8], endsAt=iso(time.time_ns() // 1_000_000)))
    kill_gateway(installation)
    sender.post(alerts(over[8:], endsAt=iso(time.time_ns() // 1_000_000)))
    resolved = {f"alertmanager:{fingerprint(one['labels'])}" for one in alerts(over)}
    eventually(lambda: statuses(shown(installation)) == {name: status(name, resolved) for name in names}, 30)

    rows = shown(installation)
    assert Counter(one["fingerprint"] for one in rows) == dict.fromkeys(names, 1)
    assert {(one["episode"], one["occurrences"]) for one in rows} == {(1, 1)}
    assert min(one["deliveries"] for one in rows) >= 1
    assert {one["fingerprint"]: one["started_at"] for one in rows} == {
        f"alertmanager:{fingerprint(one['labels'])}": one["startsAt"].replace("Z", ".000Z")
        for one in alerts(range(GROUPS))
    }


def statuses(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {one["fingerprint"]: one["status"] for one in rows}


def status(name: str, resolved: set[str]) -> str:
    return "resolved" if name in resolved else "firing"
