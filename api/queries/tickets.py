"""All SQL about tickets: pages, totals, one ticket with what belongs to it. Every statement is bound to a workspace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import CTE, Column, ColumnElement, Select, literal, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries import cursor as cursors
from tocsin.api.queries import ticket_service, ticket_totals
from tocsin.api.queries.ticket_conditions import conditions, is_search
from tocsin.api.queries.ticket_filter import SortField, TicketFilter, TicketQuery
from tocsin.api.queries.ticket_totals import Total
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

_t = tickets.c
# The index sorts updates by the second; what shares a second is sorted while reading.
_SORT_COLUMNS: Final[dict[SortField, tuple[Column[Any], ...]]] = {
    "created_at": (_t.created_at, _t.ticket_id),
    "updated_at": (_t.updated_second, _t.updated_at, _t.ticket_id),
    "severity": (_t.severity_rank, _t.ticket_id),
    "next_due_at": (_t.next_due_order, _t.ticket_id),
}


@dataclass(frozen=True, slots=True)
class Page:
    """``total``: rows of the whole list; there are more of a search where it is not ``total_exact``."""

    rows: Sequence[RowMapping]
    total: int
    total_exact: bool
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
    total, way = await _foreseen(connection, workspace, query)
    found: Sequence[RowMapping] = ()
    if total is None or total.tickets:
        found = (await connection.execute(_page(workspace, query, way))).mappings().all()
    if total is None:
        total = await _counted(connection, workspace, query, found, way)
    rows = found[: query.limit]
    more = len(found) > query.limit
    return Page(rows, total.tickets, total.exact, _cursor_after(rows[-1], query) if more else None)


Way = Literal["sort", "filters", "words"]
"""How a list is found. The planner believes that filters are independent of each other and of the sort, and knows
little of rare words, so it would walk the index of the sort for a short list too, to its end.

sort: along the index of the sort until enough is found. filters, words: the list is short, so all of it is found by
its filters or by its words, and sorted.
"""
# The one filter, of one value, by which an index is divided before it is sorted.
_DIVIDED: Final[dict[SortField, frozenset[str]]] = {
    "created_at": frozenset({"status", "workflow", "source"}),
    "next_due_at": frozenset({"sla_state"}),
}


async def _foreseen(connection: AsyncConnection, workspace: str, query: TicketQuery) -> tuple[Total | None, Way]:
    """The total, where it costs next to nothing, and the way to go."""
    if ticket_totals.is_kept(query):
        number, within = await ticket_totals.kept(connection, workspace, query)
        return number, "filters" if _is_short(query, number.tickets, within) else "sort"
    if not is_search(query):
        return None, "sort"
    having = await ticket_totals.with_words(connection, workspace, query)
    others = query.model_copy(update={"q": None})
    total = having if ticket_totals.is_only_search(query) or not having.tickets else None
    if having.exact:
        return total, "words"
    if ticket_totals.is_kept(others):
        number, within = await ticket_totals.kept(connection, workspace, others)
        return total, "filters" if _is_short(others, number.tickets, within) else "sort"
    return total, "sort"


def _is_short(query: TicketQuery, number: int, within: int) -> bool:
    """Whether to visit them all costs less than to walk past the others: about ``within / number`` for each found."""
    asked = [name for name in TicketFilter.model_fields if getattr(query, name)]
    if len(asked) <= 1 and _DIVIDED.get(query.field, frozenset()).issuperset(asked):
        value = getattr(query, asked[0]) if asked else ""
        if isinstance(value, str) or len(value) == 1:
            return False  # an index has just these, in this order
    return number**2 <= (query.offset + query.limit + 1) * within


async def _counted(
    connection: AsyncConnection, workspace: str, query: TicketQuery, found: Sequence[RowMapping], way: Way
) -> Total:
    reached = bool(found) or query.offset == 0
    if query.cursor is None and reached and len(found) <= query.limit:
        return Total(query.offset + len(found))  # the last page knows the total without counting
    where = _by_words(workspace, query) if way == "words" else conditions(workspace, query)
    return await ticket_totals.counted(connection, where, limited=is_search(query))


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


def _page(workspace: str, query: TicketQuery, way: Way) -> Select[Any]:
    """One row more than the page, which tells whether there is another."""
    columns = _SORT_COLUMNS[query.field]
    where = _by_words(workspace, query) if way == "words" else conditions(workspace, query)
    if query.cursor is not None:
        after = tuple_(*(literal(value, column.type) for value, column in zip(_after(query), columns, strict=True)))
        where.append(tuple_(*columns) < after if query.descending else tuple_(*columns) > after)
    if way != "sort":
        found = _materialized(select(tickets).where(*where), "found")
        order = [found.c[column.name] for column in columns]
        return _part(select(found), order, query)
    # what is passed on the way is read in the index, as far as it includes the filters, and not visited
    ids = _part(select(_t.ticket_id).where(*where), columns, query)
    return select(tickets).where(_t.workspace == workspace, _t.ticket_id.in_(ids)).order_by(*_order(columns, query))


def _part(statement: Select[Any], columns: Iterable[ColumnElement[Any]], query: TicketQuery) -> Select[Any]:
    return statement.order_by(*_order(columns, query)).offset(query.offset or None).limit(query.limit + 1)


def _order(columns: Iterable[ColumnElement[Any]], query: TicketQuery) -> list[ColumnElement[Any]]:
    return [column.desc() if query.descending else column.asc() for column in columns]


def _by_words(workspace: str, query: TicketQuery) -> list[ColumnElement[bool]]:
    """The filter, for a search that few tickets have; the limit tells the planner so, and leaves room for new ones."""
    having = select(ticket_search.c.ticket_id).where(*ticket_totals.words_conditions(workspace, query))
    ids = _materialized(having.limit(2 * ticket_totals.HAVING_WORDS), "having_words")
    return [*conditions(workspace, query.model_copy(update={"q": None})), _t.ticket_id.in_(select(ids.c.ticket_id))]


def _materialized(statement: Select[Any], name: str) -> CTE:
    return statement.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")


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
    values = [row[column.name] for column in _SORT_COLUMNS[query.field]]
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
