"""Bulk statements: many rows travel as one array per column and become rows again inside PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class Write:
    """``statement`` reads the rows from ``{changed}``; tables are unqualified: the connection's schema decides.

    columns: names and PostgreSQL types, in the order of a row.
    """

    name: str
    columns: Mapping[str, str]
    statement: str

    @cached_property
    def sql(self) -> str:
        arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(self.columns.values(), 1))
        names = ", ".join(f'"{name}"' for name in self.columns)
        return self.statement.format(changed=f"unnest({arrays}) AS changed({names})")

    async def run(self, connection: Any, rows: Sequence[Sequence[Any]]) -> None:
        """Raises database errors; a single bad value fails the whole statement."""
        if rows:
            await connection.execute(self.sql, *map(list, zip(*rows, strict=True)))


def columns_of(table: Table, *names: str) -> dict[str, str]:
    """The named columns with their types; without names all that are not computed."""
    wanted = names or [column.name for column in table.columns if column.computed is None]
    return {name: table.columns[name].type.compile(_DIALECT) for name in wanted}


def insert(table: Table, on_conflict: str, *names: str) -> Write:
    """``INSERT … ON CONFLICT`` of the named columns, or of all that are not computed."""
    columns = columns_of(table, *names)
    listed = ", ".join(f'"{name}"' for name in columns)
    return Write(
        f"insert {table.name}",
        columns,
        f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM {{changed}} ON CONFLICT {on_conflict}",  # noqa: S608
    )


def qualified(table: Table) -> str:
    return f"{table.schema}.{table.name}"
