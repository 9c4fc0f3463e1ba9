"""S1 to S7, S11, S12 on a running installation: reports, clocks, escalation, the policy file, dashboard, report."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.installation import Installation, eventually
from tests.journeys import watchdog
from tests.journeys.sinks import Sink
from tests.journeys.test_failures import report as fail
from tests.journeys.test_failures import the_ticket
from tests.journeys.watchdog import clock_of, item, now, reached, report, shown, unique

pytestmark = pytest.mark.embedded


@pytest.fixture(autouse=True, scope="module")
def governed(installation: Installation) -> None:
    """A policy file that was just found is on its way to every partition."""
    with installation.client() as client:
        eventually(lambda: len({one["partition"] for one in client.get("/sla/policy").json()["activations"]}) == 4)


def sprint(**fields: Any) -> dict[str, Any]:
    return item(priority="critical", customer_tier="sprint", **fields)


def messages(slack: Sink, ticket_id: str) -> list[dict[str, Any]]:
    return [one.json for one in slack.at(watchdog.SLACK) if ticket_id in one.body.decode()]


# --- reports --------------------------------------------------------------------------------------------------------


def test_S1_reported_tickets_come_back_in_order_with_their_level(client: httpx.Client) -> None:
    items = [item(priority=priority, customer_tier="premium") for priority in ("urgent", "high", "normal", "P4")]
    answered = report(client, *items)
    assert [one["id"] for one in answered] == [one["id"] for one in items]
    assert [one["priority"] for one in answered] == ["critical", "high", "medium", "low"]
    assert {one["escalation_level"] for one in answered} == {0}
    assert all(one["createdAt"] and one["updatedAt"] for one in answered)
    assert shown(client, items[0]["id"])["title"] is None


def test_S1_a_stale_report_changes_nothing_and_an_equal_one_counts(client: httpx.Client) -> None:
    ticket_id = unique()
    (first,) = report(client, item(ticket_id, updated_at=now(-10), status="in_progress", title="first"))
    (stale,) = report(client, item(ticket_id, updated_at=now(-60), status="open", title="older"))
    assert stale == first
    (newer,) = report(client, item(ticket_id, updated_at=now(), title="newer", status="pending"))
    assert (newer["title"], newer["status"]) == ("newer", "pending")
    assert newer["updated_at"] > first["updated_at"]
    again = item(ticket_id, updated_at=newer["source_updated_at"], title="newer", status="open")
    (equal,) = report(client, again)
    assert equal["status"] == "open"
    (identical,) = report(client, again)
    assert identical == equal


def test_S1_a_wrong_item_is_named_and_nothing_of_the_array_is_kept(client: httpx.Client) -> None:
    good = item()
    answer = client.post("/tickets", json=[good, item(priority="asap")])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "[1].priority")
    assert "urgent" in answer.json()["errors"][0]["allowed"]
    assert client.get(f"/tickets/{good['id']}").status_code == 404


def test_S1_a_report_sets_a_failures_ticket_and_an_unknown_one_is_a_problem_in_its_place(
    client: httpx.Client, workflow: str
) -> None:
    fail(client, workflow)
    ticket = the_ticket(client, workflow)
    unknown = "t_aaaaaaaaaaaaaaaaaaaaaaaaaa-1"
    said = item(ticket["id"], priority="critical", customer_tier="premium", assignee="ana")
    changed, refused, new = report(client, said, item(unknown), item())
    assert (changed["priority"], changed["customer_tier"], changed["assignee"]) == ("critical", "premium", "ana")
    assert (changed["severity"], changed["workflow"], changed["message"]) == ("error", workflow, ticket["message"])
    assert (refused["status"], new["escalation_level"]) == (404, 0)


def test_S1_a_closed_ticket_stays_closed(client: httpx.Client) -> None:
    ticket_id = unique()
    for status in ("done", "closed"):
        report(client, item(ticket_id, status=status))
    (refused,) = report(client, item(ticket_id, status="open"))
    assert (refused["status"], refused["type"].rpartition("/")[2]) == (409, "final-status")


def test_S1_thousands_of_tickets_in_one_request_are_all_answered(client: httpx.Client) -> None:
    items = [item(priority="low", tags=["bulk"]) for _ in range(2_000)]
    answer = client.post("/tickets", json=items)
    answered = answer.json()
    assert [one.get("id") for one in answered if "id" in one] == [
        one["id"] for one, told in zip(items, answered, strict=True) if "id" in told
    ]
    # whether all of them are decided within the wait depends on the machine; none is lost
    eventually(lambda: client.get("/tickets", params={"tag": "bulk", "limit": 1}).json()["total"] == 2_000, 30)


def test_commands_reach_reported_tickets(client: httpx.Client) -> None:
    (ticket,) = report(client, item("desk:4711.a_b-" + unique()))
    moved = client.patch(f"/tickets/{ticket['id']}", json={"status": "done"}, headers={"x-actor": "ana"})
    assert (moved.status_code, moved.json()["status"]) == (200, "done")
    assert client.delete(f"/tickets/{ticket['id']}").status_code == 204
    assert shown(client, ticket["id"])["hidden"]


# --- clocks and escalation ------------------------------------------------------------------------------------------


def test_S3_S4_a_missed_goal_is_noticed_within_a_second_raises_the_level_and_tells_slack(
    client: httpx.Client, slack: Sink
) -> None:
    (ticket,) = report(client, sprint(title="Checkout <is> down & out"))
    clock = clock_of(shown(client, ticket["id"]), "first_response")
    due = datetime.fromisoformat(clock["due_at"]).timestamp()
    after = reached(client, ticket["id"], 1)
    assert time.time() - due < 2, "seen long after it was due"
    assert (after["escalation_level"], after["sla_state"]) == (1, "breached")
    missed = clock_of(after, "first_response")
    assert (missed["breached"], missed["breached_at"], missed["remaining_ms"] < 0) == (True, clock["due_at"], True)
    escalation, breach = after["alerts"][:2]
    assert (breach["kind"], breach["lateness_ms"] < 1000, breach["late"]) == ("breach", True, False)
    assert (escalation["kind"], escalation["reason"], escalation["level"]) == ("escalation", "breach", 1)
    text = json.dumps(eventually(lambda: messages(slack, ticket["id"]))[0])
    assert "Checkout &lt;is&gt; down &amp; out" in text
    told = eventually(
        lambda: [one for one in shown(client, ticket["id"])["notifications"] if one["state"] == "succeeded"]
    )
    assert (told[0]["channel"], told[0]["attempts"], told[0]["level"]) == ("slack", 1, 1)


def test_S4_every_websocket_hears_of_a_breach_and_its_escalation(
    installation: Installation, client: httpx.Client
) -> None:
    url = f"ws://127.0.0.1:{installation.api_port}/ws/alerts"
    with connect(url, proxy=None) as one, connect(url, proxy=None) as other:
        (ticket,) = report(client, sprint())
        for socket in (one, other):
            heard: list[dict[str, Any]] = []
            while [frame["type"] for frame in heard] != ["sla.breached", "sla.escalated"]:
                frame = json.loads(socket.recv(timeout=20))
                heard += [frame] if frame.get("ticket_id") == ticket["id"] and frame["type"] != "sla.warning" else []
            assert heard[-1]["escalation_level"] == 1


def test_S4_acknowledging_stops_the_ladder_and_resolving_cancels_it(client: httpx.Client) -> None:
    left, acknowledged, resolved = (one["id"] for one in report(client, sprint(), sprint(), sprint()))
    for ticket_id in (left, acknowledged, resolved):
        reached(client, ticket_id, 1)
    answer = client.post(f"/tickets/{acknowledged}/acknowledge", json={"actor": "ana", "reason": "on it"})
    assert (answer.status_code, bool(answer.json()["acknowledged_at"])) == (200, True)
    assert client.patch(f"/tickets/{resolved}", json={"status": "done"}).status_code == 200
    levels = {ticket_id: shown(client, ticket_id)["escalation_level"] for ticket_id in (acknowledged, resolved)}
    # by now the ladders of the others would have gone on, too
    reached(client, left, 3)
    for ticket_id, level in levels.items():
        assert shown(client, ticket_id)["escalation_level"] == level < 3
    told = [(entry["kind"], entry["actor"]) for entry in shown(client, acknowledged)["history"]]
    assert ("TicketAcknowledged", "ana") in told
    clock = clock_of(shown(client, acknowledged), "first_response")
    assert (clock["stage"], clock["result"]) == ("completed", "breached")


def test_S4_a_snooze_keeps_people_quiet_and_escalating_is_possible_by_hand(client: httpx.Client, slack: Sink) -> None:
    (ticket,) = report(client, sprint())
    snoozed = client.post(f"/tickets/{ticket['id']}/snooze", json={"minutes": 30})
    assert (snoozed.status_code, bool(snoozed.json()["snoozed_until"])) == (200, True)
    quiet = reached(client, ticket["id"], 1)
    assert (messages(slack, ticket["id"]), quiet["notifications"]) == ([], [])
    assert quiet["alerts"][0]["details"]["held_until"] == snoozed.json()["snoozed_until"]
    (other,) = report(client, item())
    raised = client.post(f"/tickets/{other['id']}/escalate", json={"reason": "VIP", "actor": "bo"})
    assert (raised.status_code, raised.json()["escalation_level"]) == (200, 1)
    alert = shown(client, other["id"])["alerts"][0]
    assert (alert["reason"], alert["details"]["actor"], alert["details"]["remark"]) == ("manual", "bo", "VIP")
    assert eventually(lambda: messages(slack, other["id"]))
    past = client.post(f"/tickets/{other['id']}/snooze", json={"until": now(-60)})
    assert (past.status_code, past.json()["type"].rpartition("/")[2]) == (422, "past")


def test_S4_an_old_version_is_refused_and_the_etag_of_running_clocks_names_the_version(client: httpx.Client) -> None:
    (ticket,) = report(client, item())
    etag = client.get(f"/tickets/{ticket['id']}").headers["etag"]
    assert re.fullmatch(r'"\d+\.\d+"', etag)
    path = f"/tickets/{ticket['id']}"
    assert client.post(f"{path}/acknowledge", headers={"if-match": etag}).status_code == 200
    assert client.post(f"{path}/snooze", json={"minutes": 5}, headers={"if-match": etag}).status_code == 412


def test_S12_an_import_of_overdue_tickets_raises_their_level_and_tells_nobody(
    client: httpx.Client, slack: Sink
) -> None:
    old = {"created_at": now(-86_400), "updated_at": now(-3_600)}
    (quiet,) = report(client, sprint(**old), notify="false")
    (loud,) = report(client, sprint(**old))
    assert eventually(lambda: messages(slack, loud["id"]))
    after, told = shown(client, quiet["id"]), shown(client, loud["id"])
    assert after["escalation_level"] == told["escalation_level"] >= 1
    assert (messages(slack, quiet["id"]), after["notifications"]) == ([], [])
    escalation = next(alert for alert in told["alerts"] if alert["kind"] == "escalation")
    assert escalation["late"]
    assert len(told["notifications"]) == 1


def test_S3_failures_have_clocks_of_their_severity(client: httpx.Client, workflow: str) -> None:
    fail(client, workflow, severity="critical")
    ticket = the_ticket(client, workflow)
    assert ticket["priority"] == "critical"
    found = eventually(lambda: [one for one in [shown(client, ticket["id"])] if len(one["clocks"]) == 2])[0]
    assert {clock["metric"]: clock["goal_ms"] for clock in found["clocks"]} == {
        "first_response": 15 * 60_000,
        "resolution": 4 * 3_600_000,
    }
    client.patch(f"/tickets/{ticket['id']}", json={"status": "pending"})
    paused = eventually(lambda: [one for one in [shown(client, ticket["id"])] if one["sla_state"] == "paused"])[0]
    assert clock_of(paused, "resolution")["pause_reason"] == "pending"


# --- the policy file ------------------------------------------------------------------------------------------------


def active(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/sla/policy").json()
    return found


@pytest.fixture
def policy_file(installation: Installation, client: httpx.Client) -> Iterator[Path]:
    """Put back afterwards, for those who come next."""
    found = Path(installation.environment["SLA_CONFIG_PATH"])
    before, version = found.read_text(), active(client)["active"]["policy_version"]
    yield found
    found.write_text(before)
    eventually(lambda: active(client)["in_step"] and active(client)["active"]["policy_version"] == version)


def test_S6_a_changed_policy_retargets_open_tickets_at_once(client: httpx.Client, policy_file: Path) -> None:
    (ticket,) = report(client, item(customer_tier="reloaded"))
    before = clock_of(shown(client, ticket["id"]), "resolution")
    assert before["goal_ms"] == 10 * 3_600_000
    version = active(client)["active"]["policy_version"]
    policy_file.write_text(watchdog.policy(high="5h"))

    def retargeted() -> dict[str, Any] | None:
        clock = clock_of(shown(client, ticket["id"]), "resolution")
        return clock if clock["goal_ms"] == 5 * 3_600_000 else None

    after = eventually(retargeted)
    assert (after["started_at"], after["policy_version"] != version) == (before["started_at"], True)
    assert eventually(lambda: active(client)["in_step"])
    assert active(client)["active"]["policy_version"] == after["policy_version"]
    assert "ClockRetargeted" in {entry["kind"] for entry in shown(client, ticket["id"])["history"]}


def test_S6_a_broken_policy_changes_nothing_and_is_seen(client: httpx.Client, policy_file: Path) -> None:
    def errors() -> float:
        found = re.search(r'tocsin_policy_errors_total\{policy="sla"\} (\S+)', client.get("/metrics").text)
        return float(found[1]) if found else 0

    before, version = errors(), active(client)["active"]["policy_version"]
    policy_file.write_text("targets: {first_response: {premium: {critical: soon}}}")
    eventually(lambda: errors() > before)
    (ticket,) = report(client, item())
    assert len(shown(client, ticket["id"])["clocks"]) == 2
    assert active(client)["active"]["policy_version"] == version


def test_S6_the_policy_is_shown_without_secrets(client: httpx.Client) -> None:
    found = active(client)
    assert found["active"]["body"]["targets"]["resolution"]["default"]["critical"]["target_ms"] == 4 * 3_600_000
    assert "services" not in json.dumps(found)


# --- dashboard and report -------------------------------------------------------------------------------------------


def test_S7_the_dashboard_shows_all_tickets_their_counts_and_those_at_risk(client: httpx.Client) -> None:
    # three quarters of its goal are used up already
    near = item(priority="low", customer_tier="sprint", created_at=now(-7_000), updated_at=now(-6_999))
    report(client, near, item(priority="low"))
    found = client.get("/dashboard", params={"limit": 2, "offset": 1}).json()
    assert (len(found["items"]), found["limit"], found["offset"]) == (2, 2, 1)
    assert sum(found["counts"]["status"].values()) == found["total"] == sum(found["counts"]["priority"].values())
    risky = eventually(lambda: client.get("/dashboard", params={"state": "at_risk"}).json()["items"])
    assert near["id"] in {one["id"] for one in risky}
    at_risk = client.get("/dashboard").json()["at_risk"]
    assert near["id"] in {one["id"] for one in at_risk}
    assert [one["next_due_at"] for one in at_risk] == sorted(one["next_due_at"] for one in at_risk)
    assert client.get("/dashboard", params={"state": "late"}).status_code == 422


def test_S11_the_report_tells_attainment_and_times(client: httpx.Client) -> None:
    (ticket,) = report(client, item(customer_tier="reported"))
    client.post(f"/tickets/{ticket['id']}/acknowledge")
    client.patch(f"/tickets/{ticket['id']}", json={"status": "done"})

    def rows() -> list[dict[str, Any]]:
        found = client.get("/reports/sla", params={"group_by": "tier", "customer_tier": "reported"}).json()["items"]
        return found if {row["metric"] for row in found if row["met"]} == {"first_response", "resolution"} else []

    for row in eventually(rows):
        assert (row["met"], row["breached"], row["attainment_percent"]) == (1, 0, 100)
        assert row["wall_p50_ms"] >= row["business_p50_ms"] >= 0
    answer = client.get("/reports/sla", headers={"accept": "text/csv"})
    assert {row["metric"] for row in csv.DictReader(io.StringIO(answer.text))} == {"first_response", "resolution"}


def test_S3_metrics_tell_of_breaches_escalations_and_messages(client: httpx.Client) -> None:
    (ticket,) = report(client, sprint())
    reached(client, ticket["id"], 1)
    text = client.get("/metrics").text
    for name in (
        'tocsin_sla_breaches_total{metric="first_response",priority="critical"}',
        'tocsin_sla_escalations_total{reason="breach"}',
        'tocsin_sla_notifications_total{result="requested"}',
        "tocsin_sla_lateness_seconds_count",
        'tocsin_open_tickets{sla_state="breached"}',
    ):
        assert re.search(re.escape(name) + r" [1-9]", text), name


def test_S2_everything_is_the_same_after_a_rebuild(installation: Installation, client: httpx.Client) -> None:
    (ticket,) = report(client, sprint())
    client.post(f"/tickets/{ticket['id']}/acknowledge", json={"reason": "seen"})
    reached_before = client.post(f"/tickets/{ticket['id']}/escalate").json()["escalation_level"]
    client.patch(f"/tickets/{ticket['id']}", json={"status": "done"})

    def still(found: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in found.items() if name != "clocks"} | {
            "clocks": [{k: v for k, v in clock.items() if k != "within_calendar_hours"} for clock in found["clocks"]]
        }

    def settled() -> dict[str, Any] | None:
        found = shown(client, ticket["id"])
        sent = all(one["state"] != "requested" for one in found["notifications"])
        ended = all(clock["stage"] == "completed" for clock in found["clocks"])
        return still(found) if sent and ended else None

    before = eventually(settled)
    done = installation.run("projections", "rebuild")
    assert done.returncode == 0, done.stderr
    assert still(shown(client, ticket["id"])) == before
    assert before["escalation_level"] == reached_before
