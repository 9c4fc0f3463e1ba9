"""The projector and the rebuild on real Kafka and PostgreSQL, with everything that may get in their way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from prometheus_client import CollectorRegistry

from tests.integration.log_writer import Topics, both, own_topics, write
from tests.integration.test_projection_store import rows
from tests.unit.projections.fact_log import FactLog, random_log
from tocsin.errors import StartError
from tocsin.events.commands import Answer
from tocsin.projections import checksum, rebuild
from tocsin.projections.feed import Feed
from tocsin.projections.metrics import ProjectorMetrics
from tocsin.projections.projector import Projector

pytestmark = pytest.mark.embedded


@pytest.fixture
async def topics(kafka: str) -> Topics:
    return await own_topics(kafka)


@contextlib.asynccontextmanager
async def projecting(dsn: str, kafka: str, topics: Topics, **more: Any) -> AsyncIterator[Projector]:
    projector = Projector(
        dsn,
        kafka,
        metrics=ProjectorMetrics(CollectorRegistry()),
        projections=topics.projections,
        group=f"{topics.facts}.projector",
        **more,
    )
    task = asyncio.create_task(projector.run())
    try:
        yield projector
    finally:
        projector.stop()
        await asyncio.wait_for(task, 20)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - rows of another process
            await asyncio.sleep(0.02)


async def counted_decisions(dsn: str) -> int:
    found = await rows(dsn, "SELECT coalesce(sum(value), 0) AS n FROM read_model.counters WHERE name = 'decisions'")
    return int(found[0]["n"])


async def until_projected(dsn: str, facts: int) -> None:
    async def all_there() -> bool:
        return await counted_decisions(dsn) >= facts

    await until(all_there)


async def test_facts_in_the_log_become_rows_once_and_aborted_ones_never(
    kafka: str, database: str, topics: Topics
) -> None:
    logs = random_log(400, 1), random_log(400, 2, partition=1, workspace="other")
    async with projecting(database, kafka, topics):
        await write(kafka, topics, both(*logs))
        await until_projected(database, 2 * min(len(log.records) for log in logs))
    assert await counted_decisions(database) == 2 * min(len(log.records) for log in logs)


async def test_a_restarted_projector_goes_on_from_postgres(kafka: str, database: str, topics: Topics) -> None:
    log = random_log(300, 3)
    async with projecting(database, kafka, topics):
        await write(kafka, topics, log.records[:150])
        await until_projected(database, 150)
    await write(kafka, topics, log.records[150:])
    async with projecting(database, kafka, topics):
        await until_projected(database, len(log.records))
    assert await counted_decisions(database) == len(log.records)


async def test_two_projectors_share_the_partitions_and_lose_nothing(kafka: str, database: str, topics: Topics) -> None:
    first, second = random_log(600, 4), random_log(600, 5, partition=1, workspace="other")
    records = both(first, second)
    async with projecting(database, kafka, topics, max_records=20):
        await write(kafka, topics, records[:400])
        async with projecting(database, kafka, topics, max_records=20):
            await write(kafka, topics, records[400:])
        await until_projected(database, len(records))
    assert await counted_decisions(database) == len(records)


async def test_a_waiting_client_is_notified_and_then_sees_it(kafka: str, database: str, topics: Topics) -> None:
    log = FactLog()
    ticket = log.opened()
    log.changed(ticket, "done", answers=(Answer("e1", wait=True), Answer("e2")))
    connection = await asyncpg.connect(database)
    heard: asyncio.Queue[str] = asyncio.Queue()
    await connection.add_listener("tocsin_outcomes", lambda *found: heard.put_nowait(str(found[3])))
    async with projecting(database, kafka, topics):
        await write(kafka, topics, log.records)
        assert await asyncio.wait_for(heard.get(), 20) == "default/e1"
    assert await connection.fetchval("SELECT document->>'status' FROM tocsin.outcomes WHERE event_id = 'e1'") == "done"
    await connection.close()


async def test_a_killed_connection_costs_nothing_but_time(kafka: str, database: str, topics: Topics) -> None:
    log = random_log(400, 6)
    async with projecting(database, kafka, topics, max_records=10):
        writing = asyncio.create_task(write(kafka, topics, log.records, a_transaction=20))
        for _ in range(5):
            await asyncio.sleep(0.1)
            await rows(
                database,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'tocsin-projector' AND datname = current_database()",
            )
        await writing
        await until_projected(database, len(log.records))
    assert await counted_decisions(database) == len(log.records)


async def test_a_position_the_log_does_not_have_stands_still(kafka: str, database: str, topics: Topics) -> None:
    log = random_log(20, 7)
    await write(kafka, topics, log.records)
    await rows(database, "INSERT INTO read_model.projection_offsets VALUES ('projector', $1, 0, 1000000)", topics.facts)
    registry = CollectorRegistry()
    projector = Projector(
        database, kafka, metrics=ProjectorMetrics(registry), projections=topics.projections, group=topics.facts
    )
    task = asyncio.create_task(projector.run())

    async def stopped() -> bool:
        labels = {"stage": "project", "domain": "tickets", "partition": "0"}
        return registry.get_sample_value("tocsin_projection_stopped", labels) == 1.0

    await until(stopped)
    projector.stop()
    await task
    assert await counted_decisions(database) == 0


# --- rebuild --------------------------------------------------------------------------------------------------------


async def rebuilt(database: str, kafka: str, topics: Topics, **more: Any) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    await rebuild.run(database, kafka, lambda done, total: seen.append((done, total)), topics.projections, **more)
    return seen


async def test_a_rebuilt_read_model_equals_the_live_one(kafka: str, database: str, topics: Topics) -> None:
    first, second = random_log(500, 8), random_log(500, 9, partition=1, workspace="other")
    first.payload({"trace": "x" * 5000})
    records = [*both(first, second), first.records[-1]]

    async def payload_there() -> bool:  # of a topic of its own, so it may come after the last fact
        return bool(await rows(database, "SELECT 1 FROM read_model.payloads"))

    async with projecting(database, kafka, topics, max_records=37):
        await write(kafka, topics, records)
        await until_projected(database, len(records) - 1)
        await until(payload_there)
        live = await checksum.read(database)
    seen = await rebuilt(database, kafka, topics)
    assert seen[-1][0] == seen[-1][1] > len(records)
    assert await checksum.read(database) == live
    assert await rows(database, "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'read\\_model\\_%'") == []


async def test_a_rebuild_under_load_loses_and_doubles_nothing(kafka: str, database: str, topics: Topics) -> None:
    first, second = random_log(1500, 10), random_log(1500, 11, partition=1, workspace="other")
    records = both(first, second)
    async with projecting(database, kafka, topics, max_records=50):
        writing = asyncio.create_task(write(kafka, topics, records, a_transaction=10))
        for _ in range(3):
            await rebuilt(database, kafka, topics)
        await writing
        await until_projected(database, len(records))
    live = await checksum.read(database)
    await rebuilt(database, kafka, topics)
    assert await checksum.read(database) == live
    assert await counted_decisions(database) == len(records)
    assert await rows(database, "SELECT 1 FROM tocsin.outcomes") == []


async def test_a_second_rebuild_is_refused_and_an_interrupted_one_leaves_nothing_harmful(
    kafka: str, database: str, topics: Topics
) -> None:
    log = random_log(200, 12)
    await write(kafka, topics, log.records)
    reached = asyncio.Event()

    async def interrupted() -> None:
        await rebuild.run(database, kafka, lambda *_: reached.set(), topics.projections)

    task = asyncio.create_task(interrupted())
    await reached.wait()
    with pytest.raises(StartError, match="Another rebuild"):
        await rebuilt(database, kafka, topics)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    async with projecting(database, kafka, topics):
        await until_projected(database, len(log.records))
    live = await checksum.read(database)

    async def free() -> bool:
        try:
            await rebuilt(database, kafka, topics)
        except StartError:
            return False  # the server has not seen yet that the first connection is gone
        return True

    await until(free)
    assert await checksum.read(database) == live


async def test_an_idle_feed_asks_seldom_and_hears_at_once(
    kafka: str, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    original = AIOKafkaClient.send

    async def counting(client: AIOKafkaClient, node: Any, request: Any, **more: Any) -> Any:
        if isinstance(request, FetchRequest):
            asked.append(1)
        return await original(client, node, request, **more)

    monkeypatch.setattr(AIOKafkaClient, "send", counting)
    feed = Feed(kafka, [topics.facts], f"{topics.facts}.idle")
    await feed.start()
    try:
        async with asyncio.timeout(20):
            while not feed.unplaced:
                await feed.fetch(10)
        await feed.place(dict.fromkeys(feed.unplaced, 0))
        await feed.fetch(10)
        asked.clear()
        for _ in range(8):  # each a quarter of a second
            assert not (await feed.fetch(10)).records
        assert 1 <= len(asked) <= 8
        await write(kafka, topics, random_log(1, 3).records)
        async with asyncio.timeout(20):
            while not (await feed.fetch(10)).records:
                pass
    finally:
        await feed.stop()
