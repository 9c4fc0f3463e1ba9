"""Failure reports taken in by one gateway process: one a request, and 500 a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.environment import PARTITIONS, Environment, Program
from bench.events import EVENTS, batch_body, body
from bench.figures import Figures, Line, Rounds, at_least, below
from bench.load import drive, request
from bench.row import Bench, Row

_KEYS: Final = 1_000
_A_BATCH: Final = 500


async def _gateways(environment: Environment) -> tuple[Program, Program]:
    """Ours and the bare one, ready."""
    place = await environment.place()
    ours = environment.role(place, "ingest")
    await ours.until_ready()
    bare = environment.module(place, "bench.bare.gateway", place.bootstrap, EVENTS, str(PARTITIONS), str(ours.port + 1))
    bare.port = ours.port + 1
    await bare.until_open()
    return ours, bare


async def _measure(
    bench: Bench, requests: Sequence[bytes], total: int, connections: int, events: int
) -> tuple[Rounds, Rounds]:
    async def run(gateway: Program) -> Figures:
        load = await drive(gateway.port, requests, total, connections)
        load.expect(202)
        return {"rate": load.rate * events, "p50": load.latency(0.5), "p99": load.latency(0.99)}

    with bench.environment() as environment:
        ours, bare = await _gateways(environment)
        return await bench.in_turns(bench.size(5, 3), lambda: run(ours), lambda: run(bare))


async def single(bench: Bench) -> list[Line]:
    requests = [request("POST", "/failures", body(key)) for key in range(_KEYS)]
    ours, bare = await _measure(bench, requests, bench.size(50_000, 5_000), 64, 1)
    return [
        Line("single-event POST, 64 connections", "req/s", ours["rate"], bare["rate"], (at_least(10_000),)),
        Line("the same, p50", "ms", ours["p50"], bare["p50"]),
        Line("the same, p99", "ms", ours["p99"], bare["p99"], (below(30),)),
    ]


async def batch(bench: Bench) -> list[Line]:
    keys = range(_KEYS)
    bodies = [batch_body([keys[(first + nth) % _KEYS] for nth in range(_A_BATCH)]) for first in range(0, _KEYS, 50)]
    requests = [request("POST", "/failures/batch", one) for one in bodies]
    ours, bare = await _measure(bench, requests, bench.size(400, 60), 8, _A_BATCH)
    return [
        Line("500-event bodies, 8 connections", "events/s", ours["rate"], bare["rate"], (at_least(100_000),)),
        Line("the same, a request, p50", "ms", ours["p50"], bare["p50"]),
        Line("the same, a request, p99", "ms", ours["p99"], bare["p99"]),
    ]


SINGLE: Final = Row(
    "single",
    "single-event POST /failures, acknowledged by Kafka",
    single,
    "ASGI app under uvicorn (uvloop, httptools), orjson, aiokafka send_and_wait with linger 2 ms; nothing is validated",
)
BATCH: Final = Row(
    "batch",
    "POST /failures/batch, 500 events a body",
    batch,
    "the same app, one ready-made record batch a partition",
)
