"""I9: alerts that a silence keeps quiet raise no incident, are kept and counted, and looked at again at its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.installation import eventually
from tests.journeys.incidents import incident_of, listed, send, unique

pytestmark = pytest.mark.embedded


def in_(**duration: float) -> str:
    return (datetime.now(UTC) + timedelta(**duration)).isoformat()


def silence(client: httpx.Client, service: str, **more: Any) -> dict[str, Any]:
    body = {"matchers": [{"field": "service", "values": [service]}], "reason": "upgrade", **more}
    answer = client.post("/silences", json=body, headers={"X-Actor": "ana"})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/silences/{made['id']}"
    return made


def quiet(client: httpx.Client, service: str, alerts: int = 1) -> list[dict[str, Any]]:
    """The alerts of a service once they are there and kept quiet."""
    found: list[dict[str, Any]] = eventually(
        lambda: (
            items
            if len(items := client.get("/alerts", params={"service": service, "suppressed": True}).json()["items"])
            == alerts
            else None
        )
    )
    return found


def test_I9_a_silenced_alert_opens_its_incident_when_the_silence_is_ended(client: httpx.Client) -> None:
    service, fingerprints = unique(), [unique() for _ in range(4)]  # the partitions are four: some of them share one
    made = silence(client, service, ends_at=in_(hours=1))
    assert (made["created_by"], made["reason"]) == ("ana", "upgrade")
    for fingerprint in fingerprints:
        send(client, service, fingerprint)
    alerts = quiet(client, service, alerts=4)
    assert {tuple(one["suppressed_by"]) for one in alerts} == {(made["id"],)}
    assert {(one["status"], one["occurrences"], one["incident_id"]) for one in alerts} == {("firing", 1, None)}
    assert not listed(client, service=service)
    assert client.delete(f"/silences/{made['id']}", headers={"X-Actor": "bo"}).status_code == 204
    incident = incident_of(client, service, alerts=4)
    assert incident["status"] == "OPEN"
    assert not client.get("/alerts", params={"service": service, "suppressed": True}).json()["items"]
    ended = client.get(f"/silences/{made['id']}").json()
    assert (ended["ended_by"], bool(ended["ended_at"])) == ("bo", True)
    assert client.delete(f"/silences/{made['id']}").status_code == 404


def test_I9_a_silence_that_runs_out_lets_the_alert_through(client: httpx.Client) -> None:
    service = unique()
    made = silence(client, service, ends_at=in_(seconds=2))
    send(client, service, unique())
    quiet(client, service)
    assert incident_of(client, service)["alert_count"] == 1
    assert made["id"] in [one["id"] for one in client.get("/silences", params={"state": "expired"}).json()["items"]]


def test_I9_a_maintenance_window_recurs_by_the_clock_of_its_zone(client: httpx.Client) -> None:
    service = unique()
    now = datetime.now(UTC) - timedelta(minutes=1)
    window = {"start": now.strftime("%H:%M"), "duration_ms": 3_600_000, "timezone": "Etc/UTC"}
    made = silence(client, service, recurrence=window)
    assert made["recurrence"]["start"] == window["start"]
    assert made["id"] in [one["id"] for one in client.get("/silences", params={"state": "active"}).json()["items"]]
    send(client, service, unique())
    assert quiet(client, service)[0]["suppressed_by"] == [made["id"]]


def test_I9_the_same_request_makes_one_silence(client: httpx.Client) -> None:
    body = {"matchers": [{"field": "service", "values": [unique()]}], "ends_at": in_(hours=1)}
    headers = {"Idempotency-Key": unique()}
    first, second = (client.post("/silences", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"matchers": []}, "matchers"),
        ({"matchers": [{"field": "colour", "values": ["red"]}]}, "matchers.0.field"),
        ({"matchers": [{"field": "service", "values": []}]}, "matchers.0.values"),
        ({"ends_at": None}, "ends_at"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"ends_at": "2099-01-01T00:00:00"}, "ends_at"),
        ({"recurrence": {"start": "25:00", "duration_ms": 60_000, "timezone": "UTC"}}, "recurrence.start"),
        ({"recurrence": {"start": "02:00", "duration_ms": 60_000, "timezone": "Mars"}}, "recurrence.timezone"),
        ({"recurrence": {"start": "02:00", "duration_ms": 1, "timezone": "UTC"}}, "recurrence.duration_ms"),
    ],
)
def test_I9_a_silence_that_cannot_be_meant_is_told(client: httpx.Client, change: dict[str, Any], field: str) -> None:
    body = {"matchers": [{"field": "service", "values": ["x"]}], "ends_at": in_(hours=1)} | change
    answer = client.post("/silences", json=body)
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]
