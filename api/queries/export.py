"""Whole lists as files: read page by page along an index, so that neither memory nor a statement grows with them."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, select
from sqlalchemy.engine import RowMapping

from tocsin.api.queries.listing import Listing, after
from tocsin.api.queries.reader import Reader

ROWS_AT_ONCE: Final = 500
MEDIA_TYPES: Final = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
# A cell that begins like this is run as a formula by spreadsheets: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

Document = Callable[[Mapping[Any, Any]], Mapping[str, Any]]


async def rows(
    reader: Reader, listing: Listing, where: Collection[ColumnElement[bool]], sort: str
) -> AsyncIterator[Sequence[RowMapping]]:
    """Every row in the order of ``sort``, some at a time. A row that moves in that order meanwhile may be missed."""
    columns = listing.columns(sort)
    statement = select(listing.table).where(*where).order_by(*listing.order(sort)).limit(ROWS_AT_ONCE)
    following = statement
    while True:
        async with reader.connection() as connection:
            found = (await connection.execute(following)).mappings().all()
        if found:
            yield found
        if len(found) < ROWS_AT_ONCE:
            return
        following = statement.where(after(listing, sort, [found[-1][column.name] for column in columns]))


async def as_json(pages: AsyncIterator[Sequence[RowMapping]], document: Document) -> AsyncIterator[bytes]:
    """One JSON array."""
    separator = b"["
    async for page in pages:
        yield separator + b",\n".join(orjson.dumps(document(row)) for row in page)
        separator = b",\n"
    yield b"[]\n" if separator == b"[" else b"]\n"


async def as_csv(
    pages: AsyncIterator[Sequence[RowMapping]], document: Document, columns: Sequence[str]
) -> AsyncIterator[bytes]:
    """RFC 4180 with a header line. Objects and arrays are cells with their JSON; an empty cell is a null."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    async for page in pages:
        for row in page:
            found = document(row)
            writer.writerow([_cell(found.get(column)) for column in columns])
        yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    written = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return written


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return orjson.dumps(value).decode()
