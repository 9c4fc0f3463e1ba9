"""One batch of records, one PostgreSQL transaction: positions, rows, outcomes. What cannot be applied is set aside.

No topic is named here; ``apply.PROJECTIONS`` says what each becomes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import structlog

from tocsin.database import CONNECT_TIMEOUT_SECONDS
from tocsin.projections import errors, outcomes, positions
from tocsin.projections.positions import Move, Partition
from tocsin.projections.projection import Item, Projection, Record, Rejected, Undecodable

log = structlog.get_logger(__name__)

# A projector that hangs must not hold locks; every statement finds its rows by primary key, so plans made before a
# table grew must not scan it. A crash of the server may take the last commits with it: rows, outcomes and positions
# go together and are projected again from the log.
SESSION: Final[Mapping[str, str]] = {
    "idle_in_transaction_session_timeout": "2s",
    "lock_timeout": "3s",
    "synchronous_commit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
_TRANSACTION_TIMEOUT: Final = "SELECT set_config('transaction_timeout', '10s', false)"
_COMMAND_TIMEOUT_SECONDS: Final = 15.0
_POISON_CLASSES: Final = frozenset({"22", "23", "54"})  # data, constraint, program limit


@dataclass(slots=True)
class Batch:
    """Records of some partitions, each run in the order of its log and beginning at its ``old`` position."""

    moves: list[Move] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class Projected:
    """What a committed batch did.

    announced: answers somebody waits for, as ``workspace/event_id``; instants: how many facts were decided when.
    """

    rows: int = 0
    errors: int = 0
    instants: Counter[str] = field(default_factory=Counter)
    announced: list[str] = field(default_factory=list)


class Store:
    """One connection, made anew when lost. ``schema``: where the read models are; ``answers``: outcomes are written."""

    def __init__(
        self,
        dsn: str,
        projections: Sequence[Projection],
        *,
        name: str,
        schema: str,
        answers: bool,
    ) -> None:
        self._dsn = dsn
        self._projections = {one.topic: one for one in projections}
        self._name = name
        self._schema = schema
        self._answers = answers
        self._connection: Any = None

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()

    async def read_positions(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Raises database errors."""
        connection = await self._connected()
        return await positions.read(connection, self._name, partitions)

    async def project(self, batch: Batch) -> Projected:
        """Applies a batch, whole or not at all.

        Raises PositionMoved when somebody else moved on, and database errors; after either nothing is applied, or,
        when the connection broke in the commit, all of it: the next attempt then raises PositionMoved.
        """
        items, undecodable = self._decode(batch.records)
        connection = await self._connected()
        done = Projected()
        try:
            async with connection.transaction():
                await positions.move(connection, self._name, batch.moves)
                await errors.store(connection, self._name, undecodable)
                for projection, run in items:
                    await self._apply(connection, projection, run, done)
        except asyncpg.InternalClientError:
            connection.terminate()  # it would refuse every further operation, and not say that it is closed
            raise
        done.errors += len(undecodable)
        return done

    def _decode(self, records: Sequence[Record]) -> tuple[list[tuple[Projection, list[Item]]], list[errors.Failed]]:
        by_topic: dict[str, list[Item]] = {}
        failed: list[errors.Failed] = []
        for record in records:
            try:
                by_topic.setdefault(record.topic, []).append(self._projections[record.topic].decode(record))
            except Undecodable as error:
                failed.append(errors.Failed(record, str(error)))
        return [(self._projections[topic], items) for topic, items in by_topic.items()], failed

    async def _apply(self, connection: Any, projection: Projection, items: Sequence[Item], done: Projected) -> None:
        """Halves what fails until the record that is to blame stands alone; the rest goes on in order."""
        if not items:
            return
        try:
            async with connection.transaction():
                written, rejected = await self._write(connection, projection, items)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            if not _is_poison(error):
                raise
            if len(items) > 1:
                middle = len(items) // 2
                await self._apply(connection, projection, items[:middle], done)
                await self._apply(connection, projection, items[middle:], done)
                return
            written, rejected = 0, [Rejected(items[0], f"{type(error).__name__}: {error}")]
            await self._answer_poison(connection, projection, items)
        await errors.store(connection, self._name, [errors.Failed(one.item.record, one.reason) for one in rejected])
        done.rows += written
        done.errors += len(rejected)
        if self._answers and projection.facts:
            done.announced += outcomes.announcements(items)
            done.instants.update(item.body.at for item in items)

    async def _write(
        self, connection: Any, projection: Projection, items: Sequence[Item]
    ) -> tuple[int, list[Rejected]]:
        before = await projection.read(connection, items)
        changes = projection.apply(items, before)
        written = 0
        for write, rows in changes.rows:
            await write.run(connection, rows)
            written += len(rows)
        if self._answers and projection.facts:
            written += await outcomes.store(connection, projection, items)
        return written, changes.rejected

    async def _answer_poison(self, connection: Any, projection: Projection, items: Sequence[Item]) -> None:
        """The decision stands although it cannot be shown: its client still learns of it."""
        if not (self._answers and projection.facts):
            return
        try:
            async with connection.transaction():
                await outcomes.store(connection, projection, items, documents=False)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            if not _is_poison(error):
                raise

    async def _connected(self) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_TIMEOUT_SECONDS,
                command_timeout=_COMMAND_TIMEOUT_SECONDS,
                server_settings={
                    "application_name": f"tocsin-{self._name}",
                    "search_path": self._schema,
                    **SESSION,
                },
            )
            if self._connection.get_server_version().major >= 17:
                await self._connection.execute(_TRANSACTION_TIMEOUT)
        return self._connection


def _is_poison(error: Exception) -> bool:
    """The data is to blame: trying again would fail again. Everything else may pass."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "22")[:2] in _POISON_CLASSES
    return isinstance(error, ValueError)
