"""Thousands of tickets miss their goals within seconds, while the worker that decides is killed: each breach is noticed
once. How late is recorded, not judged: machines differ."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.installation import Installation, eventually, running

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

GOAL_SECONDS = 600
# No ladder: a breach raises the level to 1, and nobody is told.
POLICY = """
targets: {first_response: {default: {low: 600s}}}
channels: {nobody: {kind: slack}}
default_channel: nobody
"""
_BATCH = 500


@pytest.fixture
def installation(session_directory: Path) -> Iterator[Installation]:
    name = f"sla-{uuid.uuid4().hex[:6]}"
    policy = session_directory / f"{name}.yaml"
    policy.write_text(POLICY)
    with running(session_directory / name, SLA_CONFIG_PATH=str(policy)) as installed:
        yield installed


def report(installation: Installation, tickets: int, lead: float, spread: float) -> None:
    """The clocks of tickets 0, 1, … run out one after the other, from ``lead`` seconds ahead on, for ``spread``."""
    first_due = datetime.now(UTC) + timedelta(seconds=lead)
    with installation.client() as client:
        for begin in range(0, tickets, _BATCH):
            items = []
            for number in range(begin, min(begin + _BATCH, tickets)):
                due = first_due + timedelta(seconds=spread * number / tickets)
                created = (due - timedelta(seconds=GOAL_SECONDS)).isoformat()
                items.append(
                    {"id": f"B-{number}", "priority": "low", "status": "open", "customer_tier": "default"}
                    | {"created_at": created, "updated_at": created}
                )
            answer = client.post("/tickets", json=items)
            assert answer.status_code in (200, 202), answer.text


async def fetch(dsn: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


def rows(installation: Installation, statement: str) -> list[Any]:
    return asyncio.run(fetch(installation.addresses.database, statement))


def breached(installation: Installation) -> int:
    return int(rows(installation, "SELECT count(*) FROM read_model.sla_clocks WHERE breached_at IS NOT NULL")[0][0])


@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "its decider killed"])
def test_S3_S4_a_burst_of_missed_goals_is_noticed_once_each(
    installation: Installation, long: bool, killed: bool, record_property: Callable[[str, object], None]
) -> None:
    tickets, lead, spread = (10_000, 45, 10) if long else (400, 6, 3)
    with installation.client() as client:
        eventually(lambda: len({one["partition"] for one in client.get("/sla/policy").json()["activations"]}) == 4)
    report(installation, tickets, lead, spread)
    eventually(lambda: breached(installation) > tickets // 4, lead + spread + 60)
    if killed:
        before = installation.child("stream")
        before.kill()
        eventually(lambda: installation.replaced("stream", before), 60)
    eventually(lambda: breached(installation) == tickets, 120)
    alerts = rows(installation, "SELECT ticket_id, kind, level, due_at, detected_at FROM read_model.sla_alerts")
    for kind in ("breach", "escalation"):
        found = Counter(alert["ticket_id"] for alert in alerts if alert["kind"] == kind)
        assert (len(found), set(found.values())) == (tickets, {1}), kind
    (levels,) = rows(installation, "SELECT min(escalation_level), max(escalation_level) FROM read_model.tickets")
    assert tuple(levels) == (1, 1)
    late = sorted(
        (alert["detected_at"] - alert["due_at"]).total_seconds() for alert in alerts if alert["kind"] == "breach"
    )
    assert late[0] >= 0
    for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        record_property(f"lateness {name}, seconds", late[min(len(late) - 1, int(len(late) * share))])
        print(name, late[min(len(late) - 1, int(len(late) * share))])
