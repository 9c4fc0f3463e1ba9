"""Pages of a long list of tickets through HTTP, next to the smallest question PostgreSQL can be asked for a page."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import asyncpg
import orjson

from bench.events import workflow_of
from bench.figures import Figures, Line, Rounds, below, percentile
from bench.load import Client, request
from bench.row import Bench, Row
from bench.rows.many_tickets import BEGINNING, STATUSES, WORDS, fill
from tocsin.events.vocabulary import SLA_STATES, TICKET_STATUSES

_BARE: Final = "SELECT * FROM read_model.tickets WHERE workspace = 'default' ORDER BY ticket_id LIMIT 50"


Path = Callable[[random.Random], str]
_KINDS: Final[dict[str, Path]] = {
    "first page": lambda _: "/tickets",
    "status": lambda chance: f"/tickets?status={chance.choice(STATUSES)}",
    "workflow": lambda chance: f"/tickets?workflow={workflow_of(chance.randrange(50))}",
    "workflow and status": lambda chance: (
        f"/tickets?workflow={workflow_of(chance.randrange(50))}&status={chance.choice(STATUSES)}"
    ),
    "q, a tenth of all": lambda chance: f"/tickets?q={chance.choice(WORDS)}",
    "q, two words": lambda chance: f"/tickets?q={'+'.join(chance.sample(WORDS, 2))}",
    "q, one ticket": lambda chance: f"/tickets?q={chance.randrange(10_000)}",
    "q, no ticket": lambda _: "/tickets?q=nowhere",
    "q, rare and common word": lambda chance: f"/tickets?q={chance.choice(WORDS)}+{chance.randrange(10_000)}",
    "q and status": lambda chance: f"/tickets?q={chance.choice(WORDS)}&status={chance.choice(STATUSES)}",
    "by severity": lambda _: "/tickets?sort=-severity",
    "by update": lambda _: "/tickets?sort=-updated_at",
    "by due time": lambda _: "/tickets?sort=next_due_at",
    "at risk by due time": lambda _: "/tickets?sla_state=at_risk&status=to-do&sort=next_due_at",
    "breached and high": lambda _: "/tickets?sla_state=breached&priority=high",
    "escalated": lambda _: "/tickets?escalation_level_from=1&status=to-do",
    "workflow, breached, high": lambda chance: (
        f"/tickets?workflow={workflow_of(chance.randrange(50))}&sla_state=breached&priority=high"
    ),
    "workflow and source": lambda chance: f"/tickets?workflow={workflow_of(chance.randrange(50))}&source=github",
    "to-do, oldest first": lambda _: "/tickets?status=to-do&sort=created_at",
    "to-do by severity": lambda _: "/tickets?status=to-do&sort=-severity",
    "created in 30 days": lambda _: f"/tickets?created_from={_day(30)}&created_to={_day(60)}",
    "dashboard": lambda _: "/dashboard",
    "dashboard, a state": lambda chance: f"/dashboard?state={chance.choice((*TICKET_STATUSES, *SLA_STATES))}",
    "dashboard, to-do and a state": lambda chance: f"/dashboard?state=to-do,{chance.choice(SLA_STATES)}",
    "offset 10,000": lambda _: "/tickets?offset=10000",
    "offset 100,000 by severity": lambda _: "/tickets?offset=100000&sort=severity",
}
# A third of the clocks that ended, and all of them.
_REPORTS: Final[dict[str, Path]] = {
    "report, 30 days": lambda _: f"/reports/sla?from={_day(30)}&to={_day(60)}",
    "report, 30 days by workflow": lambda _: f"/reports/sla?from={_day(30)}&to={_day(60)}&group_by=workflow",
    "report, all by priority": lambda _: f"/reports/sla?from={_day(0)}&to={_day(300)}&group_by=priority",
}
_REPORT_MS: Final = 500


def _day(number: int) -> str:
    """The beginning of a day, counted from that of the first ticket."""
    return f"{BEGINNING + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}"


async def _ask(client: Client, path: str) -> tuple[float, dict[str, Any]]:
    """Seconds, and the page."""
    started = time.perf_counter()
    status, answer = await client.ask(request("GET", path))
    seconds = time.perf_counter() - started
    if status != 200:
        raise RuntimeError(f"GET {path} was answered {status}: {answer.decode()}")
    return seconds, orjson.loads(answer)


async def ask_pages(client: Client, path: Path, count: int) -> list[float]:
    chance = random.Random(1)
    return [(await _ask(client, path(chance)))[0] for _ in range(count)]


async def _following(client: Client, count: int) -> list[float]:
    """Page after page by cursor."""
    found, cursor = [], ""
    for _ in range(count):
        seconds, page = await _ask(client, f"/tickets?cursor={cursor}" if cursor else "/tickets")
        found.append(seconds)
        cursor = page["next_cursor"] or ""
    return found


async def bare_pages(connection: Any, statement: str, count: int) -> list[float]:
    found = []
    for _ in range(count):
        started = time.perf_counter()
        await connection.fetch(statement)
        found.append(time.perf_counter() - started)
    return found


def figures_of(seconds: list[float]) -> Figures:
    return {"p50": percentile(seconds, 0.5) * 1000, "p95": percentile(seconds, 0.95) * 1000}


def lines_of(kind: str, ours: Rounds, bare: Rounds, target: int = 50) -> list[Line]:
    return [
        Line(f"{kind}, p50", "ms", ours["p50"], bare["p50"]),
        Line(f"{kind}, p95", "ms", ours["p95"], bare["p95"], (below(target),)),
    ]


async def lists(bench: Bench) -> list[Line]:
    count, lines = bench.size(100, 20), []
    with bench.environment() as environment:
        place = await environment.place()
        await fill(bench, place.database, bench.size(1_000_000, 50_000))
        role = environment.role(place, "api")
        await role.until_ready()
        client, connection = await Client.connect(role.port), await asyncpg.connect(place.database)

        async def bare() -> Figures:
            return figures_of(await bare_pages(connection, _BARE, count))

        for kind, path in {**_KINDS, **_REPORTS}.items():
            asked, target = (count // 5, _REPORT_MS) if kind in _REPORTS else (count, 50)

            async def ours(path: Path = path, asked: int = asked) -> Figures:
                return figures_of(await ask_pages(client, path, asked))

            lines += lines_of(kind, *await bench.in_turns(3, ours, bare), target)

        async def following() -> Figures:
            return figures_of(await _following(client, count))

        lines += lines_of("page after page by cursor", *await bench.in_turns(3, following, bare))
        client.close()
        await connection.close()
    return lines


LISTS: Final = Row(
    "lists",
    "pages of 50 of a long list of tickets through HTTP, totals included",
    lists,
    "asyncpg: 50 rows of the same table in the order of its primary key",
)
