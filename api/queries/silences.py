"""All SQL about silences. Every statement is bound to a workspace."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries import listing
from tocsin.api.queries.listing import Listing, Page
from tocsin.api.queries.parameters import Filter, Paging
from tocsin.projections.tables import silences

_s = silences.c
SILENCES: Final = Listing(silences, _s.silence_id, {"created_at": _s.created_at})


class SilenceQuery(Filter, Paging):
    """A page of the silences of a workspace."""

    state: Literal["pending", "active", "expired"] | None = Field(
        None, description="By the time of the question; a recurring one is active between its windows too"
    )
    sort: Literal["created_at", "-created_at"] = "-created_at"


async def page(connection: AsyncConnection, workspace: str, query: SilenceQuery) -> Page:
    """Raises Problem 422 for a cursor that is none, and what the reader raises."""
    return await listing.page(connection, SILENCES, _conditions(workspace, query), query)


async def one(connection: AsyncConnection, workspace: str, silence_id: str) -> RowMapping | None:
    statement = select(silences).where(_s.workspace == workspace, _s.silence_id == silence_id)
    return (await connection.execute(statement)).mappings().one_or_none()


def _conditions(workspace: str, query: SilenceQuery) -> list[ColumnElement[bool]]:
    over = or_(_s.ended_at.is_not(None), _s.ends_at <= func.now())
    states: dict[str | None, list[ColumnElement[bool]]] = {
        None: [],
        "expired": [over],
        "pending": [over.is_not(True), _s.starts_at > func.now()],
        "active": [over.is_not(True), _s.starts_at <= func.now()],
    }
    return [_s.workspace == workspace, *states[query.state]]
