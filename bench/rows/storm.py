"""An alert storm: Alertmanager's groups from 32 connections, until the read models have counted every alert of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from bench import system
from bench.environment import ALERTMANAGER_SECRET, PARTITIONS, Environment
from bench.figures import Figures, Line
from bench.load import drive, request
from bench.row import Bench, Row
from tests.storm import Storm
from tocsin.events.topics import events_topic

_EVENTS: Final = events_topic("alerts")
_CONNECTIONS: Final = 32
_FINGERPRINTS: Final = 1_000
_COUNTED: Final = "SELECT count(*), coalesce(sum(deliveries), 0), coalesce(sum(occurrences), 0) FROM read_model.alerts"
_BARE_COUNTED: Final = "SELECT count(*), coalesce(sum(deliveries), 0), count(*) FROM bare_alerts"


async def _poured(port: int, database: str, requests: Sequence[bytes], storm: Storm, counted: str) -> Figures:
    """Sends the storm, waits until it is counted. Raises RuntimeError for a wrong count."""
    connection = await asyncpg.connect(database)
    started = time.perf_counter()
    load = await drive(port, requests, len(requests), _CONNECTIONS)
    load.expect(202)
    found = await _until_counted(connection, counted, storm.alerts)
    seconds = time.perf_counter() - started
    await connection.close()
    if found != (storm.fingerprints, storm.alerts, storm.fingerprints):
        raise RuntimeError(f"{storm} became (alerts, deliveries, occurrences) {found}")
    return {
        "accepted": load.rate * storm.a_request,
        "visible": storm.alerts / seconds,
        "p50": load.latency(0.5),
        "p99": load.latency(0.99),
    }


async def _until_counted(connection: Any, counted: str, deliveries: int) -> tuple[int, ...]:
    async with asyncio.timeout(600):
        while (found := await connection.fetchrow(counted))[1] < deliveries:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return tuple(int(value) for value in found)


async def _ours(environment: Environment, requests: Sequence[bytes], storm: Storm) -> Figures:
    running = await system.start(environment)
    try:
        return await _poured(running.port, running.place.database, requests, storm, _COUNTED)
    finally:
        running.stop()


async def _bare(environment: Environment, requests: Sequence[bytes], storm: Storm) -> Figures:
    place = await environment.place()
    where = place.bootstrap, _EVENTS, str(PARTITIONS)
    counter = environment.module(place, "bench.bare.storm", "count", *where, place.database)
    gateway = environment.module(place, "bench.bare.storm", "gateway", *where, str(counter.port))
    gateway.port = counter.port
    try:
        await gateway.until_open()
        await _until_table(place.database)
        return await _poured(gateway.port, place.database, requests, storm, _BARE_COUNTED)
    finally:
        gateway.stop()
        counter.stop()


async def _until_table(database: str) -> None:
    connection = await asyncpg.connect(database)
    async with asyncio.timeout(60):
        while not await connection.fetchval("SELECT to_regclass('bare_alerts') IS NOT NULL"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await connection.close()


async def storm(bench: Bench) -> list[Line]:
    poured = Storm("storm", _FINGERPRINTS, bench.size(100_000, 20_000))
    requests = [request("POST", "/webhooks/alertmanager", body, ALERTMANAGER_SECRET) for body in poured.bodies()]
    with bench.environment() as environment:
        ours, bare = await bench.in_turns(
            bench.size(3, 1),
            lambda: _ours(environment, requests, poured),
            lambda: _bare(environment, requests, poured),
            warm_up=False,
        )
    return [
        Line("in → visible, every alert counted", "alerts/s", ours["visible"], bare["visible"]),
        Line("accepted meanwhile", "alerts/s", ours["accepted"], bare["accepted"]),
        Line("a request, p50", "ms", ours["p50"], bare["p50"]),
        Line("a request, p99", "ms", ours["p99"], bare["p99"]),
    ]


STORM: Final = Row(
    "storm",
    f"100,000 alerts of {_FINGERPRINTS:,} fingerprints, 20 a request, {_CONNECTIONS} connections, all roles on this"
    " machine; counts checked exactly",
    storm,
    "two processes: an ASGI app that parses a group and sends a record an alert; an aiokafka loop that counts by"
    " fingerprint and upserts what a fetch changed by unnest (no secret, decision, transaction, history, incident)",
)
