"""What journeys about SLAs share: the packaged policy with a tier that is in a hurry, reports, tickets."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.installation import eventually

SLACK = "/services/T0/B0/journeys"
PACKAGED = Path(__file__).parents[2] / "deploy" / "sla.yaml"
TARGET_SECONDS = 2


def policy(**reloaded: str) -> str:
    """``sprint`` tickets are to be answered within TARGET_SECONDS and climb a ladder of seconds; ``reloaded`` tickets
    have the goals given."""
    found = yaml.safe_load(PACKAGED.read_text())
    found["targets"]["first_response"]["sprint"] = {"critical": f"{TARGET_SECONDS}s", "high": "never", "low": "never"}
    found["targets"]["resolution"]["sprint"] = {"critical": "1h", "high": "1h", "low": "2h"}
    found["targets"]["resolution"]["reloaded"] = {"high": "10h"} | reloaded
    found["channels"]["slack"] = {"kind": "slack", "per_second": 100}
    found["ladders"]["sprint"] = {"steps": [{"after": "0m"}, {"after": "2s"}, {"after": "1s"}]}
    found["escalation"].insert(0, {"ladder": "sprint", "tiers": ["sprint"]})
    return str(yaml.safe_dump(found))


def unique() -> str:
    return f"T-{uuid.uuid4().hex[:12]}"


def now(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def item(ticket_id: str = "", **fields: Any) -> dict[str, Any]:
    """A report of a new ticket."""
    at = now()
    found = {"id": ticket_id or unique(), "priority": "high", "created_at": at, "updated_at": at, "status": "open"}
    return {**found, "customer_tier": "default", **fields}


def report(client: httpx.Client, *items: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
    answer = client.post("/tickets", json=list(items), params=parameters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def shown(client: httpx.Client, ticket_id: str) -> dict[str, Any]:
    answer = client.get(f"/tickets/{ticket_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def clock_of(ticket: dict[str, Any], metric: str) -> dict[str, Any]:
    found: dict[str, Any] = next(clock for clock in ticket["clocks"] if clock["metric"] == metric)
    return found


def reached(client: httpx.Client, ticket_id: str, level: int, seconds: float = 20) -> dict[str, Any]:
    """The ticket once it has that level."""

    def look() -> dict[str, Any] | None:
        found = shown(client, ticket_id)
        return found if found["escalation_level"] >= level else None

    return eventually(look, seconds)
