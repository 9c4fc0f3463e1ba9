"""All SQL about tickets: pages, totals, one ticket with what belongs to it. Every statement is bound to a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, cast, exists, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries import cursor as cursors
from tocsin.api.queries.ticket_filter import SortField, TicketFilter, TicketQuery
from tocsin.events.vocabulary import TICKET_STATUSES
from tocsin.problems import FieldError, invalid
from tocsin.projections.tables import (
    payloads,
    ticket_counts,
    ticket_history,
    ticket_occurrences,
    ticket_search,
    tickets,
)
from tocsin.projections.tables.ticket_search import search_query

HISTORY_SHOWN: Final = 200
HOURS_SHOWN: Final = 168

_t = tickets.c
# The index sorts updates by the second; what shares a second is sorted while reading.
_SORT_COLUMNS: Final[dict[SortField, tuple[ColumnElement[Any], ...]]] = {
    "created_at": (_t.created_at, _t.ticket_id),
    "updated_at": (_t.updated_second, _t.updated_at, _t.ticket_id),
    "severity": (_t.severity_rank, _t.ticket_id),
}


@dataclass(frozen=True, slots=True)
class Page:
    """``total``: rows of the whole list, exactly."""

    rows: Sequence[RowMapping]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Detail:
    """``payload``: the body of a context over 4 KiB; None when there is none, or when it has not arrived yet."""

    row: RowMapping
    payload: str | None
    history: Sequence[RowMapping]
    hours: Sequence[RowMapping]


async def page(connection: AsyncConnection, workspace: str, query: TicketQuery) -> Page:
    """Raises Problem 422 for a cursor that is none, and what the reader raises."""
    found = (await connection.execute(_page(workspace, query))).mappings().all()
    rows = found[: query.limit]
    # the last page knows the total without counting
    total = query.offset + len(found) if _is_last(query, found) else await count(connection, workspace, query)
    more = len(found) > query.limit
    return Page(rows, total, _cursor_after(rows[-1], query) if more else None)


def _is_last(query: TicketQuery, found: Sequence[RowMapping]) -> bool:
    reached = bool(found) or query.offset == 0
    return query.cursor is None and reached and len(found) <= query.limit


async def count(connection: AsyncConnection, workspace: str, wanted: TicketFilter) -> int:
    """How many tickets the filter admits: from the kept counts where they suffice, else by counting."""
    statement = _kept_count(workspace, wanted) if _is_counted(wanted) else _counting(workspace, wanted)
    return int((await connection.execute(statement)).scalar_one())


async def detail(connection: AsyncConnection, workspace: str, ticket_id: str) -> Detail | None:
    """One ticket, hidden or not; None when this workspace has none of that id."""
    one = select(tickets).where(_t.workspace == workspace, _t.ticket_id == ticket_id)
    row = (await connection.execute(one)).mappings().one_or_none()
    if row is None:
        return None
    payload = None
    if row["context"] is None and row["context_digest"]:
        body = select(payloads.c.body).where(payloads.c.digest == row["context_digest"])
        payload = (await connection.execute(body)).scalar_one_or_none()
    history = (await connection.execute(_history(workspace, ticket_id))).mappings().all()
    hours = (await connection.execute(_hours(workspace, ticket_id))).mappings().all()
    return Detail(row, payload, history[::-1], hours[::-1])


# --- statements -----------------------------------------------------------------------------------------------------


def _page(workspace: str, query: TicketQuery) -> Select[Any]:
    columns = _SORT_COLUMNS[query.field]
    order = [column.desc() if query.descending else column.asc() for column in columns]
    statement = select(tickets).where(*_conditions(workspace, query)).order_by(*order).limit(query.limit + 1)
    if query.cursor is None:
        return statement.offset(query.offset) if query.offset else statement
    after = tuple_(*(literal(value, column.type) for value, column in zip(_after(query), columns, strict=True)))
    place = tuple_(*columns)
    return statement.where(place < after if query.descending else place > after)


def _conditions(workspace: str, wanted: TicketFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_t.workspace == workspace]
    if not wanted.include_hidden:
        found.append(~_t.hidden)
    if wanted.status and set(wanted.status) != set(TICKET_STATUSES):
        found.append(_one_of(_t.status, wanted.status))
    if wanted.severity:
        found.append(_one_of(_t.severity_rank, [_RANKS[severity] for severity in wanted.severity]))
    for column in (_t.workflow, _t.identifier, _t.source):
        if (value := getattr(wanted, column.name)) is not None:
            found.append(column == value)
    found += _within(_t.created_at, wanted.created_from, wanted.created_to)
    found += _within(_t.updated_at, wanted.updated_from, wanted.updated_to)
    # the index knows only seconds
    found += _within(_t.updated_second, _second(wanted.updated_from), None)
    if wanted.q and wanted.q.strip():
        found.append(_matches(wanted.q))
    return found


_RANKS: Final = {"critical": 4, "error": 3, "warning": 2, "info": 1}


def _one_of(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _within(column: ColumnElement[Any], since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if since is not None:
        found.append(column >= since)
    if until is not None:
        found.append(column < until)
    return found


def _second(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(microsecond=0)


def _matches(q: str) -> ColumnElement[bool]:
    s = ticket_search.c
    return exists().where(
        and_(
            s.workspace == _t.workspace,
            s.ticket_id == _t.ticket_id,
            s.words.op("@@")(cast(literal(search_query(q)), TSQUERY)),
        )
    )


def _is_counted(wanted: TicketFilter) -> bool:
    """Whether the kept counts answer it: at most one of workflow and source, no text and no times."""
    narrowed = (
        wanted.identifier,
        wanted.q,
        wanted.created_from,
        wanted.created_to,
        wanted.updated_from,
        wanted.updated_to,
    )
    return all(one is None for one in narrowed) and (wanted.workflow is None or wanted.source is None)


def _kept_count(workspace: str, wanted: TicketFilter) -> Select[Any]:
    c = ticket_counts.c
    dimension, value = "", ""
    for name in ("workflow", "source"):
        if (given := getattr(wanted, name)) is not None:
            dimension, value = name, given
    statement = select(func.coalesce(func.sum(c.tickets), 0)).where(
        c.workspace == workspace, c.dimension == dimension, c.value == value
    )
    if not wanted.include_hidden:
        statement = statement.where(~c.hidden)
    if wanted.status:
        statement = statement.where(c.status.in_(wanted.status))
    if wanted.severity:
        statement = statement.where(c.severity.in_(wanted.severity))
    return statement


def _counting(workspace: str, wanted: TicketFilter) -> Select[Any]:
    return select(func.count()).select_from(tickets).where(*_conditions(workspace, wanted))


def _history(workspace: str, ticket_id: str) -> Select[Any]:
    h = ticket_history.c
    newest_first = (h.partition.desc(), h.offset.desc())
    of_ticket = select(ticket_history).where(h.workspace == workspace, h.ticket_id == ticket_id)
    return of_ticket.order_by(*newest_first).limit(HISTORY_SHOWN)


def _hours(workspace: str, ticket_id: str) -> Select[Any]:
    o = ticket_occurrences.c
    of_ticket = select(ticket_occurrences).where(o.workspace == workspace, o.ticket_id == ticket_id)
    return of_ticket.order_by(o.hour.desc()).limit(HOURS_SHOWN)


# --- cursors --------------------------------------------------------------------------------------------------------


def _cursor_after(row: RowMapping, query: TicketQuery) -> str:
    values = [row[column.name] for column in _SORT_COLUMNS[query.field] if isinstance(column.name, str)]
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return cursors.encode(query.sort, plain)


def _after(query: TicketQuery) -> list[Any]:
    columns = _SORT_COLUMNS[query.field]
    instants = [column.type.python_type is datetime for column in columns]
    types = [str if instant else column.type.python_type for instant, column in zip(instants, columns, strict=True)]
    values = cursors.decode(query.cursor or "", query.sort, types)
    try:
        return [
            datetime.fromisoformat(value) if instant else value for instant, value in zip(instants, values, strict=True)
        ]
    except ValueError:
        raise invalid([FieldError("cursor", "bad_cursor", "the cursor is none of ours")]) from None
