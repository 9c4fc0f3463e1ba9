"""``GET /tickets`` and ``GET /tickets/{id}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from tocsin.api.documents import Ticket, TicketDetail, TicketPage
from tocsin.api.queries import tickets
from tocsin.api.queries.reader import Reader
from tocsin.api.queries.ticket_filter import TicketQuery
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.problems import not_found, responses
from tocsin.projections.tables import document
from tocsin.projections.tables.tickets import instant

JSON: Final = "application/json"
_LIST_HEADERS: Final = {
    "X-Total-Count": {"description": "Rows of the whole list", "schema": {"type": "integer"}},
    "Link": {"description": "RFC 8288: first, prev, next", "schema": {"type": "string"}},
}
_ETAG: Final = {"ETag": {"description": "The version, quoted", "schema": {"type": "string"}}}
_LISTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A page, newest first unless sorted otherwise", "headers": _LIST_HEADERS}
}
_SHOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The ticket, hidden or not", "headers": _ETAG},
    304: {"description": "It is still at the version of `If-None-Match`"},
}
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
        responses=_LISTED | responses(403, 422),
    )
    async def list_tickets(
        query: Annotated[TicketQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        async with reader.connection() as connection:
            page = await tickets.page(connection, principal.workspace, query)
        items = [document(row) for row in page.rows]
        body: Any = items
        if query.shape == "page":
            body = {
                "items": items,
                "total": page.total,
                "limit": query.limit,
                "offset": query.offset,
                "next_cursor": page.next_cursor,
            }
        headers = {"X-Total-Count": str(page.total)}
        if link := _link(request, query, page):
            headers["Link"] = link
        return Response(orjson.dumps(body), headers=headers, media_type=JSON)

    @found.get(
        "/tickets/{ticket_id}",
        operation_id="get_ticket",
        summary="One ticket with its history",
        response_model=TicketDetail,
        responses=_SHOWN | responses(403, 404),
        openapi_extra={
            "parameters": [{"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}]
        },
    )
    async def get_ticket(ticket_id: TicketId, request: Request, principal: ReadingPrincipal) -> Response:
        if "\x00" in ticket_id:
            raise not_found("ticket")
        async with reader.connection() as connection:
            found = await tickets.detail(connection, principal.workspace, ticket_id)
        if found is None:
            raise not_found("ticket")
        etag = f'"{found.row["version"]}"'
        # a context that has not arrived yet would otherwise never be asked for again
        complete = found.payload is not None or not found.row["context_digest"] or found.row["context"] is not None
        headers = {"ETag": etag} if complete else {}
        if complete and matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        return Response(orjson.dumps(_detail(found)), headers=headers, media_type=JSON)

    return found


def matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison, RFC 9110 section 13.1.2."""
    given = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in given or etag in given


def _detail(found: tickets.Detail) -> dict[str, Any]:
    return document(found.row, found.payload) | {
        "history": [_history_entry(row) for row in found.history],
        "occurrences_by_hour": [
            {"hour": instant(row["hour"]), "occurrences": row["occurrences"], "deliveries": row["deliveries"]}
            for row in found.hours
        ],
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


def _link(request: Request, query: TicketQuery, page: tickets.Page) -> str:
    """The pages beside this one; a client that follows a cursor goes on with cursors."""
    given = [(name, value) for name, value in request.query_params.multi_items() if name not in ("offset", "cursor")]
    links: dict[str, list[tuple[str, str]]] = {"first": given}
    if query.cursor is None and query.offset:
        links["prev"] = [*given, ("offset", str(max(0, query.offset - query.limit)))]
    if page.next_cursor is not None:
        by_offset = ("offset", str(query.offset + query.limit))
        links["next"] = [*given, by_offset if query.cursor is None else ("cursor", page.next_cursor)]
    path = request.url.path
    return ", ".join(
        f'<{path}{"?" if parameters else ""}{urlencode(parameters)}>; rel="{relation}"'
        for relation, parameters in links.items()
    )
