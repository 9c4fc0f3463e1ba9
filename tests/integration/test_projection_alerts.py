"""Alerts on a real PostgreSQL: rows are what the decisions know, wherever batches end; lists against a plain filter."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.integration.test_projection_store import project, rows
from tests.unit.domain.alert_story import Story, word
from tocsin.api.queries import alerts as queries
from tocsin.api.queries.alert_filter import AlertQuery
from tocsin.api.queries.reader import Reader
from tocsin.events import alerts as contract
from tocsin.events.identity import alert_entity, record_key
from tocsin.events.topics import facts_topic
from tocsin.projections import checksum
from tocsin.projections.projection import Record
from tocsin.projections.tables.tickets import instant

pytestmark = pytest.mark.embedded

TOPIC = facts_topic("alerts")
TYPES = {cls: name for name, cls in contract.FACTS.items()}
TRANSITIONS = ("triggered", "triggered", "resolved", "acknowledged", "repeated")
SOURCES, SERVICES, ENVIRONMENTS = ("sentry", "datadog"), ("orders", "payments", ""), ("production", "staging")
SEVERITIES = ("critical", "error", "warning", "info", None)


def told(count: int, seed: int) -> tuple[list[Record], dict[str, Story]]:
    """Words of random alerts decided one after the other: the facts as records, and what was decided by fingerprint."""
    chance = random.Random(seed)
    stories: dict[str, Story] = {}
    records: list[Record] = []
    for version in range(count):
        fingerprint = f"alert-{chance.randrange(12)}"
        entity = alert_entity("default", fingerprint)
        story = stories.setdefault(fingerprint, Story(entity=entity))
        event = word(chance.choice(TRANSITIONS), chance.randrange(60), chance.choice(("", "x", "y")))
        event = msgspec.structs.replace(
            event,
            source=chance.choice(SOURCES),
            fingerprint=fingerprint,
            service=chance.choice(SERVICES),
            environment=chance.choice(ENVIRONMENTS),
            severity=chance.choice(SEVERITIES),
        )
        for fact in story.hear(event, offset=version, duplicate=chance.random() < 0.1):
            headers = [("ce_type", TYPES[type(fact)].encode()), ("ce_workspace", b"default")]
            key = record_key("default", entity)
            records.append(Record(TOPIC, 0, len(records), story.now, key, msgspec.json.encode(fact), headers))
    return records, stories


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_X1_alert_rows_do_not_depend_on_where_batches_end(database: str, size: int) -> None:
    records, _ = told(300, seed=size)
    await project(database, records)
    whole = await checksum.read(database)
    await rows(database, f"TRUNCATE {', '.join(f'read_model.{table.name}' for table in checksum.TABLES)}")
    await project(database, records, size)
    assert await checksum.read(database) == whole
    assert not await rows(database, "SELECT * FROM tocsin.projection_errors")


async def test_I2_the_newest_row_of_a_fingerprint_is_what_was_decided(database: str) -> None:
    records, stories = told(400, seed=5)
    await project(database, records)
    for story in stories.values():
        if story.state is None or story.state.episode is None:
            continue
        episode = story.state.episode
        (row,) = await rows(
            database, "SELECT * FROM read_model.alerts WHERE alert_id = $1", story.state.alert_id(episode.number)
        )
        found = row["status"], row["severity"], row["occurrences"], row["deliveries"], row["version"]
        wanted = episode.status, episode.severity, episode.occurrences, episode.deliveries, episode.version
        assert found == wanted


FILTERS = {
    "status": ("firing", "resolved"),
    "severity": ("critical", "info"),
    "source": SOURCES,
    "service": ("orders", "nowhere"),
    "environment": ENVIRONMENTS,
    "fingerprint": ("alert-3",),
    "created_from": ("2025-06-15T15:06:50Z",),
    "created_to": ("2025-06-15T15:06:50Z",),
    "updated_from": ("2025-06-15T15:07:00Z",),
    "updated_to": ("2025-06-15T15:07:00Z",),
}


async def test_I6_every_filter_alone_and_in_pairs_is_a_plain_filter(database: str) -> None:
    records, _ = told(300, seed=9)
    await project(database, records)
    everything = await rows(database, "SELECT * FROM read_model.alerts")
    single = [{name: value} for name, values in FILTERS.items() for value in values]
    pairs = [{**one, **other} for one, other in itertools.combinations(single, 2) if not one.keys() & other.keys()]
    reader = Reader(database)
    try:
        async with reader.connection() as connection:
            for wanted in [{}, *single, *pairs]:
                found = await listed(connection, wanted)
                expected = [row["alert_id"] for row in newest_first(everything) if admits(row, wanted)]
                assert found == expected, wanted
    finally:
        await reader.close()


async def listed(connection: AsyncConnection, wanted: dict[str, str]) -> list[str]:
    """All pages, one after the other; the total is right on each."""
    found: list[str] = []
    while True:
        query = AlertQuery.model_validate({**wanted, "limit": 7, "offset": len(found)})
        page, _ = await queries.page(connection, "default", query)
        found += [row["alert_id"] for row in page.rows]
        if len(page.rows) < 7 or len(found) >= page.total:
            assert page.total == len(found)
            return found


def newest_first(everything: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(everything, key=lambda row: (row["created_at"], row["alert_id"]), reverse=True)


def admits(row: dict[str, object], wanted: dict[str, str]) -> bool:
    for name, value in wanted.items():
        field, _, bound = name.rpartition("_")
        if bound in ("from", "to"):
            at = str(instant(row[f"{field}_at"]))  # type: ignore[arg-type]
            if (at < value.replace("Z", ".000Z")) == (bound == "from"):
                return False
        elif row[name] != value:
            return False
    return True
