"""Incidents on a real PostgreSQL: rows are what was decided, wherever batches end, whichever partition comes first;
lists against a plain filter."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.integration.incident_log import ENVIRONMENTS, SOURCES, owners, played, records
from tests.integration.test_projection_store import project, rows
from tocsin.api.queries import alerts as alert_queries
from tocsin.api.queries import facets, listing
from tocsin.api.queries import incidents as queries
from tocsin.api.queries.alert_filter import AlertFilter
from tocsin.api.queries.incident_filter import IncidentFilter, IncidentQuery
from tocsin.api.queries.memberships import incidents_of
from tocsin.api.queries.reader import Reader
from tocsin.api.routes.incidents import _FACETS
from tocsin.events import incidents as contract
from tocsin.projections import checksum
from tocsin.projections.tables.tickets import instant

pytestmark = pytest.mark.embedded


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_X1_incident_rows_do_not_depend_on_where_batches_end(database: str, size: int) -> None:
    log = records(played(150, seed=size).facts)
    await project(database, log)
    whole = await checksum.read(database)
    assert not await rows(database, "SELECT * FROM tocsin.projection_errors")
    await _empty(database)
    await project(database, log, size)
    assert await checksum.read(database) == whole


async def test_X1_incident_rows_do_not_depend_on_the_order_of_partitions(database: str) -> None:
    log = records(played(200, seed=3).facts)
    sums = []
    for order in ((0, 1), (1, 0)):
        await _empty(database)
        for partition in order:
            await project(database, [record for record in log if record.partition == partition])
        sums.append(await checksum.read(database))
        assert not await rows(database, "SELECT * FROM tocsin.projection_errors")
    assert sums[0] == sums[1]


async def _empty(database: str) -> None:
    await rows(database, f"TRUNCATE {', '.join(f'read_model.{table.name}' for table in checksum.TABLES)}")


async def test_I2_the_row_of_an_incident_is_what_was_decided(database: str) -> None:
    world = played(300, seed=11)
    await project(database, records(world.facts))
    shown = {row["incident_id"]: row for row in await rows(database, "SELECT * FROM read_model.incidents")}
    known = {state.incident_id(one): one for state in world.groups.values() for one in state.incidents}
    assert len(known) > 10
    assert any(one.merged_into for one in known.values())
    for incident_id, incident in known.items():
        row = shown[incident_id]
        columns = ("status", "severity", "alert_count", "version", "merged_into")
        found = tuple(row[name] for name in columns)
        assert found == tuple(getattr(incident, name) or None for name in columns)
        assert bool(row["acknowledged_at"]) == incident.acknowledged
        assert row["assignee"] == (incident.assignee or None)
        if incident.status != "CLOSED":
            assert row["active_alerts"] == incident.active_alerts
            assert set(json.loads(row["sources"])) == set(incident.sources)


async def test_I5_every_change_is_one_action_with_who_and_why(database: str) -> None:
    world = played(300, seed=12)
    await project(database, records(world.facts))
    found = await rows(
        database,
        "SELECT incident_id, action, from_status, status, actor, reason FROM read_model.incident_actions"
        " WHERE action IN ('status_changed', 'auto_resolved', 'reopened') ORDER BY incident_id, partition, \"offset\"",
    )
    changes = [fact for fact in world.facts if isinstance(fact, contract.IncidentStatusChanged)]
    assert [tuple(row) for row in found] == [
        (fact.incident_id, fact.action, fact.from_status, fact.status, fact.actor, fact.reason)
        for fact in sorted(changes, key=lambda fact: fact.incident_id)
    ]


@pytest.mark.parametrize("seed", range(6))
async def test_I9_an_alert_belongs_to_the_incident_that_has_it_after_merges_and_splits(
    database: str, seed: int
) -> None:
    world = played(300, seed=seed)
    await project(database, records(world.facts))
    expected = owners(world.facts)
    assert any(isinstance(fact, contract.AlertsAdopted) for fact in world.facts)
    reader = Reader(database)
    try:
        async with reader.connection() as connection:
            assert await incidents_of(connection, "default", list(expected)) == expected
            for incident_id in {fact.incident_id for fact in world.facts if isinstance(fact, contract.IncidentFact)}:
                where = alert_queries.conditions("default", AlertFilter(incident_id=incident_id))
                total = await listing.count(connection, alert_queries.ALERTS, where)
                assert total == sum(owner == incident_id for owner in expected.values()), incident_id
    finally:
        await reader.close()


FILTERS = {
    "status": ("open", "RESOLVED,closed", "INVESTIGATING"),
    "severity": ("critical", "info,error"),
    "source": SOURCES,
    "service": ("orders", "nowhere"),
    "team": ("storage",),
    "environment": ENVIRONMENTS,
    "assignee": ("bo", ""),
    "created_from": ("2025-06-15T15:12:00Z",),
    "created_to": ("2025-06-15T15:12:00Z",),
    "updated_from": ("2025-06-15T15:16:00Z",),
    "updated_to": ("2025-06-15T15:16:00Z",),
}
SINGLE = [{name: value} for name, values in FILTERS.items() for value in values]
PAIRS = [{**one, **other} for one, other in itertools.combinations(SINGLE, 2) if not one.keys() & other.keys()]


async def test_I3_every_filter_alone_and_in_pairs_is_a_plain_filter(database: str) -> None:
    await project(database, records(played(300, seed=13).facts))
    everything = await rows(database, "SELECT * FROM read_model.incidents")
    reader = Reader(database)
    try:
        async with reader.connection() as connection:
            for wanted in [{}, *SINGLE, *PAIRS]:
                for sort in ("-created_at", "alert_count"):
                    found = await listed(connection, wanted, sort)
                    expected = [row["incident_id"] for row in ordered(everything, sort) if admits(row, wanted)]
                    assert found == expected, wanted
                counted = await facets.count(
                    connection, "default", queries.INCIDENTS, _FACETS, queries.conditions, IncidentFilter(**wanted)
                )
                assert counted["status"] == facet(everything, "status", wanted)
                assert {one["value"] for one in counted["source"]} <= set(SOURCES)
    finally:
        await reader.close()


async def listed(connection: AsyncConnection, wanted: dict[str, str], sort: str) -> list[str]:
    """All pages by cursor; the total is right on each, and the pages by offset are the same."""
    found: list[str] = []
    cursor = None
    while True:
        asked = {**wanted, "limit": 7, "sort": sort}
        page = await queries.page(connection, "default", IncidentQuery.model_validate(asked | {"cursor": cursor}))
        ids = [row["incident_id"] for row in page.rows]
        again = await queries.page(connection, "default", IncidentQuery.model_validate(asked | {"offset": len(found)}))
        assert ([row["incident_id"] for row in again.rows], again.total) == (ids, page.total)
        found += ids
        cursor = page.next_cursor
        if cursor is None:
            assert page.total == len(found)
            return found


def ordered(everything: Sequence[Any], sort: str) -> list[Any]:
    column = sort.removeprefix("-")
    return sorted(everything, key=lambda row: (row[column], row["incident_id"]), reverse=sort.startswith("-"))


def facet(everything: Sequence[Any], name: str, wanted: dict[str, str]) -> list[dict[str, Any]]:
    others = {key: value for key, value in wanted.items() if key != name}
    values = [row[name] for row in everything if admits(row, others)]
    counted = [{"value": value, "count": values.count(value)} for value in sorted(set(values))]
    return sorted(counted, key=lambda one: -int(one["count"]))


def admits(row: Any, wanted: dict[str, str]) -> bool:
    for name, value in wanted.items():
        field, _, bound = name.rpartition("_")
        if bound in ("from", "to"):
            at = str(instant(row[f"{field}_at"]))
            if (at < value.replace("Z", ".000Z")) == (bound == "from"):
                return False
        elif name == "source":
            if value not in json.loads(row["sources"]):
                return False
        elif name in ("status", "severity"):
            if row[name].lower() not in value.lower().split(","):
                return False
        elif (row[name] or "") != value:
            return False
    return True
