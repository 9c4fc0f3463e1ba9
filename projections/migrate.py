"""Brings the database to the newest schema. Runs from any directory, and from a wheel."""

from __future__ import annotations

import asyncio
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tocsin.projections.tables import ADMINISTRATION

_LOCK: Final = 0x746F6373696E01  # "tocsin", 1


def engine_url(dsn: str) -> str:
    """The same database for SQLAlchemy on asyncpg."""
    scheme, separator, rest = dsn.partition("://")
    if not separator or scheme.split("+")[0] not in {"postgresql", "postgres"}:
        raise ValueError("a PostgreSQL DSN begins with postgresql://")
    return f"postgresql+asyncpg://{rest}"


def configuration(connection: Connection) -> Config:
    found = Config()
    found.set_main_option("script_location", "tocsin.projections:migrations")
    found.attributes["connection"] = connection
    return found


def upgrade(dsn: str) -> None:
    """Applies every missing migration; of several callers one works and the others wait for it.

    Blocks, and must not be called from a running event loop. Raises OSError or a database error when unreachable.
    """
    asyncio.run(_upgrade(dsn))


async def _upgrade(dsn: str) -> None:
    engine = create_async_engine(engine_url(dsn), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {ADMINISTRATION}"))
            await connection.commit()
            # the session's lock ends with the connection
            await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "head"))
            await connection.commit()
    finally:
        await engine.dispose()
