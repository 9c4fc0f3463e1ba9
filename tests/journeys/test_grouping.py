"""I2, I9: alerts of the real pipeline become incidents by the rules of a file, and other rules are tried on the log."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from tests.installation import Installation, eventually
from tests.journeys.incidents import send
from tocsin.events.topics import facts_topic

pytestmark = pytest.mark.embedded


async def facts_about(kafka: str, service: str, wanted: str, *, count: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """(name, value) of the facts of the service's group, once ``count`` facts with that name are there."""
    consumer = AIOKafkaConsumer(
        facts_topic("incidents"),
        bootstrap_servers=kafka,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    found: list[tuple[str, dict[str, Any]]] = []
    await consumer.start()
    try:
        entity = ""
        for _ in range(100):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    name = dict(record.headers)["ce_type"].decode().split(".")[2]
                    value = json.loads(record.value)
                    if name == "IncidentOpened" and value["group"].get("service") == service:
                        entity = value["entity"]
                    if value["entity"] == entity:
                        found.append((name, value))
            if sum(name == wanted for name, _ in found) >= count:
                return found
    finally:
        await consumer.stop()
    raise AssertionError(f"no {count} {wanted} about {service}, but {found}")


async def test_I2_alerts_of_one_service_become_one_incident_that_ends_with_them(
    installation: Installation, client: httpx.Client
) -> None:
    service, first, second = (uuid.uuid4().hex[:16] for _ in range(3))
    kafka = installation.addresses.kafka
    send(client, service, first)
    send(client, service, second)
    facts = await facts_about(kafka, service, "AlertAdded", count=2)
    assert [name for name, _ in facts] == ["IncidentOpened", "AlertAdded", "AlertAdded"]
    opened = facts[0][1]
    assert (opened["rule"], opened["cause"]["values"]["group_rule"]) == ("by-service", "by-service")
    assert facts[-1][1]["alert_count"] == 2
    for fingerprint in (first, second):
        send(client, service, fingerprint, resolved=True)
    *_, (name, last) = await facts_about(kafka, service, "IncidentStatusChanged")
    assert (name, last["status"], last["action"], last["actor"]) == (
        "IncidentStatusChanged",
        "RESOLVED",
        "auto_resolved",
        "tocsin",
    )


def test_I9_other_rules_are_tried_on_what_was_recorded(
    installation: Installation, client: httpx.Client, tmp_path: Path
) -> None:
    service = uuid.uuid4().hex[:16]
    for _ in range(3):
        send(client, service, uuid.uuid4().hex[:16])
    rules = tmp_path / "alone.yaml"
    rules.write_text("grouping: [{name: each, group_by: [fingerprint]}]")

    def tried() -> dict[str, Any] | None:
        done = installation.run("backtest", "grouping", "--rules", str(rules), "--since", "1h", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found if found["after"]["alerts"] >= 3 else None

    found = eventually(tried)
    # others send alerts too: some of them are no first episode, or are kept quiet
    assert found["before"]["alerts"] == found["after"]["alerts"]
    assert found["before"]["incidents"] <= found["after"]["incidents"] - 2
