"""S5: clients hear of what happens as it happens, from HTTP to a stream, on a running installation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.installation import Installation, eventually
from tests.journeys.incidents import AUTHENTIC, GROUP
from tests.journeys.test_failures import move, report, the_ticket
from tests.journeys.test_operations import create_key

pytestmark = pytest.mark.embedded


class Heard:
    """An open event stream; ``cursor``: the last id it was told."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.cursor = ""

    def next(self) -> dict[str, Any]:
        """The next event."""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.cursor = value
            elif name == "data" and (frame := json.loads(value)).get("id"):
                found: dict[str, Any] = frame
                return found
        raise AssertionError("the stream ended")

    def of(self, subject: str) -> dict[str, Any]:
        """The next event about something of this test."""
        while subject not in json.dumps(frame := self.next()):
            pass
        return frame


@contextmanager
def listening(client: httpx.Client, query: str = "", **headers: str) -> Iterator[Heard]:
    with client.stream("GET", f"/events{query}", headers=headers) as response:
        assert response.status_code == 200
        heard = Heard(response.iter_lines())
        for line in heard._lines:  # what happens from here on is heard
            if line.startswith("id: "):
                heard.cursor = line.removeprefix("id: ")
                break
        yield heard


def test_S5_a_ticket_is_heard_from_its_opening_to_its_end(client: httpx.Client, workflow: str) -> None:
    with listening(client, "?types=ticket.*") as heard:
        began = time.monotonic()
        report(client, workflow, identifier="etl", severity="P1")
        opened = heard.of(workflow)
        seconds = time.monotonic() - began
        assert (opened["type"], opened["data"]["severity"]) == ("ticket.opened", "critical")
        assert seconds < 2, seconds
        ticket = the_ticket(client, workflow)
        assert (opened["ticket_id"], opened["escalation_level"]) == (ticket["id"], None)
        report(client, workflow, identifier="etl")  # a repeat is not heard
        the_ticket(client, workflow, occurrences=2)
        move(client, ticket["id"], "done", actor="ana")
        changed = heard.of(ticket["id"])
        assert (changed["type"], changed["data"]["actor"]) == ("ticket.status_changed", "ana")
        assert client.delete(f"/tickets/{ticket['id']}").status_code == 204
        assert heard.of(ticket["id"])["type"] == "ticket.hidden"


def test_S5_what_happened_while_nobody_listened_is_heard_first(client: httpx.Client, workflow: str) -> None:
    with listening(client) as heard:
        report(client, workflow, identifier="first")
        heard.of(workflow)
        cursor = heard.cursor
    for name in ("second", "third"):
        report(client, workflow, identifier=name)
    eventually(lambda: len(client.get("/tickets", params={"workflow": workflow}).json()["items"]) == 3)
    with listening(client, **{"Last-Event-ID": cursor}) as heard:
        assert [heard.of(workflow)["type"] for _ in range(2)] == ["ticket.opened"] * 2


def test_S5_a_websocket_hears_the_same(installation: Installation, client: httpx.Client, workflow: str) -> None:
    url = f"ws://127.0.0.1:{installation.api_port}/ws/alerts?types=ticket.opened"
    with connect(url, proxy=None) as socket, listening(client, "?types=ticket.opened") as heard:
        report(client, workflow)
        expected = heard.of(workflow)
        while (frame := json.loads(socket.recv(timeout=10))) != expected:
            assert frame["type"] == "ticket.opened"


def test_S5_an_incident_is_heard(client: httpx.Client) -> None:
    group = json.loads(json.dumps(GROUP))
    service = f"live-{time.time_ns()}"
    for number, alert in enumerate(group["alerts"]):
        alert["fingerprint"], alert["status"] = f"{time.time_ns():016x}{number}", "firing"
        alert["labels"]["service"] = service
    with listening(client, "?types=incident.*") as heard:
        assert client.post("/webhooks/alertmanager", json=group, headers=AUTHENTIC).status_code == 202
        opened = heard.of(service)
        assert opened["type"] == "incident.opened"
        incident = opened["data"]["incident_id"]
        eventually(lambda: client.get(f"/incidents/{incident}").status_code == 200)
        assert client.patch(f"/incidents/{incident}/status", json={"status": "INVESTIGATING"}).status_code == 200
        while (changed := heard.of(incident))["type"] != "incident.status_changed":
            pass
        assert (changed["data"]["from_status"], changed["data"]["status"]) == ("OPEN", "INVESTIGATING")


def test_S5_workspaces_hear_only_their_own(installation: Installation, client: httpx.Client, workflow: str) -> None:
    key = create_key(installation, "acme", "--name", "live")
    token = client.post("/stream-tokens", headers={"x-api-key": key}).json()["token"]
    with listening(client, f"?token={token}") as theirs, listening(client) as ours:
        report(client, workflow, identifier="ours")
        assert ours.of(workflow)["data"]["workflow"] == workflow
        sent = {"workflow": workflow, "message": "x", "identifier": "theirs"}
        assert client.post("/failures", json=sent, headers={"x-api-key": key}).status_code == 202
        assert theirs.next()["data"]["workflow"] == workflow
    assert client.get(f"/events?token={token}").status_code == 401
    logs = "".join(path.read_text(errors="replace") for path in (installation.data / "logs").glob("*.log"))
    assert token not in logs


def test_S5_a_thousand_tickets_are_heard_once_each_and_in_one_order(client: httpx.Client, workflow: str) -> None:
    with listening(client) as one, listening(client) as other:
        items = [{"workflow": workflow, "message": "x", "identifier": f"id-{number}"} for number in range(1000)]
        assert client.post("/failures/batch", json=items).json()["accepted"] == 1000
        first = [one.of(workflow)["id"] for _ in range(1000)]
        second = [other.of(workflow)["id"] for _ in range(1000)]
    assert first == second
    assert len(set(first)) == 1000
