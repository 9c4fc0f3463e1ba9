"""A checksum per read model that does not depend on the order of rows: equal sums, equal tables.

Positions are among them, so that equal checksums also say that both have read the log as far.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
from sqlalchemy import Table

from tocsin.database import CONNECT_TIMEOUT_SECONDS
from tocsin.projections.tables import READ_MODEL, metadata

TABLES: Final[tuple[Table, ...]] = tuple(table for table in metadata.sorted_tables if table.schema == READ_MODEL)
# the text of a row depends on these
_SESSION: Final = {"timezone": "UTC", "datestyle": "ISO", "application_name": "tocsin-checksum"}


def checksums(dsn: str, schema: str = READ_MODEL) -> dict[str, str]:
    """``rows:sum`` of every table, all seen at one instant.

    Reads every row: seconds per million. Blocks. Raises OSError or a database error when unreachable.
    """
    return asyncio.run(read(dsn, schema))


async def read(dsn: str, schema: str = READ_MODEL) -> dict[str, str]:
    """As ``checksums``, for a running event loop."""
    connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_SECONDS, server_settings=_SESSION)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return {table.name: await _of(connection, schema, table) for table in TABLES}
    finally:
        await connection.close()


async def _of(connection: Any, schema: str, table: Table) -> str:
    # by name: a migrated table and a new one need not have their columns in the same order
    columns = ", ".join(f'"{name}"' for name in sorted(table.columns.keys()))
    row = await connection.fetchrow(
        f"SELECT count(*) AS rows, coalesce(sum(hashtextextended(ROW({columns})::text, 0)::numeric), 0) AS total"  # noqa: S608
        f" FROM {schema}.{table.name}"
    )
    return f"{row['rows']}:{row['total']}"
