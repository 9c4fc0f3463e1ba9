"""The answers of commands: stored with the rows they speak of, then announced to whoever waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import asyncpg
import structlog

from tocsin.database import CONNECT_TIMEOUT_SECONDS, UNAVAILABLE
from tocsin.events.commands import Answer
from tocsin.projections.projection import Item, Key, Projection, Row
from tocsin.projections.tables import outcomes
from tocsin.projections.writes import Write, columns_of, qualified

CHANNEL: Final = "tocsin_outcomes"
KEPT: Final = "24 hours"
_NOTIFY_BYTES: Final = 7_900  # PostgreSQL's limit is 8,000
_EXPIRED_AT_ONCE: Final = 1_000
_EXPIRE_EVERY_SECONDS: Final = 15.0

log = structlog.get_logger(__name__)

_COLUMNS: Final = columns_of(
    outcomes, "workspace", "event_id", "domain", "fact_type", "subject_id", "request_digest", "fact", "document"
)
_INSERT: Final = Write(
    "insert outcomes",
    _COLUMNS,
    f"INSERT INTO {qualified(outcomes)} ({', '.join(_COLUMNS)})"  # noqa: S608 - constants
    f" SELECT {', '.join(_COLUMNS)} FROM {{changed}} ON CONFLICT DO NOTHING",
)
_EXPIRE: Final = f"""
DELETE FROM {qualified(outcomes)} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {qualified(outcomes)} WHERE decided_at < now() - interval '{KEPT}'
     ORDER BY decided_at LIMIT {_EXPIRED_AT_ONCE}))
"""  # noqa: S608


def answered(items: Iterable[Item]) -> Iterator[tuple[Item, Answer]]:
    for item in items:
        for answer in item.body.answers:
            yield item, answer


def announcements(items: Iterable[Item]) -> list[str]:
    """``workspace/event_id`` of every answer somebody waits for."""
    return [f"{item.workspace}/{answer.event_id}" for item, answer in answered(items) if answer.wait]


async def store(connection: Any, projection: Projection, items: Sequence[Item], *, documents: bool = True) -> int:
    """Stores the answers of these facts; with ``documents`` the entity as it is now goes with those waited for.

    Returns the number of answers. Runs in the transaction of the rows. An answer stored before stays as it is.
    """
    answers = list(answered(items))
    if not answers:
        return 0
    wanted: dict[int, Key] = {
        nth: (item.workspace, projection.subject(item.body))
        for nth, (item, answer) in enumerate(answers)
        if answer.wait and documents
    }
    found = await projection.documents(connection, set(wanted.values())) if wanted else {}
    rows = [
        _row(projection, item, answer, found.get(wanted[nth]) if nth in wanted else None)
        for nth, (item, answer) in enumerate(answers)
    ]
    await _INSERT.run(connection, rows)
    return len(rows)


def _row(projection: Projection, item: Item, answer: Answer, document: str | None) -> Row:
    return (
        item.workspace,
        answer.event_id,
        projection.domain,
        item.type,
        projection.subject(item.body),
        answer.request_digest,
        (item.record.value or b"").decode(),
        document,
    )


def notifications(announced: Iterable[str]) -> Iterator[str]:
    """The payloads of as few NOTIFYs as PostgreSQL's limit allows."""
    chunk: list[str] = []
    size = 0
    for one in announced:
        length = len(one.encode()) + 1
        if chunk and size + length > _NOTIFY_BYTES:
            yield " ".join(chunk)
            chunk, size = [], 0
        chunk.append(one)
        size += length
    if chunk:
        yield " ".join(chunk)


class Announcer:
    """A connection of its own: NOTIFY inside the projecting transaction would serialise all commits of the server.

    Losing an announcement loses nothing: who waits also looks into the table.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Any = None
        self._lock = asyncio.Lock()

    async def announce(self, announced: Sequence[str]) -> None:
        for payload in notifications(announced):
            await self._execute("SELECT pg_notify($1, $2)", CHANNEL, payload)

    async def expire(self) -> None:
        """Removes outcomes older than a day, a small batch at a time, until cancelled."""
        while True:
            removed = await self._execute(_EXPIRE)
            if removed != f"DELETE {_EXPIRED_AT_ONCE}":
                await asyncio.sleep(_EXPIRE_EVERY_SECONDS)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()

    async def _execute(self, statement: str, *arguments: Any) -> str | None:
        async with self._lock:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._dsn,
                        timeout=CONNECT_TIMEOUT_SECONDS,
                        command_timeout=CONNECT_TIMEOUT_SECONDS,
                        server_settings={"application_name": "tocsin-project-announce"},
                    )
                return str(await self._connection.execute(statement, *arguments))
            except UNAVAILABLE as error:
                log.info("not announced", error=type(error).__name__)
                await self.close()
                return None
