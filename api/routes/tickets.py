"""``GET /tickets`` and ``GET /tickets/{id}``."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from tocsin.api.clock_documents import clock_document
from tocsin.api.documents import Ticket, TicketDetail, TicketPage
from tocsin.api.queries import tickets
from tocsin.api.queries.reader import Reader
from tocsin.api.queries.ticket_filter import TicketQuery
from tocsin.api.routes.paging import IF_NONE_MATCH, LISTED, SHOWN, comparable, entity_response, page_response
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.problems import not_found, responses
from tocsin.projections.tables import document, notification_document, sla_alert_document
from tocsin.projections.tables.tickets import instant

TicketId = Annotated[
    str, Path(max_length=200, description="Id of the ticket", examples=["t_ldccopes6uacahgduvspztpl34-1"])
]


def router(reader: Reader) -> APIRouter:
    found = APIRouter(tags=["tickets"])

    @found.get(
        "/tickets",
        operation_id="list_tickets",
        summary="List tickets",
        response_model=TicketPage | list[Ticket],
        responses=LISTED | responses(403, 422),
    )
    async def list_tickets(
        query: Annotated[TicketQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        async with reader.connection() as connection:
            page = await tickets.page(connection, principal.workspace, query)
        items = [document(row) for row in page.rows]
        return page_response(request, query, page, items, total_exact=page.total_exact)

    @found.get(
        "/tickets/{ticket_id}",
        operation_id="get_ticket",
        summary="One ticket, hidden or not, with its history",
        response_model=TicketDetail,
        responses=SHOWN | responses(403, 404),
        openapi_extra=IF_NONE_MATCH,
    )
    async def get_ticket(ticket_id: TicketId, request: Request, principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            found = await tickets.detail(connection, principal.workspace, comparable(ticket_id, "ticket"))
        if found is None:
            raise not_found("ticket")
        # a context that has not arrived yet would otherwise never be asked for again
        complete = found.payload is not None or not found.row["context_digest"] or found.row["context"] is not None
        body = _detail(found, now_ms())
        return entity_response(request, body, _version(found, body), complete=complete)

    return found


def _version(found: tickets.Detail, body: Mapping[str, Any]) -> str:
    """The version; where more is shown than it stands for (running clocks, messages), with a checksum of that."""
    version, service = found.row["version"], found.service
    if not (service.clocks or service.notifications):
        return str(version)
    return f"{version}.{zlib.crc32(orjson.dumps([body['clocks'], body['notifications']]))}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _detail(found: tickets.Detail, now: int) -> dict[str, Any]:
    service = found.service
    return document(found.row, found.payload) | {
        "history": [_history_entry(row) for row in found.history],
        "occurrences_by_hour": [
            {"hour": instant(row["hour"]), "occurrences": row["occurrences"], "deliveries": row["deliveries"]}
            for row in found.hours
        ],
        "clocks": [clock_document(row, service.calendars, now) for row in service.clocks],
        "alerts": [sla_alert_document(row) for row in service.alerts],
        "notifications": [notification_document(row) for row in service.notifications],
    }


def _history_entry(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "at": instant(row["at"]),
        "kind": row["kind"],
        "from_status": row["from_status"],
        "status": row["status"],
        "actor": row["actor"],
        "reason": row["reason"],
        "cause": orjson.Fragment(row["cause"]),
    }
