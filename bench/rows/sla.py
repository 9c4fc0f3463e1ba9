"""Many tickets that miss their goals within seconds, through all roles; how late each is noticed and shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import orjson

from bench import system
from bench.environment import PARTITIONS, Environment
from bench.figures import Figures, Line, below, percentile, single
from bench.load import Client, request
from bench.row import Bench, Row
from bench.system import System

_GOAL_SECONDS: Final = 3_600
# No ladder: a breach raises the level, and nobody is told.
_POLICY: Final = f"""
targets: {{first_response: {{default: {{low: {_GOAL_SECONDS}s}}}}}}
"""
_AT_ONCE: Final = 500
_ALL_NOTICED_WITHIN: Final = 120.0
_BREACHED: Final = "SELECT count(*) FROM read_model.sla_clocks WHERE breached_at IS NOT NULL"
_GOVERNED: Final = "SELECT count(DISTINCT partition) FROM read_model.sla_policy_activations"
_LATE: Final = "SELECT lateness_ms FROM read_model.sla_alerts WHERE kind = 'breach'"


def _items(begin: int, dues: Sequence[float]) -> bytes:
    found = []
    for number, due in enumerate(dues, begin):
        created = datetime.fromtimestamp(due - _GOAL_SECONDS, UTC).isoformat()
        item = {"id": f"B-{number}", "priority": "low", "status": "open", "customer_tier": "default"}
        found.append({**item, "created_at": created, "updated_at": created})
    return orjson.dumps(found)


async def _report(running: System, dues: Sequence[float]) -> None:
    client = await Client.connect(running.port)
    for begin in range(0, len(dues), _AT_ONCE):
        status, answer = await client.ask(request("POST", "/tickets", _items(begin, dues[begin : begin + _AT_ONCE])))
        if status not in (200, 202):
            raise RuntimeError(f"tickets were answered {status}: {answer.decode()[:200]}")
    client.close()


async def _until(connection: Any, statement: str, wanted: int) -> None:
    async with asyncio.timeout(_ALL_NOTICED_WITHIN):
        while await connection.fetchval(statement) < wanted:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def _ours(environment: Environment, tickets: int, spread: float) -> Figures:
    running = await system.start(environment)
    connection = await asyncpg.connect(running.place.database)
    try:
        await _until(connection, _GOVERNED, PARTITIONS)
        begin = time.time() + 10 + tickets / 400
        dues = [begin + spread * number / tickets for number in range(tickets)]
        await _report(running, dues)
        if time.time() > begin - 1:
            raise RuntimeError("reporting the tickets took longer than thought")
        await asyncio.sleep(dues[-1] - time.time())
        await _until(connection, _BREACHED, tickets)
        shown = time.time() - dues[-1]
        late = [row["lateness_ms"] for row in await connection.fetch(_LATE)]
        if len(late) != tickets:
            raise RuntimeError(f"{tickets} missed goals became {len(late)} breaches")
        return {"p50": percentile(late, 0.5), "p99": percentile(late, 0.99), "max": max(late), "shown": shown * 1000}
    finally:
        await connection.close()
        running.stop()


async def burst(bench: Bench) -> list[Line]:
    tickets, spread = bench.size(10_000, 1_000), 10.0 if not bench.quick else 2.0
    with bench.environment() as environment:
        policy = environment.directory / "sla.yaml"
        policy.write_text(_POLICY)
        environment.settings["SLA_CONFIG_PATH"] = str(policy)
        found = await _ours(environment, tickets, spread)
    targets = {"p99": (below(1_000),)}
    lines = [
        Line(f"noticed after the due time, {name}", "ms", single(found[name]), None, targets.get(name, ()))
        for name in ("p50", "p99", "max")
    ]
    return [*lines, Line("the last one shown after its due time", "ms", single(found["shown"]))]


BURST: Final = Row(
    "sla_burst",
    "10,000 tickets that miss their goals within 10 seconds, all roles on this machine; each breach once",
    burst,
)
