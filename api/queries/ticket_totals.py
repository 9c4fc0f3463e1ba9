"""How many tickets a list has: from the kept counts where they suffice, else by counting.

Of a search no more than some are counted: a word that many tickets have would cost a visit to each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries.ticket_conditions import has_words, is_search
from tocsin.api.queries.ticket_filter import TicketFilter
from tocsin.projections.tables import ticket_counts, ticket_search, tickets
from tocsin.projections.tables.ticket_counts import DIMENSIONS, KINDS

HAVING_WORDS: Final = 5_000
"""So many tickets are counted that have the words of a search."""
MATCHING: Final = 1_000
"""So many are counted of a search that other filters narrow: each costs a look into two tables, as do those between."""
_NOT_KEPT: Final = ("identifier", "assignee", "tag", "created_from", "created_to", "updated_from", "updated_to")
_c, _s = ticket_counts.c, ticket_search.c


@dataclass(frozen=True, slots=True)
class Total:
    """``exact``: else there are more."""

    tickets: int
    exact: bool = True


def is_kept(wanted: TicketFilter) -> bool:
    """Whether the kept counts tell the total: they know one dimension at a time, no text and no times."""
    narrowed = any(getattr(wanted, name) is not None for name in _NOT_KEPT)
    return not narrowed and not is_search(wanted) and len(_dimensions(wanted)) <= 1


async def kept(connection: AsyncConnection, workspace: str, wanted: TicketFilter) -> tuple[Total, int]:
    """The total, and how many there are of the workflow, source or tiers asked for, else of all. Only where
    ``is_kept``."""
    row = (await connection.execute(_kept(workspace, wanted))).one()
    return Total(int(row.total)), int(row.within)


def is_only_search(wanted: TicketFilter) -> bool:
    """Whether nothing is wanted but words, of tickets hidden or not."""
    others = {name: field for name, field in TicketFilter.model_fields.items() if name not in ("q", "include_hidden")}
    return is_search(wanted) and all(getattr(wanted, name) == field.default for name, field in others.items())


async def counted(connection: AsyncConnection, where: Iterable[ColumnElement[bool]], *, limited: bool) -> Total:
    """By counting rows of ``tickets``; limited: no more than ``MATCHING``."""
    matching: Select[Any] = select(literal_column("1")).select_from(tickets).where(*where)
    return await _number(connection, matching, MATCHING if limited else None)


async def with_words(connection: AsyncConnection, workspace: str, wanted: TicketFilter) -> Total:
    """Tickets that have the words, whatever else is wanted of them but being hidden or not."""
    matching: Select[Any] = (
        select(literal_column("1")).select_from(ticket_search).where(*words_conditions(workspace, wanted))
    )
    return await _number(connection, matching, HAVING_WORDS)


def words_conditions(workspace: str, wanted: TicketFilter) -> list[ColumnElement[bool]]:
    """On ``ticket_search`` alone."""
    found = [_s.workspace == workspace, has_words(wanted.q or "")]
    return found if wanted.include_hidden else [*found, ~_s.hidden]


async def _number(connection: AsyncConnection, matching: Select[Any], limit: int | None) -> Total:
    if limit is not None:
        matching = matching.limit(limit + 1)
    number = int((await connection.execute(select(func.count()).select_from(matching.subquery()))).scalar_one())
    return Total(number) if limit is None or number <= limit else Total(limit, exact=False)


def _kept(workspace: str, wanted: TicketFilter) -> Select[Any]:
    dimension, values = next(iter(_dimensions(wanted).items()), ("", [""]))
    kinds: list[ColumnElement[bool]] = [
        _c[name].in_(chosen) for name in KINDS if (chosen := getattr(wanted, name, None))
    ]
    if not wanted.include_hidden:
        kinds.append(~_c.hidden)
    if wanted.escalation_level_from:
        kinds.append(_c.escalation_level >= wanted.escalation_level_from)
    return select(
        func.coalesce(func.sum(_c.tickets).filter(and_(true(), *kinds)), 0).label("total"),
        func.coalesce(func.sum(_c.tickets), 0).label("within"),
    ).where(_c.workspace == workspace, _c.dimension == dimension, _c.value.in_(values))


def _dimensions(wanted: TicketFilter) -> dict[str, list[str]]:
    """The dimensions of the kept counts that are asked for, with the values."""
    found = {}
    for name in DIMENSIONS:
        value = getattr(wanted, name)
        if value is not None and value != []:
            found[name] = value if isinstance(value, list) else [value]
    return found
