"""One way to page through a list: exact total, offset or cursor, the id as tie-break; any table, any filter."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Column, ColumnElement, Select, Table, func, literal, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries import cursor as cursors
from tocsin.problems import FieldError, invalid


class Paged(Protocol):
    """What a query says of its page; ``sort``: a name of the listing, ``-`` before it for descending."""

    @property
    def limit(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def cursor(self) -> str | None: ...
    @property
    def sort(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """A table as a list. ``id``: unique within a workspace; ``sorts``: what it can be sorted by, none of it null."""

    table: Table
    id: Column[Any]
    sorts: Mapping[str, Column[Any]]

    def order(self, sort: str) -> list[ColumnElement[Any]]:
        columns = self.columns(sort)
        return [column.desc() if sort.startswith("-") else column.asc() for column in columns]

    def columns(self, sort: str) -> tuple[Column[Any], Column[Any]]:
        return self.sorts[sort.removeprefix("-")], self.id


@dataclass(frozen=True, slots=True)
class Page:
    """``total``: rows of the whole list, exactly."""

    rows: Sequence[RowMapping]
    total: int
    next_cursor: str | None


async def page(
    connection: AsyncConnection,
    listing: Listing,
    where: Collection[ColumnElement[bool]],
    query: Paged,
    kept_count: Select[Any] | None = None,
) -> Page:
    """Raises Problem 422 for a cursor that is none, and what the reader raises.

    kept_count: tells the total without counting the rows.
    """
    found = (await connection.execute(_statement(listing, where, query))).mappings().all()
    rows = found[: query.limit]
    if query.cursor is None and len(found) <= query.limit and (found or not query.offset):
        return Page(rows, query.offset + len(found), None)  # the last page knows the total without counting
    if kept_count is None:
        total = await count(connection, listing, where)
    else:
        total = int((await connection.execute(kept_count)).scalar_one())
    return Page(rows, total, _cursor_after(listing, rows[-1], query) if len(found) > query.limit else None)


async def count(connection: AsyncConnection, listing: Listing, where: Collection[ColumnElement[bool]]) -> int:
    statement = select(func.count()).select_from(listing.table).where(*where)
    return int((await connection.execute(statement)).scalar_one())


def _statement(listing: Listing, where: Collection[ColumnElement[bool]], query: Paged) -> Select[Any]:
    """One row more than the page, which tells whether there is another."""
    statement = select(listing.table).where(*where).order_by(*listing.order(query.sort)).limit(query.limit + 1)
    if query.cursor is None:
        return statement.offset(query.offset or None)
    return statement.where(after(listing, query.sort, _values(listing, query)))


def after(listing: Listing, sort: str, values: Sequence[Any]) -> ColumnElement[bool]:
    """The rows that come later in the order than the one with these values."""
    columns = listing.columns(sort)
    there = tuple_(*(literal(value, column.type) for value, column in zip(values, columns, strict=True)))
    return tuple_(*columns) < there if sort.startswith("-") else tuple_(*columns) > there


# --- cursors --------------------------------------------------------------------------------------------------------


def _cursor_after(listing: Listing, row: RowMapping, query: Paged) -> str:
    values = [row[column.name] for column in listing.columns(query.sort)]
    return cursors.encode(query.sort, [_plain(value) for value in values])


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _values(listing: Listing, query: Paged) -> list[Any]:
    kinds = [column.type.python_type for column in listing.columns(query.sort)]
    given = cursors.decode(query.cursor or "", query.sort, [str if kind is datetime else kind for kind in kinds])
    try:
        return [
            datetime.fromisoformat(value) if kind is datetime else value
            for kind, value in zip(kinds, given, strict=True)
        ]
    except ValueError:
        raise invalid([FieldError("cursor", "bad_cursor", "the cursor is none of ours")]) from None


def within(wanted: Any, *columns: Column[Any]) -> list[ColumnElement[bool]]:
    """The conditions of ``<name>_from`` (inclusive) and ``<name>_to`` (exclusive) for columns ``<name>_at``."""
    found: list[ColumnElement[bool]] = []
    for column in columns:
        name = column.name.removesuffix("_at")
        if (since := getattr(wanted, f"{name}_from")) is not None:
            found.append(column >= since)
        if (until := getattr(wanted, f"{name}_to")) is not None:
            found.append(column < until)
    return found
