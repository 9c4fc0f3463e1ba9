"""I2 under a storm: what 32 clients post at once is counted exactly."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import httpx
import pytest

from tests.installation import Installation, eventually
from tests.journeys.conftest import ALERTMANAGER_SECRET
from tests.storm import Storm

pytestmark = pytest.mark.embedded

CLIENTS = 32
AUTHENTIC = {"authorization": f"Bearer {ALERTMANAGER_SECRET}", "content-type": "application/json"}


async def post_all(installation: Installation, storm: Storm) -> None:
    """Every client its next as soon as it is answered, and all of them at once."""
    waiting = storm.bodies()
    timeout = aiohttp.ClientTimeout(60)
    async with (
        aiohttp.ClientSession(installation.url, headers=AUTHENTIC, timeout=timeout) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(CLIENTS):
            group.create_task(one_client(session, waiting))


async def one_client(session: aiohttp.ClientSession, waiting: Iterator[bytes]) -> None:
    for body in waiting:
        async with session.post("/webhooks/alertmanager", data=body) as answer:
            assert answer.status == 202, await answer.text()


def alerts_of(client: httpx.Client, storm: Storm) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        query: dict[str, str | int] = {"team": storm.name, "limit": 100, "offset": len(found), "sort": "created_at"}
        page = client.get("/alerts", params=query).raise_for_status().json()
        found += page["items"]
        if len(found) >= page["total"]:
            return found


async def test_I2_a_storm_of_alerts_is_counted_exactly(
    installation: Installation, client: httpx.Client, long: bool
) -> None:
    name = f"storm-{uuid.uuid4().hex[:8]}"
    storm = Storm(name, 1_000, 100_000) if long else Storm(name, 200, 5_000)
    await post_all(installation, storm)
    eventually(lambda: sum(one["deliveries"] for one in alerts_of(client, storm)) >= storm.alerts, 120)
    found = alerts_of(client, storm)
    each = storm.alerts // storm.fingerprints
    assert Counter(one["deliveries"] for one in found) == {each: storm.fingerprints}
    assert {(one["occurrences"], one["episode"], one["status"]) for one in found} == {(1, 1, "firing")}
    assert len({one["fingerprint"] for one in found}) == storm.fingerprints
