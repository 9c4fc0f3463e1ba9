"""I1, I2, I6: a webhook of a monitoring system becomes an alert that is listed, counted and explained."""

from __future__ import annotations

import copy
import uuid
from typing import Any

import httpx
import pytest

from tests.installation import Installation, eventually
from tests.journeys.incidents import AUTHENTIC, GROUP

pytestmark = pytest.mark.embedded


@pytest.fixture
def group() -> dict[str, Any]:
    """An Alertmanager group of two alerts, one firing and one resolved, that nobody else uses."""
    found: dict[str, Any] = copy.deepcopy(GROUP)
    for alert in found["alerts"]:
        alert["fingerprint"] = uuid.uuid4().hex[:16]
    return found


def send(client: httpx.Client, group: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/webhooks/alertmanager", json=group, headers=AUTHENTIC)
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


def alerts_of(client: httpx.Client, fingerprint: str) -> list[dict[str, Any]]:
    answer = client.get("/alerts", params={"fingerprint": fingerprint})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_I1_a_webhook_becomes_an_alert_whose_key_is_explained(client: httpx.Client, group: dict[str, Any]) -> None:
    accepted = send(client, group)
    key = accepted["alerts"][0]
    (alert,) = eventually(lambda: alerts_of(client, key["fingerprint"]))
    assert alert["id"] == f"{key['alert_entity']}-1"
    assert (alert["status"], alert["occurrences"], alert["source"]) == ("firing", 1, "alertmanager")
    shown = client.get(f"/alerts/{alert['id']}")
    assert shown.status_code == 200
    detail = shown.json()
    assert (detail["fingerprint_rule"], detail["fingerprint_fields"]) == (key["rule"], key["fields"])
    assert [entry["kind"] for entry in detail["history"]] == ["AlertOpened"]
    assert detail["context"]["labels"] == group["alerts"][0]["labels"]
    assert client.get(f"/alerts/{alert['id']}", headers={"if-none-match": shown.headers["etag"]}).status_code == 304


def test_I2_renotifications_count_deliveries_and_the_resolution_ends_the_episode(
    client: httpx.Client, group: dict[str, Any]
) -> None:
    fingerprint = send(client, group)["alerts"][0]["fingerprint"]
    group["notification"] = "repeated"  # another body, so not a retry of the first
    send(client, group)
    eventually(lambda: [one["deliveries"] for one in alerts_of(client, fingerprint)] == [2])
    group["alerts"][0] |= {"status": "resolved", "endsAt": "2026-01-31T13:00:00Z"}
    send(client, group)
    (alert,) = eventually(lambda: [one for one in alerts_of(client, fingerprint) if one["status"] == "resolved"])
    assert (alert["occurrences"], alert["deliveries"], alert["resolved_at"]) == (1, 3, "2026-01-31T13:00:00.000Z")
    group["alerts"][0] |= {"status": "firing", "startsAt": "2026-01-31T14:00:00Z"}
    send(client, group)
    newest, oldest = eventually(lambda: found if len(found := alerts_of(client, fingerprint)) == 2 else None)
    assert (newest["status"], newest["previous_alert_id"]) == ("firing", oldest["id"])


def test_I2_the_same_delivery_again_is_no_occurrence(client: httpx.Client, group: dict[str, Any]) -> None:
    first, again = send(client, group), send(client, group)
    assert again["event_ids"] == first["event_ids"]
    fingerprint = first["alerts"][0]["fingerprint"]
    (alert,) = eventually(lambda: [one for one in alerts_of(client, fingerprint) if one["deliveries"] == 2])
    assert alert["occurrences"] == 1


def test_I1_a_wrong_secret_is_401_and_nothing_is_kept(client: httpx.Client, group: dict[str, Any]) -> None:
    refused = client.post("/webhooks/alertmanager", json=group, headers={"authorization": "Bearer wrong"})
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"


def test_I6_alerts_are_filtered_and_unknown_parameters_refused(client: httpx.Client, group: dict[str, Any]) -> None:
    fingerprint = send(client, group)["alerts"][0]["fingerprint"]
    eventually(lambda: alerts_of(client, fingerprint))
    matching = {"fingerprint": fingerprint, "status": "firing", "severity": "critical", "service": "orders"}
    assert client.get("/alerts", params=matching).json()["total"] == 1
    assert client.get("/alerts", params={**matching, "service": "payments"}).json()["total"] == 0
    assert client.get("/alerts", params={"colour": "red"}).status_code == 422
    assert client.get("/alerts", params={"limit": 101}).status_code == 422
    assert client.get("/alerts/a_nobody-1").status_code == 404


def test_I2_what_cannot_be_read_waits_in_the_dead_letter_queue(
    installation: Installation, client: httpx.Client
) -> None:
    marker = uuid.uuid4().hex
    answer = client.post(
        "/webhooks/alertmanager",
        content=f'{{"alerts": "{marker}"}}',
        headers={**AUTHENTIC, "content-type": "application/json"},
    )
    assert (answer.status_code, answer.json()["quarantined"]) == (202, True)
    listed = installation.run("dlq", "list", "--domain", "alerts", "--json")
    assert listed.returncode == 0, listed.stderr
    assert "unreadable_webhook" in listed.stdout
