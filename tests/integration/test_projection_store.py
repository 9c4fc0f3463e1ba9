"""Batches on a real PostgreSQL: rows, positions, outcomes, poison; and that batching changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
import orjson
import pytest

from tests.unit.projections.fact_log import START_MS, TOPIC, FactLog, random_log
from tests.unit.projections.service_log import random_service_log
from tocsin.events import sla
from tocsin.events.commands import Answer
from tocsin.events.times import rfc3339
from tocsin.projections import checksum
from tocsin.projections.apply import PROJECTIONS
from tocsin.projections.positions import Move, PositionMoved
from tocsin.projections.projection import Record
from tocsin.projections.store import Batch, Projected, Store
from tocsin.projections.tables.ticket_search import words

pytestmark = pytest.mark.embedded


def batch(records: Sequence[Record], old: dict[tuple[str, int], int]) -> Batch:
    made = Batch(records=list(records))
    for (topic, partition), run in itertools.groupby(
        sorted(records, key=lambda one: one[:3]), key=lambda one: (one.topic, one.partition)
    ):
        last = list(run)[-1]
        made.moves.append(Move(topic, partition, old.get((topic, partition), 0), last.offset + 1))
        old[topic, partition] = last.offset + 1
    return made


async def project(dsn: str, records: Sequence[Record], size: int = 10_000, *, answers: bool = True) -> list[Projected]:
    """Projects the records from where the database is, in batches of ``size``."""
    store = Store(dsn, PROJECTIONS, name="projector", schema="read_model", answers=answers)
    try:
        old = await store.read_positions({(one.topic, one.partition) for one in records})
        return [await store.project(batch(records[at : at + size], old)) for at in range(0, len(records), size)]
    finally:
        await store.close()


async def rows(dsn: str, query: str, *arguments: Any) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query, *arguments))
    finally:
        await connection.close()


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_the_read_models_do_not_depend_on_where_batches_end(database: str, size: int) -> None:
    log = random_log(300, seed=size)
    await project(database, log.records)
    whole = await checksum.read(database)
    await rows(database, f"TRUNCATE {', '.join(f'read_model.{table.name}' for table in checksum.TABLES)}")
    await project(database, log.records, size)
    assert await checksum.read(database) == whole


ODD_TEXTS = ("tab\there", "two\nlines\r\nand\\more", "\\N", "\\.", 'a "quote", {braces}', "Größe ²½ 漢字 ‘x’", "", " ")


async def test_whatever_a_sender_writes_is_kept_as_it_is(database: str) -> None:
    log = FactLog()
    contexts = [orjson.dumps({"said": text}) for text in ODD_TEXTS]
    tickets = [
        log.opened("deploy", f"{nth} {text}", message=text, context=msgspec.Raw(context))
        for nth, (text, context) in enumerate(zip(ODD_TEXTS, contexts, strict=True))
    ]
    await project(database, log.records)
    found = {
        one["ticket_id"]: one
        for one in await rows(
            database,
            "SELECT ticket_id, identifier, message, context::text, tsvector_to_array(words) AS words"
            " FROM read_model.tickets JOIN read_model.ticket_search USING (workspace, ticket_id)",
        )
    }
    for ticket, text, context in zip(tickets, ODD_TEXTS, contexts, strict=True):
        one = found[ticket.ticket_id]
        assert (one["identifier"], one["message"], one["context"]) == (ticket.identifier, text, context.decode())
        assert set(one["words"]) == set(words("deploy", ticket.identifier, text).split())


async def test_a_ticket_that_is_opened_although_it_was_there_begins_again(database: str) -> None:
    """As after the loss of a state topic: the log and the read models remember more than the decisions."""
    log = FactLog()
    clock = sla.StartedClock(
        metric="resolution", target_ms=60_000, calendar="24x7", policy_version="v1", due_at=rfc3339(START_MS + 60_000)
    )
    ticket = log.opened(clocks=(clock,))
    log.changed(ticket, "done")
    await project(database, log.records)
    log.opened(message="again", clocks=(msgspec.structs.replace(clock, target_ms=90_000),))
    (done,) = await project(database, log.records[2:])
    assert done.errors == 0
    (one,) = await rows(database, "SELECT status, message FROM read_model.tickets")
    assert tuple(one) == ("open", "again")
    assert [one["target_ms"] for one in await rows(database, "SELECT target_ms FROM read_model.sla_clocks")] == [90_000]
    assert len(await rows(database, "SELECT 1 FROM read_model.ticket_history")) == 3


async def test_a_batch_that_does_not_begin_at_the_position_is_not_applied(database: str) -> None:
    log = random_log(20, seed=1)
    await project(database, log.records)
    before = await checksum.read(database)
    store = Store(database, PROJECTIONS, name="projector", schema="read_model", answers=True)
    with pytest.raises(PositionMoved):
        await store.project(batch(log.records, {}))
    await store.close()
    assert await checksum.read(database) == before


async def test_facts_projected_again_after_a_reset_change_no_ticket(database: str) -> None:
    log = random_log(200, seed=3)
    await project(database, log.records)
    before = await checksum.read(database)
    await rows(database, "UPDATE read_model.projection_offsets SET next_offset = 0")
    await project(database, log.records, 13)
    after = await checksum.read(database)
    same = set(after) - {"counters"}  # refusals have no row that would remember them
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


async def test_a_command_finds_its_outcome_with_the_ticket_as_it_became(database: str) -> None:
    log = FactLog()
    ticket = log.opened(context=msgspec.Raw(b'{"big":12345678901234567890123,"nul":"\\u0000"}'))
    log.changed(ticket, "done", answers=(Answer("e1", wait=True, request_digest="d1"),))
    log.refused(ticket.ticket_id, answers=(Answer("e2", wait=True), Answer("e3")))
    (done,) = await project(database, log.records)
    assert done.announced == ["default/e1", "default/e2"]
    first, second, third = await rows(database, "SELECT * FROM tocsin.outcomes ORDER BY event_id")
    assert (first["fact_type"], first["subject_id"]) == ("tocsin.tickets.StatusChanged.v1", ticket.ticket_id)
    assert first["request_digest"] == "d1"
    assert '{"big":12345678901234567890123,"nul":"\\u0000"}' in first["document"]
    assert orjson.loads(first["document"])["status"] == "done"
    assert second["document"] is not None
    assert third["document"] is None
    assert orjson.loads(first["fact"])["ticket_id"] == ticket.ticket_id


async def test_a_rebuild_writes_no_outcomes(database: str) -> None:
    log = FactLog()
    ticket = log.opened()
    log.changed(ticket, "done", answers=(Answer("e1", wait=True),))
    (done,) = await project(database, log.records, answers=False)
    assert done.announced == []
    assert await rows(database, "SELECT 1 FROM tocsin.outcomes") == []


async def test_poison_is_set_aside_and_the_rest_goes_on(database: str) -> None:
    log = random_log(40, seed=5)
    good = len(log.records)
    bad = log.opened("deploy", "nul \x00 here", answers=(Answer("e9", wait=True),))
    log.counted(bad)
    after = log.opened("deploy", "fine")
    (done,) = await project(database, log.records)
    assert done.errors == 2
    errors = await rows(database, 'SELECT * FROM tocsin.projection_errors ORDER BY "offset"')
    assert [one["offset"] for one in errors] == [one.offset for one in log.records[good : good + 2]]
    assert "CharacterNotInRepertoire" in errors[0]["reason"]
    assert errors[1]["reason"] == f"ticket {bad.ticket_id} was never opened"
    assert bytes(errors[0]["value"]) == log.records[good].value
    assert len(await rows(database, "SELECT 1 FROM read_model.tickets WHERE ticket_id = $1", after.ticket_id)) == 1
    (outcome,) = await rows(database, "SELECT * FROM tocsin.outcomes WHERE event_id = 'e9'")
    assert outcome["document"] is None
    assert done.announced == ["default/e9"]


async def test_what_is_no_fact_is_set_aside(database: str) -> None:
    log = FactLog()
    log.append(TOPIC, b"default/x", b"{}", [("ce_type", b"tocsin.tickets.Unheard.v1"), ("ce_workspace", b"default")])
    log.append(TOPIC, b"default/x", b'{"entity":1', [("ce_type", b"tocsin.tickets.TicketOpened.v1"),
                                                     ("ce_workspace", b"default"), ("odd", b"\x00\xff")])  # fmt: skip
    log.append(TOPIC, None, None, [])
    ticket = log.opened()
    (done,) = await project(database, log.records)
    assert done.errors == 3
    assert len(await rows(database, "SELECT 1 FROM tocsin.projection_errors")) == 3
    assert len(await rows(database, "SELECT 1 FROM read_model.tickets WHERE ticket_id = $1", ticket.ticket_id)) == 1


async def test_payloads_are_kept_once_and_only_under_their_digest(database: str) -> None:
    log = FactLog()
    digest = log.payload({"trace": "x" * 5000})
    log.payload({"trace": "x" * 5000})
    wrong = log.records[-1]._replace(key=b"0" * 64, offset=log.offset)
    (done,) = await project(database, [*log.records, wrong])
    assert done.errors == 1
    assert [one["digest"] for one in await rows(database, "SELECT digest FROM read_model.payloads")] == [digest]


async def test_a_context_too_deep_for_postgres_is_poison_alone(database: str) -> None:
    log = FactLog()
    deep = b"[" * 100_000 + b"]" * 100_000
    log.opened("deploy", "deep", context=msgspec.Raw(deep))
    fine = log.opened("deploy", "fine")
    (done,) = await project(database, log.records)
    assert done.errors == 1
    assert [one["ticket_id"] for one in await rows(database, "SELECT ticket_id FROM read_model.tickets")] == [
        fine.ticket_id
    ]


async def test_the_migrated_schema_is_that_of_the_tables(database: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import create_async_engine

    from tocsin.projections.migrate import engine_url
    from tocsin.projections.tables import metadata

    def differences(connection: Connection) -> list[Any]:
        options = {"include_schemas": True, "version_table_schema": "tocsin", "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    engine = create_async_engine(engine_url(database))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_a_migration_of_data_leaves_what_a_rebuild_would(database: str) -> None:
    """Of the last one, back and forth: tickets of several partitions, with clocks and without."""
    from alembic import command
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import create_async_engine

    from tocsin.projections.migrate import configuration, engine_url

    def back_and_forth(connection: Connection) -> None:
        command.downgrade(configuration(connection), "0009")
        command.upgrade(configuration(connection), "head")

    await project(database, random_service_log(120, seed=3, partition=3).records)
    for partition in (1, 2):
        await project(database, random_log(90, partition, partition=partition, workspace=f"w{partition}").records)
    before = await checksum.read(database)
    engine = create_async_engine(engine_url(database))
    async with engine.connect() as connection:
        await connection.run_sync(back_and_forth)
        await connection.commit()
    await engine.dispose()
    assert await checksum.read(database) == before
