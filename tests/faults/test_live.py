"""Clients of live events while the broker goes and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.installation import eventually
from tests.integration.live_log import live_writer
from tests.integration.test_live import Follower, api, started
from tocsin.embedded.kafka import Kafka

pytestmark = [pytest.mark.embedded, pytest.mark.faults]


def readable(url: str) -> float:
    text = httpx.get(f"{url}/metrics", trust_env=False, timeout=10).text
    return float(next(line for line in text.splitlines() if line.startswith("tocsin_live_readable ")).split()[1])


@pytest.mark.long  # every day with the process that serves them, in integration/test_live
async def test_S5_clients_stay_through_a_restart_of_the_broker(
    broker_process: Kafka, database: str, tmp_path: Path
) -> None:
    (tmp_path / "tickets.yaml").write_text("reopen_within: 24h\n")
    async with live_writer(broker_process.bootstrap, "before") as writer:
        await writer.write()
        with api(broker_process.bootstrap, database, tmp_path) as process:
            follower = Follower([process.url])
            await started(follower)
            written = list(await writer.write(10))
            following = asyncio.create_task(follower.follow(until=20, seconds=90))
            await asyncio.to_thread(eventually, lambda: len(follower.seen) == 10)
            broker_process.kill()
            await asyncio.to_thread(eventually, lambda: readable(process.url) == 0)
            async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
                assert (await client.get(f"{process.url}/health/ready")).status_code == 503
            await asyncio.to_thread(broker_process.restart)
            await asyncio.to_thread(eventually, lambda: readable(process.url) == 1, 30)
            async with live_writer(broker_process.bootstrap, "after") as again:
                written += await again.write(10)
            await following
            assert follower.seen == written
            assert follower.resets == 0
