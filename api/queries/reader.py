"""Connections for queries: short statements on a pool, and one answer for a database that is away or too slow."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin import database
from tocsin.problems import unavailable

STATEMENT_TIMEOUT_SECONDS: Final = 2
# A plan made for any value would be wrong for the rare and the common ones alike.
_SESSION: Final = (
    f"SET statement_timeout = '{STATEMENT_TIMEOUT_SECONDS}s'",
    "SET plan_cache_mode = force_custom_plan",
    "SET jit = off",
    # a report sorts the times of some hundred thousand clocks, which should not go through files
    "SET work_mem = '16MB'",
)


class Reader:
    """The pool of one process; connects on first use."""

    def __init__(self, dsn: str, *, size: int = 10) -> None:
        self.engine = _engine(dsn, size)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection without a transaction. Raises Problem 503 when PostgreSQL is away, full or too slow."""
        try:
            async with self.engine.connect() as connection:
                yield connection
        except (*database.UNAVAILABLE, PoolTimeout):
            raise unavailable("The read models cannot be reached") from None
        except DBAPIError as error:
            if isinstance(_cause(error), asyncpg.QueryCanceledError):
                raise unavailable("The query took too long; narrow it down") from None
            if error.connection_invalidated or isinstance(_cause(error), database.UNAVAILABLE):
                raise unavailable("The read models cannot be reached") from None
            raise

    async def close(self) -> None:
        await self.engine.dispose()


def _cause(error: DBAPIError) -> BaseException | None:
    return None if error.orig is None else error.orig.__cause__ or error.orig


def _engine(dsn: str, size: int) -> AsyncEngine:
    engine = database.engine(
        dsn,
        application="api",
        size=size,
        isolation_level="AUTOCOMMIT",
        pool_timeout=3,
        # JSON goes to the client as it was stored: numbers too big for Python's floats survive
        json_deserializer=str,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for statement in _SESSION:
            cursor.execute(statement)
        cursor.close()

    return engine
