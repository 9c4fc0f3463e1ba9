"""All SQL about tickets: pages, totals, one ticket with what belongs to it. Every statement is bound to a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries import cursor as cursors
from tocsin.api.queries import ticket_service
from tocsin.api.queries.ticket_conditions import conditions, has_words, is_counted, is_only_search, kept_count
from tocsin.api.queries.ticket_filter import SortField, TicketFilter, TicketQuery
from tocsin.problems import FieldError, invalid
from tocsin.projections.tables import (
    payloads,
    ticket_history,
    ticket_occurrences,
    ticket_search,
    tickets,
)

HISTORY_SHOWN: Final = 200
HOURS_SHOWN: Final = 168
FEW: Final = 2_000
DEEP: Final = 1_000

_t = tickets.c
# The index sorts updates by the second; what shares a second is sorted while reading.
_SORT_COLUMNS: Final[dict[SortField, tuple[ColumnElement[Any], ...]]] = {
    "created_at": (_t.created_at, _t.ticket_id),
    "updated_at": (_t.updated_second, _t.updated_at, _t.ticket_id),
    "severity": (_t.severity_rank, _t.ticket_id),
    "next_due_at": (_t.next_due_order, _t.ticket_id),
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
    service: ticket_service.Service


async def page(connection: AsyncConnection, workspace: str, query: TicketQuery) -> Page:
    """Raises Problem 422 for a cursor that is none, and what the reader raises."""
    if query.cursor is not None:
        _after(query)  # a wrong one is told even where the list is empty
    if is_counted(query):  # nearly free, and tells how best to look
        total = await count(connection, workspace, query)
        found = await _rows(connection, _page(workspace, query, few=total <= FEW)) if total else []
    else:
        found = await _rows(connection, _page(workspace, query))
        # the last page knows the total without counting
        total = query.offset + len(found) if _is_last(query, found) else await count(connection, workspace, query)
    rows = found[: query.limit]
    more = len(found) > query.limit
    return Page(rows, total, _cursor_after(rows[-1], query) if more else None)


async def _rows(connection: AsyncConnection, statement: Select[Any]) -> Sequence[RowMapping]:
    found: Sequence[RowMapping] = (await connection.execute(statement)).mappings().all()
    return found


def _is_last(query: TicketQuery, found: Sequence[RowMapping]) -> bool:
    reached = bool(found) or query.offset == 0
    return query.cursor is None and reached and len(found) <= query.limit


async def count(connection: AsyncConnection, workspace: str, wanted: TicketFilter) -> int:
    """How many tickets the filter admits: from the kept counts where they suffice, else by counting."""
    if is_counted(wanted):
        statement = kept_count(workspace, wanted)
    elif is_only_search(wanted):
        statement = _search_count(workspace, wanted)
    else:
        statement = select(func.count()).select_from(tickets).where(*conditions(workspace, wanted))
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
    service = await ticket_service.of_ticket(connection, workspace, ticket_id)
    return Detail(row, payload, history[::-1], hours[::-1], service)


# --- statements -----------------------------------------------------------------------------------------------------


def _page(workspace: str, query: TicketQuery, *, few: bool = False) -> Select[Any]:
    """One row more than the page, which tells whether there is another.

    few: the whole list is short, so it is found by its filters and sorted; else the sort's index is walked until
    enough is found, and the planner would do that for a short list too if it believed the filters independent.
    """
    columns = _SORT_COLUMNS[query.field]
    order = [column.desc() if query.descending else column.asc() for column in columns]
    where = conditions(workspace, query)
    if query.cursor is not None:
        after = tuple_(*(literal(value, column.type) for value, column in zip(_after(query), columns, strict=True)))
        where.append(tuple_(*columns) < after if query.descending else tuple_(*columns) > after)
    if few:
        matched = select(_t.ticket_id).where(*where).cte("matched").prefix_with("MATERIALIZED", dialect="postgresql")
        ids = select(matched.c.ticket_id)
        where = [_t.workspace == workspace, _t.ticket_id.in_(ids)]
    elif query.offset >= DEEP:
        # the rows skipped are counted in the index and not visited
        ids = select(_t.ticket_id).where(*where).order_by(*order).offset(query.offset).limit(query.limit + 1)
        return select(tickets).where(_t.workspace == workspace, _t.ticket_id.in_(ids)).order_by(*order)
    return select(tickets).where(*where).order_by(*order).offset(query.offset or None).limit(query.limit + 1)


def _search_count(workspace: str, wanted: TicketFilter) -> Select[Any]:
    s = ticket_search.c
    statement = select(func.count()).select_from(ticket_search)
    statement = statement.where(s.workspace == workspace, has_words(wanted.q or ""))
    return statement if wanted.include_hidden else statement.where(~s.hidden)


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
