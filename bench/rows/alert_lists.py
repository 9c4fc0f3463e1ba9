"""Pages of a long list of alerts through HTTP, next to the smallest question PostgreSQL can be asked for a page."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from bench.figures import Figures, Line
from bench.load import Client
from bench.row import Bench, Row
from bench.rows.lists import Path, ask_pages, bare_pages, figures_of, lines_of
from tocsin.events.identity import alert_entity, incident_entity

_COLUMNS: Final = (
    *("workspace", "alert_id", "episode", "source", "fingerprint", "fingerprint_rule", "fingerprint_fields"),
    *("sender_episode", "status", "severity", "service", "team", "environment", "title", "message", "tags", "url"),
    *("verified_by", "occurrences", "deliveries", "started_at", "last_seen_at", "resolved_at"),
    *("created_at", "updated_at", "version"),
)
_SOURCES: Final = ("datadog", "sentry", "alertmanager", "grafana")
_STATUSES: Final = ("firing", "resolved", "resolved", "resolved", "resolved", "acknowledged")
_SEVERITIES: Final = ("critical", "error", "error", "warning", "info")
_ENVIRONMENTS: Final = ("production", "production", "staging")
_SERVICES: Final = 200
_BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
_A_COPY: Final = 20_000
_EACH: Final = 500  # alerts an incident
_BARE: Final = "SELECT * FROM read_model.alerts WHERE workspace = 'default' ORDER BY alert_id LIMIT 50"
_COUNTS: Final = """
INSERT INTO read_model.alert_counts (workspace, dimension, value, status, severity, partition, alerts)
SELECT workspace, dimension, value, status, severity, 0, count(*)
  FROM read_model.alerts
 CROSS JOIN LATERAL (VALUES ('', ''), ('source', source), ('service', service), ('team', team),
                            ('environment', environment)) AS counted(dimension, value)
 GROUP BY workspace, dimension, value, status, severity
"""


def incident_of(number: int) -> str:
    return f"{incident_entity('default', 'bench', str(number // _EACH))}-1"


async def _fill(bench: Bench, dsn: str, alerts: int) -> None:
    """The read models as they would be after so many alerts."""
    connection = await asyncpg.connect(dsn)
    try:
        for at in range(0, alerts, _A_COPY):
            bench.say(f"{at:,} of {alerts:,} alerts")
            numbers = range(at, min(alerts, at + _A_COPY))
            for table, columns, rows in (
                ("alerts", _COLUMNS, _rows(numbers)),
                ("incident_alerts", ("workspace", "incident_id", "alert_id"), _members(numbers)),
                ("incidents", _INCIDENT_COLUMNS, _incidents(numbers)),
            ):
                await connection.copy_records_to_table(table, schema_name="read_model", columns=columns, records=rows)
        await connection.execute(_COUNTS)
        for table in ("alerts", "incident_alerts", "incidents", "alert_counts"):
            await connection.execute(f"VACUUM ANALYZE read_model.{table}")
    finally:
        await connection.close()


def _id(number: int) -> str:
    return f"{alert_entity('default', str(number))}-1"


def _rows(numbers: range) -> Iterator[tuple[Any, ...]]:
    """The same alerts at every run."""
    for number in numbers:
        chance = random.Random(number)
        created = _BEGINNING + timedelta(seconds=7 * number)
        updated = created + timedelta(seconds=chance.randrange(100_000))
        status = chance.choice(_STATUSES)
        service = f"service-{chance.randrange(_SERVICES)}"
        yield (
            *("default", _id(number), 1, chance.choice(_SOURCES), f"bench:{number}", "bench", "{}"),
            *("", status, chance.choice(_SEVERITIES), service, "team", chance.choice(_ENVIRONMENTS)),
            *(f"disk of {service} is full", "", "{}", "", "first", 1, 3, created, updated),
            *(updated if status == "resolved" else None, created, updated, number),
        )


def _members(numbers: range) -> Iterator[tuple[Any, ...]]:
    for number in numbers:
        yield "default", incident_of(number), _id(number)


_INCIDENT_COLUMNS: Final = (
    *("workspace", "incident_id", "title", "status", "severity", "service", "team", "environment", "sources", "rule"),
    *("group", "auto_resolve", "alert_count", "active_alerts", "last_alert_at", "created_at", "updated_at", "version"),
)


def _incidents(numbers: range) -> Iterator[tuple[Any, ...]]:
    for number in numbers:
        if number % _EACH == 0:
            at = _BEGINNING + timedelta(seconds=7 * number)
            where = f"service-{number // _EACH % _SERVICES}", "team", "production"
            yield (
                *("default", incident_of(number), "disk full", "OPEN", "error", *where, '["datadog"]', "bench"),
                *("{}", "all", _EACH, _EACH, at, at, at, number),
            )


_KINDS: Final[dict[str, Path]] = {
    "first page": lambda _: "/alerts",
    "status": lambda chance: f"/alerts?status={chance.choice(_STATUSES)}",
    "service": lambda chance: f"/alerts?service=service-{chance.randrange(_SERVICES)}",
    "source and severity": lambda chance: (
        f"/alerts?source={chance.choice(_SOURCES)}&severity={chance.choice(_SEVERITIES)}"
    ),
    "service and environment": lambda chance: (
        f"/alerts?service=service-{chance.randrange(_SERVICES)}&environment={chance.choice(_ENVIRONMENTS)}"
    ),
    "of an incident": lambda chance: f"/alerts?incident_id={incident_of(chance.randrange(50_000))}",
    "by severity": lambda _: "/alerts?sort=-severity",
    "by update": lambda _: "/alerts?sort=-updated_at",
    "offset 10,000": lambda _: "/alerts?offset=10000",
    "incidents": lambda _: "/incidents",
    "incidents of a service": lambda chance: f"/incidents?service=service-{chance.randrange(_SERVICES)}",
}


async def alert_lists(bench: Bench) -> list[Line]:
    count: int = bench.size(100, 20)
    lines: list[Line] = []
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
        client.close()
        await connection.close()
    return lines


ALERT_LISTS: Final = Row(
    "alert_lists",
    "pages of 50 of a long list of alerts through HTTP, totals included",
    alert_lists,
    "asyncpg: 50 rows of the same table in the order of its primary key",
)
