"""I3-I5, I7, I9: incidents are listed, reviewed, moved along their chain, merged and split."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.installation import Installation, eventually
from tests.journeys.incidents import actions, detail, given, incident_of, listed, send, unique

pytestmark = pytest.mark.embedded


def test_I3_a_newly_grouped_incident_is_listed_with_its_counters(client: httpx.Client) -> None:
    service = unique()
    for severity in ("warning", "critical"):
        send(client, service, unique(), severity=severity)
    incident = incident_of(client, service, alerts=2)
    assert (incident["status"], incident["severity"], incident["sources"]) == ("OPEN", "critical", ["alertmanager"])
    assert (incident["active_alerts"], incident["rule"]) == (2, "by-service")
    assert "alerts" not in incident
    for wanted in (
        {"status": "open", "severity": "critical", "source": "alertmanager"},
        {"created_from": incident["created_at"], "sort": "-alert_count"},
    ):
        assert [one["id"] for one in listed(client, service=service, **wanted)] == [incident["id"]]
    assert not listed(client, service=service, source="datadog")


def test_I4_the_detail_has_its_alerts_and_actions(client: httpx.Client) -> None:
    service = unique()
    fingerprints = {unique() for _ in range(3)}
    for fingerprint in fingerprints:
        send(client, service, fingerprint)
    incident = incident_of(client, service, alerts=3)
    shown = detail(client, incident["id"])
    assert shown["alerts_total"] == 3
    assert {one["fingerprint"].rpartition(":")[2] for one in shown["alerts"]} == fingerprints
    assert {one["incident_id"] for one in shown["alerts"]} == {incident["id"]}
    assert [one["action"] for one in shown["recent_actions"]] == ["opened"]
    opened = shown["recent_actions"][0]
    assert opened["actor"] == "tocsin"
    assert (opened["details"]["rule"], opened["details"]["group"]["service"]) == ("by-service", service)
    assert opened["event_id"]
    alert = client.get(f"/alerts/{shown['alerts'][0]['id']}").json()
    assert (alert["incident_id"], alert["grouping"]["rule"]) == (incident["id"], "by-service")
    listed_alerts = client.get("/alerts", params={"incident_id": incident["id"], "limit": 2}).json()
    assert (len(listed_alerts["items"]), listed_alerts["total"]) == (2, 3)


def test_I5_a_status_moves_along_the_chain_and_each_change_is_one_action(client: httpx.Client) -> None:
    incident = given(client)
    path = f"/incidents/{incident['id']}/status"
    refused = client.patch(path, json={"status": "CLOSED"})
    assert (refused.status_code, refused.json()["allowed"]) == (409, ["INVESTIGATING"])
    for status in ("investigating", "RESOLVED", "closed"):
        changed = client.patch(path, json={"status": status, "reason": f"to {status}", "actor": "ana"})
        assert changed.status_code == 200, changed.text
        assert changed.json()["status"] == status.upper()
        again = client.patch(path, json={"status": status}, headers={"X-Actor": "bo"})
        assert (again.status_code, again.json()["version"]) == (200, changed.json()["version"])
    assert client.patch(path, json={"status": "OPEN"}).status_code == 409
    moves = [one for one in detail(client, incident["id"])["recent_actions"] if one["action"] == "status_changed"]
    assert [(one["from_status"], one["status"], one["actor"], one["reason"]) for one in reversed(moves)] == [
        ("OPEN", "INVESTIGATING", "ana", "to investigating"),
        ("INVESTIGATING", "RESOLVED", "ana", "to RESOLVED"),
        ("RESOLVED", "CLOSED", "ana", "to closed"),
    ]
    all_of_them = client.get(f"/incidents/{incident['id']}/actions", params={"limit": 2}).json()
    assert (all_of_them["total"], len(all_of_them["items"])) == (4, 2)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("i_nosuch/status", {"status": "CLOSED"}, 404),
        (f"i_{'a' * 26}-1/status", {"status": "CLOSED"}, 404),
        (f"i_{'a' * 26}-1/status", {"status": "ASLEEP"}, 422),
        (f"i_{'a' * 26}-1/status", {"status": "OPEN", "color": "red"}, 422),
        (f"i_{'a' * 26}-1/merge", {"source_id": "t_1"}, 422),
        (f"i_{'a' * 26}-1/split", {"alert_ids": []}, 422),
        (f"i_{'a' * 26}-1/comments", {"text": " "}, 422),
    ],
)
def test_I5_what_cannot_be_meant_is_told(client: httpx.Client, path: str, body: dict[str, object], status: int) -> None:
    answer = client.request("PATCH" if path.endswith("status") else "POST", f"/incidents/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_I5_of_fifty_conflicting_changes_one_path_happens(installation: Installation, client: httpx.Client) -> None:
    incident = given(client)
    path = f"/incidents/{incident['id']}/status"
    wanted = ["INVESTIGATING", "RESOLVED", "CLOSED", "OPEN"]

    def change(number: int) -> httpx.Response:
        with installation.client() as one:
            return one.patch(path, json={"status": wanted[number % 4], "actor": f"client-{number}"})

    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(change, range(50)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    legal = {"OPEN": ["INVESTIGATING"], "INVESTIGATING": ["RESOLVED"], "RESOLVED": ["CLOSED"], "CLOSED": []}
    assert all(answer.json()["allowed"] in legal.values() for answer in answers if answer.status_code == 409)
    timeline = client.get(f"/incidents/{incident['id']}/actions", params={"sort": "at"}).json()["items"]
    status = "OPEN"
    for action in (one for one in timeline if one["action"] == "status_changed"):
        assert action["from_status"] == status
        assert action["status"] in legal[status]
        status = action["status"]
    assert status == detail(client, incident["id"])["status"]
    # who made a change was told so, and nobody made two
    winners = [int(one["actor"].removeprefix("client-")) for one in timeline if one["action"] == "status_changed"]
    assert len(set(winners)) == len(winners)
    assert {answers[winner].status_code for winner in winners} == {200}


def test_I5_somebody_sees_takes_and_comments_an_incident(client: httpx.Client) -> None:
    incident_id = given(client)["id"]
    first = client.post(f"/incidents/{incident_id}/acknowledge", json={"actor": "ana"})
    assert (first.status_code, first.json()["acknowledged_by"]) == (200, "ana")
    second = client.post(f"/incidents/{incident_id}/acknowledge", headers={"X-Actor": "bo"})
    assert (second.status_code, second.json()["acknowledged_by"]) == (200, "ana")
    assert client.post(f"/incidents/{incident_id}/assign", json={"assignee": "bo"}).json()["assignee"] == "bo"
    assert listed(client, assignee="bo", sort="-updated_at")[0]["id"] == incident_id
    assert client.post(f"/incidents/{incident_id}/assign", json={"assignee": None}).json()["assignee"] is None
    commented = client.post(f"/incidents/{incident_id}/comments", json={"text": "looks like the disk"})
    stale = client.post(f"/incidents/{incident_id}/comments", json={"text": "late"}, headers={"If-Match": '"0"'})
    assert (commented.status_code, stale.status_code) == (200, 412)
    assert actions(client, incident_id) == ["opened", "acknowledged", "assigned", "assigned", "commented"]


def test_I9_a_merge_moves_the_alerts_and_closes_the_source(client: httpx.Client) -> None:
    target, source = given(client, alerts=2), given(client, alerts=3)
    merged = client.post(f"/incidents/{target['id']}/merge", json={"source_id": source["id"], "actor": "ana"})
    assert (merged.status_code, merged.json()["alert_count"]) == (200, 5)
    closed = eventually(lambda: one if (one := detail(client, source["id"]))["status"] == "CLOSED" else None)
    assert (closed["merged_into"], closed["alerts_total"]) == (target["id"], 0)
    shown = detail(client, target["id"])
    assert (shown["alerts_total"], {one["incident_id"] for one in shown["alerts"]}) == (5, {target["id"]})
    fingerprint = unique()
    send(client, source["service"], fingerprint)
    later = incident_of(client, target["service"], alerts=6)
    assert later["id"] == target["id"]
    again = client.post(f"/incidents/{target['id']}/merge", json={"source_id": source["id"]})
    assert (again.status_code, again.json()["type"].rpartition("/")[2]) == (409, "merged")
    unknown = client.post(f"/incidents/{target['id']}/merge", json={"source_id": f"i_{'a' * 26}-1"})
    assert unknown.status_code == 404


def test_I9_a_split_makes_an_incident_of_its_own(client: httpx.Client) -> None:
    incident = given(client, alerts=3)
    apart = detail(client, incident["id"])["alerts"][0]["id"]
    split = client.post(f"/incidents/{incident['id']}/split", json={"alert_ids": [apart], "title": "another matter"})
    assert split.status_code == 201, split.text
    made = split.json()
    assert (made["title"], made["split_from"], made["alert_count"]) == ("another matter", incident["id"], 1)
    assert split.headers["location"] == f"/incidents/{made['id']}"
    assert [one["id"] for one in detail(client, made["id"])["alerts"]] == [apart]
    left = eventually(lambda: one if (one := detail(client, incident["id"]))["alert_count"] == 2 else None)
    assert (left["alerts_total"], actions(client, incident["id"])[-1]) == (2, "split")
    stranger = client.post(f"/incidents/{incident['id']}/split", json={"alert_ids": [apart]})
    assert (stranger.status_code, stranger.json()["type"].rpartition("/")[2]) == (409, "not-a-member")


def test_I7_facets_and_files_have_what_the_list_has(client: httpx.Client) -> None:
    service = unique()
    incident = given(client, alerts=2, service=service)
    counted = client.get("/incidents/facets", params={"service": service}).json()["facets"]
    assert counted["status"] == [{"value": "OPEN", "count": 1}]
    assert counted["source"] == [{"value": "alertmanager", "count": 1}]
    assert {"value": service, "count": 1} in client.get("/incidents/facets").json()["facets"]["service"]
    exported = client.get("/incidents/export", params={"service": service})
    assert exported.headers["content-disposition"] == 'attachment; filename="incidents.json"'
    assert exported.json() == listed(client, service=service)
    table = client.get("/incidents/export", params={"service": service, "format": "csv"})
    (row,) = csv.DictReader(io.StringIO(table.text))
    assert (row["id"], row["alert_count"], row["assignee"]) == (incident["id"], "2", "")
    alerts = client.get("/alerts/export", params={"service": service, "format": "csv"})
    assert len(list(csv.DictReader(io.StringIO(alerts.text)))) == 2
    assert client.get("/incidents/export", params={"service": unique()}).json() == []
    assert client.get("/incidents/export", params={"format": "xml"}).status_code == 422
    assert client.get("/incidents", params={"colour": "red"}).status_code == 422
