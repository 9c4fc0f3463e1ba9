"""Pages of a long list of tickets through HTTP, next to the smallest question PostgreSQL can be asked for a page."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import orjson

from bench.events import entity_of, identifier_of, workflow_of
from bench.figures import Figures, Line, Rounds, below, percentile
from bench.load import Client, request
from bench.row import Bench, Row
from tocsin.events.vocabulary import UNRESOLVED

_COLUMNS: Final = (
    *("workspace", "ticket_id", "episode", "workflow", "identifier", "identity_reason", "status", "hidden", "severity"),
    *("source", "step", "message", "run_url", "context", "occurrences", "deliveries"),
    *("first_seen_at", "last_seen_at", "created_at", "updated_at", "version", "version_facts"),
    *("priority", "sla_state", "next_due_at", "escalation_level"),
)
_STATUSES: Final = ("open", "open", "open", "in_progress", "pending", "done", "done", "done", "closed", "closed")
_SEVERITIES: Final = ("critical", "error", "error", "error", "warning", "info")
_PRIORITIES: Final = {"critical": "critical", "error": "high", "warning": "medium", "info": "low"}
_SLA_STATES: Final = ("on_track",) * 90 + ("breached",) * 6 + ("at_risk",) * 2 + ("paused",) * 2
_SOURCES: Final = ("api", "github", "airflow", "cron")
_WORDS: Final = ("timeout", "refused", "rows", "staging", "disk", "quota", "schema", "login", "parse", "network")
_BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
_A_COPY: Final = 20_000
_SEARCH: Final = """
INSERT INTO read_model.ticket_search (workspace, ticket_id, hidden, words)
SELECT workspace, ticket_id, hidden,
       array_to_tsvector(ARRAY(
           SELECT DISTINCT unnest(regexp_split_to_array(lower(workflow || '-' || message), '\\W+'))))
  FROM read_model.tickets
"""
_COUNTS: Final = """
INSERT INTO read_model.ticket_counts (workspace, dimension, value, status, hidden, severity, partition, tickets)
SELECT workspace, dimension, value, status, hidden, severity, 0, count(*)
  FROM read_model.tickets
 CROSS JOIN LATERAL (VALUES ('', ''), ('workflow', workflow), ('source', source), ('priority', priority),
                            ('sla_state', coalesce(sla_state, ''))) AS counted(dimension, value)
 GROUP BY workspace, dimension, value, status, hidden, severity
"""
_BARE: Final = "SELECT * FROM read_model.tickets WHERE workspace = 'default' ORDER BY ticket_id LIMIT 50"


async def _fill(bench: Bench, dsn: str, tickets: int) -> None:
    """The read models as they would be after so many tickets."""
    connection = await asyncpg.connect(dsn)
    try:
        for at in range(0, tickets, _A_COPY):
            bench.say(f"{at:,} of {tickets:,} tickets")
            rows = _rows(range(at, min(tickets, at + _A_COPY)))
            await connection.copy_records_to_table("tickets", schema_name="read_model", columns=_COLUMNS, records=rows)
        bench.say("words and counts")
        await connection.execute(_SEARCH)
        await connection.execute(_COUNTS)
        for table in ("tickets", "ticket_search", "ticket_counts"):
            await connection.execute(f"VACUUM ANALYZE read_model.{table}")
    finally:
        await connection.close()


def _rows(numbers: range) -> Iterator[tuple[Any, ...]]:
    """The same tickets at every run."""
    for number in numbers:
        chance = random.Random(number)
        created = _BEGINNING + timedelta(seconds=7 * number)
        updated = created + timedelta(seconds=chance.randrange(100_000))
        occurrences = chance.randrange(1, 500)
        message = f"{chance.choice(_WORDS)} after {chance.choice(_WORDS)} in {identifier_of(number)}"
        status, severity = chance.choice(_STATUSES), chance.choice(_SEVERITIES)
        hidden, source = chance.random() < 0.02, chance.choice(_SOURCES)
        # clocks of what is resolved have ended, most of them in time
        state = chance.choice(_SLA_STATES) if status in UNRESOLVED else chance.choice(("on_track", "breached"))
        due = created + timedelta(hours=chance.randrange(1, 500)) if state in ("on_track", "at_risk") else None
        yield (
            *(
                "default",
                f"{entity_of(number)}-1",
                1,
                workflow_of(number),
                identifier_of(number),
                "given by the sender",
            ),
            *(status, hidden, severity, source),
            *("", message, "", '{"rows":0}', occurrences, occurrences),
            *(created, updated, created, updated, number, "TicketOpened"),
            *(_PRIORITIES[severity], state, due if status in UNRESOLVED else None, int(state == "breached")),
        )


Path = Callable[[random.Random], str]
_KINDS: Final[dict[str, Path]] = {
    "first page": lambda _: "/tickets",
    "status": lambda chance: f"/tickets?status={chance.choice(_STATUSES)}",
    "workflow": lambda chance: f"/tickets?workflow={workflow_of(chance.randrange(50))}",
    "workflow and status": lambda chance: (
        f"/tickets?workflow={workflow_of(chance.randrange(50))}&status={chance.choice(_STATUSES)}"
    ),
    "q, a tenth of all": lambda chance: f"/tickets?q={chance.choice(_WORDS)}",
    "q, two words": lambda chance: f"/tickets?q={'+'.join(chance.sample(_WORDS, 2))}",
    "q, one ticket": lambda chance: f"/tickets?q={chance.randrange(10_000)}",
    "by severity": lambda _: "/tickets?sort=-severity",
    "by update": lambda _: "/tickets?sort=-updated_at",
    "by due time": lambda _: "/tickets?sort=next_due_at",
    "at risk by due time": lambda _: "/tickets?sla_state=at_risk&status=to-do&sort=next_due_at",
    "breached and high": lambda _: "/tickets?sla_state=breached&priority=high",
    "escalated": lambda _: "/tickets?escalation_level_from=1&status=to-do",
    "dashboard": lambda _: "/dashboard",
    "offset 10,000": lambda _: "/tickets?offset=10000",
}


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


def lines_of(kind: str, ours: Rounds, bare: Rounds) -> list[Line]:
    return [
        Line(f"{kind}, p50", "ms", ours["p50"], bare["p50"]),
        Line(f"{kind}, p95", "ms", ours["p95"], bare["p95"], (below(50),)),
    ]


async def lists(bench: Bench) -> list[Line]:
    count, lines = bench.size(100, 20), []
    with bench.environment() as environment:
        place = await environment.place()
        await _fill(bench, place.database, bench.size(1_000_000, 50_000))
        role = environment.role(place, "api")
        await role.until_ready()
        client, connection = await Client.connect(role.port), await asyncpg.connect(place.database)

        async def bare() -> Figures:
            return figures_of(await bare_pages(connection, _BARE, count))

        for kind, path in _KINDS.items():

            async def ours(path: Path = path) -> Figures:
                return figures_of(await ask_pages(client, path, count))

            lines += lines_of(kind, *await bench.in_turns(3, ours, bare))

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
