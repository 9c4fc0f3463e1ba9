"""The gateway as a process, on a real Kafka and PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.integration.gateway import GatewayProcess
from tocsin import keys
from tocsin.broker import ensure_topics
from tocsin.embedded.kafka import Kafka
from tocsin.events.envelope import from_headers
from tocsin.events.topics import events_topic, topics
from tocsin.ingest.records import keyed_id

pytestmark = pytest.mark.embedded

EVENTS = events_topic("tickets")
PARTITIONS = 4
FAILURE = {"workflow": "backup", "identifier": "db-7", "message": "upload failed"}


async def accepted(http: httpx.AsyncClient, headers: dict[str, str] | None = None, seconds: float = 30) -> float:
    """Posts until it is accepted; returns how long the last answer took."""
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        answer = await http.post("/failures", json=FAILURE, headers=headers)
        if answer.status_code == 202:
            return time.monotonic() - began
        assert (answer.status_code, time.monotonic() < deadline) == (503, True)
        await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
async def gateway(
    kafka: str, module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GatewayProcess]:
    await ensure_topics(kafka, topics(), PARTITIONS)
    with GatewayProcess(kafka, module_database, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
async def http(gateway: GatewayProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as client:
        await accepted(client)
        yield client


async def in_the_log(bootstrap: str, event_ids: set[str], timeout: float = 20) -> dict[str, Any]:
    """The records with these event ids, by id, once all are there."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    found: dict[str, Any] = {}
    try:
        partitions = [TopicPartition(EVENTS, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        async with asyncio.timeout(timeout):
            while event_ids - found.keys():
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    for message in messages:
                        if (event_id := from_headers(message.headers).id) in event_ids:
                            found[event_id] = message
    finally:
        await consumer.stop()
    return found


async def test_accepted_is_in_kafka(http: httpx.AsyncClient, kafka: str) -> None:
    context = {"log": "x" * 900_000}
    single = await http.post("/failures", json=FAILURE | {"context": context}, headers={"x-request-id": "r-9"})
    batch = await http.post("/failures/batch", json=[FAILURE] * 300)
    ids = {single.json()["event_id"], *(item["event_id"] for item in batch.json()["items"])}
    found = await in_the_log(kafka, ids)
    assert len(found) == 301
    assert from_headers(found[single.json()["event_id"]].headers).correlation_id == "r-9"


async def test_an_idle_command_without_decision_is_202(kafka: str, database: str, tmp_path: Path) -> None:
    await ensure_topics(kafka, topics(), PARTITIONS)
    with GatewayProcess(kafka, database, tmp_path, TOCSIN_COMMAND_WAIT_SECONDS="0.2") as gateway:
        async with httpx.AsyncClient(base_url=gateway.url) as http:
            await accepted(http)
            answer = await http.patch("/tickets/OPS-1", json={"status": "done"})
    assert answer.status_code == 202


async def test_a_decision_notified_by_the_database_answers_the_command(
    http: httpx.AsyncClient, kafka: str, module_database: str
) -> None:
    waiting = asyncio.create_task(http.patch("/tickets/OPS-1", json={"status": "done"}, headers={"x-actor": "ann"}))
    connection = await asyncpg.connect(module_database)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await consumer.start()
    try:
        envelope = await _next_command(consumer)
        await connection.execute(
            "INSERT INTO tocsin.outcomes (workspace, event_id, domain, fact_type, subject_id, request_digest, fact,"
            " document) VALUES ('default', $1, 'tickets', 'tocsin.tickets.StatusChanged.v1', 'OPS-1', $2, $3, $4)",
            envelope.id,
            envelope.request_digest,
            '{"cause":{"offset":5}}',
            '{"id":"OPS-1","version":5}',
        )
        notified = time.monotonic()
        await connection.execute("SELECT pg_notify('tocsin_outcomes', $1)", f"default/{envelope.id}")
        answer = await waiting
    finally:
        await consumer.stop()
        await connection.close()
    assert (answer.status_code, answer.json(), answer.headers["etag"]) == (200, {"id": "OPS-1", "version": 5}, '"5"')
    # by the notification, not by the poll
    assert time.monotonic() - notified < 0.4


async def _next_command(consumer: AIOKafkaConsumer) -> Any:
    partitions = [TopicPartition(EVENTS, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    async with asyncio.timeout(20):
        while True:
            for messages in (await consumer.getmany(timeout_ms=200)).values():
                for message in messages:
                    envelope = from_headers(message.headers)
                    if envelope.outcome == "wait" and b"ann" in message.value:
                        return envelope


async def test_J13_keys_are_created_rotated_and_revoked_while_running(
    http: httpx.AsyncClient, module_database: str
) -> None:
    connection = await asyncpg.connect(module_database)
    try:
        kept, key = await keys.create(connection, "pepper", "acme", "ci", ["ingest"])
        assert (await http.post("/failures", json=FAILURE, headers={"x-api-key": key})).status_code == 202
        _, successor = await keys.rotate(connection, "pepper", kept.prefix, timedelta(hours=1))
        for one in (key, successor):
            assert (await http.post("/failures", json=FAILURE, headers={"x-api-key": one})).status_code == 202
        await keys.revoke(connection, kept.prefix)
        async with asyncio.timeout(5):
            while (await http.post("/failures", json=FAILURE, headers={"x-api-key": key})).status_code != 401:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await http.post("/failures", json=FAILURE, headers={"x-api-key": successor})).status_code == 202
        stored = await connection.fetchval("SELECT string_agg(api_keys::text, '') FROM tocsin.api_keys")
        assert key.split("_", 2)[2] not in stored
        with pytest.raises(keys.UnknownKey):
            await keys.revoke(connection, kept.prefix)
    finally:
        await connection.close()


async def test_known_keys_keep_working_without_the_database(
    kafka: str, empty_database: str, database: str, tmp_path: Path
) -> None:
    """The server stays; the database the gateway was given goes."""
    connection = await asyncpg.connect(database)
    _, key = await keys.create(connection, "pepper", "acme", "ci", ["ingest", "write"])
    _, unseen = await keys.create(connection, "other pepper", "acme", "ci", ["ingest"])
    await ensure_topics(kafka, topics(), PARTITIONS)
    with GatewayProcess(kafka, database, tmp_path, TOCSIN_COMMAND_WAIT_SECONDS="0.2") as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as http:
            await accepted(http, {"x-api-key": key})
            name = await connection.fetchval("SELECT current_database()")
            administration = await asyncpg.connect(empty_database)
            await connection.close()
            await administration.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            await administration.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
            try:
                statuses = [
                    (await http.post("/failures", json=FAILURE, headers={"x-api-key": one})).status_code
                    for one in (key, keys.mint())
                ]
                command = await http.patch("/tickets/OPS-1", json={"status": "done"}, headers={"x-api-key": key})
            finally:
                await administration.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
                await administration.close()
    assert statuses == [202, 503]
    assert command.status_code == 202
    assert unseen not in gateway.log


async def test_sigterm_answers_what_is_under_way(kafka: str, database: str, tmp_path: Path) -> None:
    path, key = "/tickets/OPS-1", "under-way"
    await ensure_topics(kafka, topics(), PARTITIONS)
    with GatewayProcess(kafka, database, tmp_path) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=20) as http:
            await accepted(http)
            waiting = asyncio.create_task(http.patch(path, json={"status": "done"}, headers={"idempotency-key": key}))
            # nobody decides here, so it waits for the outcome from the moment it is in the log
            await in_the_log(kafka, {keyed_id("default", "PATCH", path, key)})
            stopped = asyncio.create_task(asyncio.to_thread(gateway.stop))
            assert (await waiting).status_code == 202
            assert await stopped == 0


# --- hostile clients ------------------------------------------------------------------------------------------------


async def far_too_much() -> AsyncIterator[bytes]:
    """256 MiB: what a client can send in the time that the server listens after its refusal."""
    for _ in range(256):
        yield b"x" * 1024 * 1024


@pytest.mark.parametrize("path", ["/failures", "/failures/batch", "/tickets/OPS-1"])
async def test_far_too_much_without_length_is_413_and_costs_no_memory(
    gateway: GatewayProcess, http: httpx.AsyncClient, path: str
) -> None:
    before = gateway.memory_bytes()
    method = "PATCH" if path.startswith("/tickets") else "POST"
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as own:
        answer = await own.request(method, path, content=far_too_much(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert gateway.memory_bytes("VmHWM") - before < 20 * 1024 * 1024 + (8 if "batch" in path else 0) * 1024 * 1024
    assert (await http.post("/failures", json=FAILURE)).status_code == 202


async def test_half_open_connections_are_closed_and_do_not_slow_others(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    heads = [b"", b"POST /failures HTTP/1.1\r\nhost: x\r\n", b"POST /failures HTTP/1.1\r\ncontent-length: 99\r\n\r\n{"]
    connections = []
    for number in range(300):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(heads[number % 3])
        connections.append((reader, writer))
    began = time.monotonic()
    trickling = asyncio.create_task(_trickle(connections[1][1]))
    took = sorted([await accepted(http) for _ in range(100)])
    assert took[98] < 0.5
    # every end of stream, however the server chose to end it
    await asyncio.gather(*(reader.read() for reader, _ in connections), return_exceptions=True)
    assert time.monotonic() - began <= 10.5
    trickling.cancel()
    for _, writer in connections:
        writer.close()


async def _trickle(writer: asyncio.StreamWriter) -> None:
    """One byte of a header at a time: progress, but none that counts."""
    while True:
        writer.write(b"a")
        await asyncio.sleep(0.5)


# --- Kafka goes and comes -------------------------------------------------------------------------------------------


@pytest.mark.long  # every day with all roles, in test_outages
@pytest.mark.faults
async def test_kafka_gone_is_503_in_time_with_bounded_memory_and_recovers_alone(
    broker_process: Kafka, database: str, tmp_path: Path
) -> None:
    await ensure_topics(broker_process.bootstrap, topics(), PARTITIONS)
    with GatewayProcess(broker_process.bootstrap, database, tmp_path) as gateway:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=gateway.url, timeout=20, limits=limits) as http:
            await accepted(http)
            before = gateway.memory_bytes()
            broker_process.kill()
            answers = await asyncio.gather(*(_timed(http, "x" * 200_000) for _ in range(100)))
            assert {answer.status_code for answer, _ in answers} == {503}
            assert all(int(answer.headers["retry-after"]) >= 1 for answer, _ in answers)
            assert max(seconds for _, seconds in answers) < 5
            # from now on the refusal is immediate
            assert max(seconds for _, seconds in [await _timed(http, "x") for _ in range(20)]) < 0.5
            assert gateway.memory_bytes("VmHWM") - before < 80 * 1024 * 1024
            await asyncio.to_thread(broker_process.restart)
            await accepted(http)
            batch = await http.post("/failures/batch", json=[FAILURE] * 10)
    assert batch.json()["accepted"] == 10


async def _timed(http: httpx.AsyncClient, context: str) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    answer = await http.post("/failures", json=FAILURE | {"context": context})
    return answer, time.monotonic() - began
