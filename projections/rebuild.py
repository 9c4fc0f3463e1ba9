"""Builds every read model anew from the log, beside the one that serves, then exchanges the two.

The new model is a schema of its own, filled by the same code as the live one. An interrupted rebuild leaves a schema
that nobody reads; the next one removes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from tocsin.broker import administration
from tocsin.database import CONNECT_TIMEOUT_SECONDS, sqlalchemy_url
from tocsin.errors import StartError
from tocsin.kafka_security import client_options, stop_client
from tocsin.projections.apply import PROJECTIONS
from tocsin.projections.checksum import TABLES
from tocsin.projections.feed import CONSUMER, batch_of
from tocsin.projections.positions import Partition
from tocsin.projections.projection import Projection
from tocsin.projections.projector import MAX_RECORDS, NAME
from tocsin.projections.store import Store
from tocsin.projections.tables import READ_MODEL

log = structlog.get_logger(__name__)

Progress = Callable[[int, int], None]
"""Called with offsets done and offsets in all; the end moves while the log is written."""

NEXT: Final = f"{READ_MODEL}_next"
OLD: Final = f"{READ_MODEL}_old"
_LOCK: Final = 0x746F6373696E02  # "tocsin", 2
_SWAP_SECONDS: Final = 2.0
_SWAP_ATTEMPTS: Final = 10
_POLL_MS: Final = 250


def rebuild(dsn: str, bootstrap: str, progress: Progress = lambda done, total: None) -> None:
    """Rebuilds and exchanges; the live projector and all readers go on meanwhile. Blocks.

    Raises StartError when another rebuild runs, Kafka does not answer or no longer has the whole log, and database
    errors.
    """
    asyncio.run(run(dsn, bootstrap, progress))


async def run(
    dsn: str,
    bootstrap: str,
    progress: Progress = lambda done, total: None,
    projections: Sequence[Projection] = PROJECTIONS,
) -> None:
    """As ``rebuild``, for a running event loop."""
    async with _alone(dsn) as connection, _replay(dsn, bootstrap, progress, projections) as replay:
        await _create_schema(connection, dsn)
        await replay.catch_up()
        # rows are added much faster before the indexes are there; what came meanwhile is caught up after
        await _index(connection, dsn)
        await replay.catch_up()
        await _exchange(connection, replay)
        await _drop(connection, OLD)
        log.info("read models rebuilt", errors=replay.errors)


@contextlib.asynccontextmanager
async def _alone(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_SECONDS, server_settings={"application_name": "tocsin-rebuild"}
    )
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            raise StartError("Another rebuild of the read models is running.")
        yield connection
    finally:
        await _leave(connection)


async def _leave(connection: Any) -> None:
    """Until the server has let go of the lock; one that was only cut may hold it for a moment longer."""
    try:
        await connection.close(timeout=CONNECT_TIMEOUT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


# --- the log --------------------------------------------------------------------------------------------------------


class Replay:
    """Applies the log from its beginning to the new schema."""

    def __init__(self, consumer: Any, store: Store, partitions: list[TopicPartition], progress: Progress) -> None:
        self._consumer = consumer
        self._store = store
        self._partitions = partitions
        self._progress = progress
        self.positions: dict[Partition, int] = {}
        self.errors = 0

    async def catch_up(self) -> None:
        """To the end of the log as it is when this begins. Raises KafkaError and database errors."""
        if not self.positions:
            self.positions = await self._store.read_positions([(one.topic, one.partition) for one in self._partitions])
        ends = await self._consumer.end_offsets(self._partitions)
        while await self._read_to() < sum(ends.values()):
            await self._more()
            done = await self._read_to()
            self._progress(done, max(done, sum(ends.values())))

    async def reach(self, wanted: Mapping[Partition, int], seconds: float) -> bool:
        """Until every position is at least as wanted; False when that took too long."""
        deadline = time.monotonic() + seconds
        while any(self.positions.get(partition, 0) < offset for partition, offset in wanted.items()):
            if time.monotonic() > deadline:
                return False
            await self._more()
        return True

    async def _read_to(self) -> int:
        return sum([await self._consumer.position(one) for one in self._partitions])

    async def _more(self) -> None:
        fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=MAX_RECORDS)
        batch = batch_of(fetched, self.positions)
        if batch.moves:
            done = await self._store.project(batch)
            self.errors += done.errors
            self.positions.update({(move.topic, move.partition): move.new for move in batch.moves})


@contextlib.asynccontextmanager
async def _replay(
    dsn: str, bootstrap: str, progress: Progress, projections: Sequence[Projection]
) -> AsyncIterator[Replay]:
    consumer = AIOKafkaConsumer(**client_options(), bootstrap_servers=bootstrap, **CONSUMER)
    store = Store(dsn, projections, name=NAME, schema=NEXT, answers=False)
    try:
        await consumer.start()
        partitions = await _partitions(bootstrap, projections)
        consumer.assign(partitions)
        for one in partitions:
            consumer.seek(one, 0)
        await _check_whole(consumer, partitions)
        yield Replay(consumer, store, partitions, progress)
    except KafkaError as error:
        raise StartError(f"The log cannot be read: {type(error).__name__}.") from error
    finally:
        await stop_client(consumer)
        await store.close()


async def _partitions(bootstrap: str, projections: Sequence[Projection]) -> list[TopicPartition]:
    async with administration(bootstrap) as admin:
        described = await admin.describe_topics([one.topic for one in projections])
    for topic in described:
        if topic["error_code"]:
            raise StartError(f"There is no topic {topic['topic']}.")
    return sorted(
        TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]
    )


async def _check_whole(consumer: Any, partitions: list[TopicPartition]) -> None:
    for partition, beginning in (await consumer.beginning_offsets(partitions)).items():
        if beginning > 0:
            raise StartError(
                f"{partition.topic}[{partition.partition}] begins at {beginning}: what was before is gone, so a rebuilt"
                " read model would lack it."
            )


# --- the schema -----------------------------------------------------------------------------------------------------


async def _create_schema(connection: Any, dsn: str) -> None:
    await _drop(connection, OLD)
    await _drop(connection, NEXT)
    await connection.execute(f"CREATE SCHEMA {NEXT}")
    await _define(dsn, lambda there: [there.execute(CreateTable(table)) for table in TABLES])


async def _index(connection: Any, dsn: str) -> None:
    await _define(dsn, lambda there: [there.execute(CreateIndex(index)) for table in TABLES for index in table.indexes])
    for table in TABLES:
        await connection.execute(f"ANALYZE {NEXT}.{table.name}")


async def _define(dsn: str, statements: Callable[[Connection], object]) -> None:
    engine = create_async_engine(sqlalchemy_url(dsn), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            there = await connection.execution_options(schema_translate_map={READ_MODEL: NEXT})
            await there.run_sync(statements)
            await there.commit()
    finally:
        await engine.dispose()


async def _exchange(connection: Any, replay: Replay) -> None:
    """Exchanges the schemas when the new one shows at least what the old one showed.

    The live positions are locked meanwhile, so no batch is under way; the projector waits, then finds the positions of
    the new schema.
    """
    for _ in range(_SWAP_ATTEMPTS):
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(f"LOCK TABLE {READ_MODEL}.projection_offsets IN EXCLUSIVE MODE")
            if await replay.reach(await _live_positions(connection), _SWAP_SECONDS):
                await connection.execute(f"ALTER SCHEMA {READ_MODEL} RENAME TO {OLD}")
                await connection.execute(f"ALTER SCHEMA {NEXT} RENAME TO {READ_MODEL}")
                return
        await replay.catch_up()
    raise StartError("The log is written faster than it can be replayed; try again when it is quieter.")


async def _live_positions(connection: Any) -> dict[Partition, int]:
    rows = await connection.fetch(
        f"SELECT topic, partition, next_offset FROM {READ_MODEL}.projection_offsets WHERE projection = $1",  # noqa: S608
        NAME,
    )
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def _drop(connection: Any, schema: str) -> None:
    """Waits for readers of the dropped tables as long as a query may last."""
    await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
