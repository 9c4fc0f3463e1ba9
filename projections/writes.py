"""Bulk statements. Rows that may be there already travel as one array literal per column and become rows again inside
PostgreSQL; rows that are new are copied in, which costs it a quarter less.

Both as text: it costs half of what binary values do, since asyncpg asks every one for its type before it encodes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class Write:
    """``statement`` reads the rows from ``{changed}``; tables are unqualified: the connection's schema decides.

    columns: names and PostgreSQL types, in the order of a row. Instants come as RFC 3339 text.
    """

    name: str
    columns: Mapping[str, str]
    statement: str

    @cached_property
    def sql(self) -> str:
        arrays = ", ".join(f"${number}::text::{kind}[]" for number, kind in enumerate(self.columns.values(), 1))
        names = ", ".join(f'"{name}"' for name in self.columns)
        return self.statement.format(changed=f"unnest({arrays}) AS changed({names})")

    @cached_property
    def _literals(self) -> list[Callable[[Sequence[Any]], str]]:
        return [_LITERALS.get(kind, _quoted) for kind in self.columns.values()]

    async def run(self, connection: Any, rows: Sequence[Sequence[Any]]) -> None:
        """Raises database errors; a single bad value fails the whole statement."""
        if rows:
            columns = zip(*rows, strict=True)
            await connection.execute(
                self.sql, *[literal(column) for literal, column in zip(self._literals, columns, strict=True)]
            )


@dataclass(frozen=True, eq=False)
class Append:
    """``COPY`` of rows none of which is there yet: one that is fails them all. Columns as in ``Write``."""

    name: str
    table: str
    columns: Mapping[str, str]

    @cached_property
    def _fields(self) -> list[Callable[[Sequence[Any]], list[str]]]:
        return [_FIELDS.get(kind, _escaped_fields) for kind in self.columns.values()]

    async def run(self, connection: Any, rows: Sequence[Sequence[Any]]) -> None:
        """Raises database errors; a single bad value fails the whole statement."""
        if rows:
            columns = zip(*rows, strict=True)
            fields = [of_column(column) for of_column, column in zip(self._fields, columns, strict=True)]
            lines = "\n".join(map("\t".join, zip(*fields, strict=True)))
            # asyncpg takes bytes for the name of a file
            source = memoryview(f"{lines}\n".encode())
            await connection.copy_to_table(self.table, source=source, columns=list(self.columns), format="text")


Statement = Write | Append


# Column by column and, where no value is null, without a step of Python a value: a new ticket has some ninety.
def _plain(values: Sequence[Any]) -> str:
    if None in values:
        return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
    return "{" + ",".join(map(str, values)) + "}"


def _quoted(values: Sequence[Any]) -> str:
    if None in values:
        if values.count(None) == len(values):
            return "{" + ",".join(["NULL"] * len(values)) + "}"
        return "{" + ",".join(["NULL" if value is None else f'"{_escaped(value)}"' for value in values]) + "}"
    whole = "\0".join(values)
    if whole.count("\0") != len(values) - 1:  # one has a NUL itself, which PostgreSQL refuses
        return "{" + ",".join([f'"{_escaped(value)}"' for value in values]) + "}"
    return '{"' + _escaped(whole).replace("\0", '","') + '"}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _instants(values: Sequence[Any]) -> str:
    if None in values:
        return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"
    return '{"' + '","'.join(values) + '"}'


def _bytes(values: Sequence[Any]) -> str:
    return _quoted([None if value is None else f"\\x{value.hex()}" for value in values])


_LITERALS: Final[Mapping[str, Callable[[Sequence[Any]], str]]] = {
    "INTEGER": _plain,
    "SMALLINT": _plain,
    "BIGINT": _plain,
    "BOOLEAN": _plain,
    "TIMESTAMP WITH TIME ZONE": _instants,
    "BYTEA": _bytes,
}


# PostgreSQL manual, COPY, "Text Format": \N is null; a backslash stands before itself and for what ends a field.
_NULL: Final = "\\N"


def _plain_fields(values: Sequence[Any]) -> list[str]:
    if None in values:
        return [_NULL if value is None else str(value) for value in values]
    return list(map(str, values))


def _escaped_fields(values: Sequence[Any]) -> list[str]:
    if None in values:
        if values.count(None) == len(values):
            return [_NULL] * len(values)
        return [_NULL if value is None else _escaped_field(value) for value in values]
    whole = "\0".join(values)
    if whole.count("\0") != len(values) - 1:  # one has a NUL itself, which PostgreSQL refuses
        return [_escaped_field(value) for value in values]
    return _escaped_field(whole).split("\0")


def _escaped_field(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


_FIELDS: Final[Mapping[str, Callable[[Sequence[Any]], list[str]]]] = dict.fromkeys(
    ("INTEGER", "SMALLINT", "BIGINT", "BOOLEAN", "TIMESTAMP WITH TIME ZONE"), _plain_fields
)


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


def append(table: Table, *names: str) -> Append:
    """``COPY`` of the named columns, or of all that are not computed."""
    return Append(f"append {table.name}", table.name, columns_of(table, *names))


def qualified(table: Table) -> str:
    return f"{table.schema}.{table.name}"
