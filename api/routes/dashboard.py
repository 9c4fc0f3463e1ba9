"""``GET /dashboard``: all tickets with their counts, and those at risk (S7)."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tocsin.api.documents import Ticket
from tocsin.api.queries import dashboard, tickets
from tocsin.api.queries.parameters import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET, Filter, listed
from tocsin.api.queries.reader import Reader
from tocsin.api.queries.ticket_filter import TicketQuery
from tocsin.api.routes.paging import JSON
from tocsin.api.ticket_service_documents import DashboardCounts
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.events.vocabulary import SLA_STATES, STATUS_FILTER_SYNONYMS, TICKET_STATUSES
from tocsin.problems import responses
from tocsin.projections.tables import document

_ALLOWED = (*TICKET_STATUSES, *STATUS_FILTER_SYNONYMS, *SLA_STATES)


def _states(value: Any) -> list[str]:
    words = listed(value)
    for word in words:
        if word not in _ALLOWED:
            told = {"word": word, "allowed": _ALLOWED}
            raise PydanticCustomError("unknown_state", "{word} is neither a status nor an SLA state", told)
    return words


class DashboardQuery(Filter):
    """A page of all tickets, newest first."""

    state: Annotated[list[str], BeforeValidator(_states)] = Field(
        [],
        description="Comma list of ticket statuses (also to-do, resolved) and SLA states (on_track, at_risk, breached,"
        " paused); of a status and a state together both must hold",
        examples=["breached"],
    )
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)

    def page(self) -> TicketQuery:
        states = [word for word in self.state if word in SLA_STATES]
        statuses = [word for word in self.state if word not in SLA_STATES]
        found = {"status": statuses, "sla_state": states, "limit": self.limit, "offset": self.offset}
        return TicketQuery.model_validate(found)


class Dashboard(BaseModel):
    """`total` counts the list that `state` admits, `counts` all tickets. `at_risk`: at most 50, the next due first."""

    items: list[Ticket]
    total: int
    limit: int
    offset: int
    counts: DashboardCounts
    at_risk: list[Ticket]


def router(reader: Reader) -> APIRouter:
    found = APIRouter(tags=["tickets"])

    @found.get(
        "/dashboard",
        operation_id="get_dashboard",
        summary="All tickets, how many of each kind, and those at risk",
        response_model=Dashboard,
        responses=responses(403, 422),
    )
    async def get_dashboard(
        query: Annotated[DashboardQuery, Query()], _request: Request, principal: ReadingPrincipal
    ) -> Response:
        workspace = principal.workspace
        async with reader.connection() as connection:
            page = await tickets.page(connection, workspace, query.page())
            counts = await dashboard.counts(connection, workspace)
            at_risk = await dashboard.at_risk(connection, workspace)
        body = {
            "items": [document(row) for row in page.rows],
            "total": page.total,
            "limit": query.limit,
            "offset": query.offset,
            "counts": counts,
            "at_risk": [document(row) for row in at_risk],
        }
        return Response(orjson.dumps(body), headers={"X-Total-Count": str(page.total)}, media_type=JSON)

    return found
