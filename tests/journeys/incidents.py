"""What journeys about incidents share: alerts of a service as Alertmanager reports them, and their incident."""

from __future__ import annotations

import copy
import json
import uuid
from pathlib import Path
from typing import Any

import httpx

from tests.installation import eventually
from tests.journeys.conftest import ALERTMANAGER_SECRET

GROUP = json.loads((Path(__file__).parents[1] / "data" / "webhooks" / "alertmanager" / "group.json").read_text())
AUTHENTIC = {"authorization": f"Bearer {ALERTMANAGER_SECRET}"}


def unique() -> str:
    """A service or fingerprint nobody else uses."""
    return uuid.uuid4().hex[:16]


def send(client: httpx.Client, service: str, fingerprint: str, *, resolved: bool = False, **labels: str) -> None:
    """One alert of a service."""
    group: dict[str, Any] = copy.deepcopy(GROUP)
    alert = next(one for one in group["alerts"] if one["status"] == "firing")
    alert["fingerprint"] = fingerprint
    alert["labels"] |= {"service": service, **labels}
    if resolved:
        alert["status"], alert["endsAt"] = "resolved", "2099-01-01T00:00:00Z"
    group["alerts"] = [alert]
    answer = client.post("/webhooks/alertmanager", json=group, headers=AUTHENTIC)
    assert answer.status_code == 202, answer.text


def listed(client: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    answer = client.get("/incidents", params=wanted)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def incident_of(client: httpx.Client, service: str, alerts: int = 1) -> dict[str, Any]:
    """The incident of a service, once it has so many alerts."""
    found: dict[str, Any] = eventually(
        lambda: next((one for one in listed(client, service=service) if one["alert_count"] == alerts), None)
    )
    return found


def given(client: httpx.Client, *, alerts: int = 1, service: str = "") -> dict[str, Any]:
    """A new incident with so many alerts."""
    service = service or unique()
    for _ in range(alerts):
        send(client, service, unique())
    return incident_of(client, service, alerts)


def detail(client: httpx.Client, incident_id: str) -> dict[str, Any]:
    answer = client.get(f"/incidents/{incident_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def actions(client: httpx.Client, incident_id: str) -> list[str]:
    """What happened to it, oldest first."""
    return [one["action"] for one in reversed(detail(client, incident_id)["recent_actions"])]
