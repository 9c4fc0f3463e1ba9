"""Thousands of tickets miss their goals within seconds, while the worker that decides and tells is killed: each breach
is noticed once, and Slack hears of each ticket. How late is recorded, not judged: machines differ."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.installation import TOCSIN, Installation, eventually, running
from tocsin.embedded import ports

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

GOAL_SECONDS = 600
# The rate of the channel is lifted: what is told waits for nothing else.
POLICY = """
targets: {first_response: {default: {low: 600s}}}
channels: {slack: {kind: slack, per_second: 1000}}
default_channel: slack
ladders: {once: {steps: [{after: 0m}]}}
escalation: [{ladder: once}]
"""
_BATCH = 500
_BREACHED = "SELECT count(*) FROM read_model.sla_clocks WHERE breached_at IS NOT NULL AND starts_with(ticket_id, $1)"
_TOLD = "SELECT count(*) FROM read_model.ticket_notifications WHERE result = 'succeeded' AND starts_with(ticket_id, $1)"
_ALERTS = "SELECT ticket_id, kind, due_at, detected_at FROM read_model.sla_alerts WHERE starts_with(ticket_id, $1)"
_LEVELS = "SELECT DISTINCT escalation_level FROM read_model.tickets WHERE starts_with(ticket_id, $1)"


@pytest.fixture(scope="module")
def slack() -> Iterator[str]:
    """Address of a mock Slack in a process of its own."""
    port = ports.choose(1)[0]
    command = [*TOCSIN, "mock-slack", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: not ports.is_free(port))
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(scope="module")
def installation(session_directory: Path, slack: str) -> Iterator[Installation]:
    policy = session_directory / "burst.yaml"
    policy.write_text(POLICY)
    url = f"{slack}/services/T0/B0/burst"
    with running(session_directory / "burst", SLA_CONFIG_PATH=str(policy), SLACK_WEBHOOK_URL=url) as installed:
        yield installed


def heard(slack: str, prefix: str) -> Counter[str]:
    """How many messages there are of each ticket."""
    found: Counter[str] = Counter()
    messages = httpx.get(f"{slack}/messages", trust_env=False, timeout=30).json()
    for message in messages["items"]:
        found.update(set(re.findall(rf"\b{prefix}\d+", json.dumps(message))))
    return found


def report(installation: Installation, prefix: str, tickets: int, lead: float, spread: float) -> None:
    """The clocks of tickets 0, 1, … run out one after the other, from ``lead`` seconds ahead on, for ``spread``."""
    first_due = datetime.now(UTC) + timedelta(seconds=lead)
    with installation.client() as client:
        for begin in range(0, tickets, _BATCH):
            items = []
            for number in range(begin, min(begin + _BATCH, tickets)):
                due = first_due + timedelta(seconds=spread * number / tickets)
                created = (due - timedelta(seconds=GOAL_SECONDS)).isoformat()
                items.append(
                    {"id": f"{prefix}{number}", "priority": "low", "status": "open", "customer_tier": "default"}
                    | {"created_at": created, "updated_at": created}
                )
            answer = client.post("/tickets", json=items)
            assert answer.status_code in (200, 202), answer.text


async def fetch(dsn: str, statement: str, prefix: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement, prefix))
    finally:
        await connection.close()


def rows(installation: Installation, statement: str, prefix: str) -> list[Any]:
    return asyncio.run(fetch(installation.addresses.database, statement, prefix))


def breached(installation: Installation, prefix: str) -> int:
    return int(rows(installation, _BREACHED, prefix)[0][0])


@pytest.mark.long  # every day on a worker alone, in test_sla
@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "its decider killed"])
def test_S3_S4_a_burst_of_missed_goals_is_noticed_once_each(
    installation: Installation, slack: str, killed: bool, record_property: Callable[[str, object], None]
) -> None:
    prefix = "K-" if killed else "U-"
    tickets, lead, spread = 10_000, 45, 10
    with installation.client() as client:
        eventually(lambda: len({one["partition"] for one in client.get("/sla/policy").json()["activations"]}) == 4)
    report(installation, prefix, tickets, lead, spread)
    eventually(lambda: breached(installation, prefix) > tickets // 4, lead + spread + 60)
    if killed:
        before = installation.child("stream")
        before.kill()
        eventually(lambda: installation.replaced("stream", before), 60)
    eventually(lambda: breached(installation, prefix) == tickets, 120)
    alerts = rows(installation, _ALERTS, prefix)
    for kind in ("breach", "escalation"):
        found = Counter(alert["ticket_id"] for alert in alerts if alert["kind"] == kind)
        assert (len(found), set(found.values())) == (tickets, {1}), kind
    levels = rows(installation, _LEVELS, prefix)
    assert [tuple(one) for one in levels] == [(1,)]
    eventually(lambda: rows(installation, _TOLD, prefix)[0][0] == tickets, 180)
    messages = heard(slack, prefix)
    assert set(messages) == {f"{prefix}{number}" for number in range(tickets)}
    assert max(messages.values()) <= (2 if killed else 1)  # what a dying owner was sending is sent again, no more
    late = sorted(
        (alert["detected_at"] - alert["due_at"]).total_seconds() for alert in alerts if alert["kind"] == "breach"
    )
    assert late[0] >= 0
    for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        record_property(f"lateness {name}, seconds", late[min(len(late) - 1, int(len(late) * share))])
        print(name, late[min(len(late) - 1, int(len(late) * share))])
