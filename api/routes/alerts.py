"""``GET /alerts`` and ``GET /alerts/{id}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from tocsin.api.documents import Alert, AlertDetail, AlertPage
from tocsin.api.queries import alerts
from tocsin.api.queries.alerts import AlertQuery
from tocsin.api.queries.reader import Reader
from tocsin.api.routes.tickets import matches
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.problems import not_found, responses
from tocsin.projections.tables import alert_document
from tocsin.projections.tables.tickets import instant

JSON: Final = "application/json"
_LISTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page, newest first unless sorted otherwise",
        "headers": {"X-Total-Count": {"description": "Rows of the whole list", "schema": {"type": "integer"}}},
    }
}
_SHOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The alert",
        "headers": {"ETag": {"description": "The version, quoted", "schema": {"type": "string"}}},
    },
    304: {"description": "It is still at the version of `If-None-Match`"},
}
AlertId = Annotated[
    str, Path(max_length=200, description="Id of the alert", examples=["a_ldccopes6uacahgduvspztpl34-1"])
]


def router(reader: Reader) -> APIRouter:
    found = APIRouter(tags=["alerts"])

    @found.get(
        "/alerts",
        operation_id="list_alerts",
        summary="List alerts",
        response_model=AlertPage | list[Alert],
        responses=_LISTED | responses(403, 422),
    )
    async def list_alerts(query: Annotated[AlertQuery, Query()], principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            page = await alerts.page(connection, principal.workspace, query)
        items = [alert_document(row) for row in page.rows]
        body: Any = items
        if query.shape == "page":
            body = {"items": items, "total": page.total, "limit": query.limit, "offset": query.offset}
        return Response(orjson.dumps(body), headers={"X-Total-Count": str(page.total)}, media_type=JSON)

    @found.get(
        "/alerts/{alert_id}",
        operation_id="get_alert",
        summary="One alert with its history and the explanation of its key",
        response_model=AlertDetail,
        responses=_SHOWN | responses(403, 404),
        openapi_extra={
            "parameters": [{"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}]
        },
    )
    async def get_alert(alert_id: AlertId, request: Request, principal: ReadingPrincipal) -> Response:
        if "\x00" in alert_id:
            raise not_found("alert")
        async with reader.connection() as connection:
            shown = await alerts.detail(connection, principal.workspace, alert_id)
        if shown is None:
            raise not_found("alert")
        etag = f'"{shown.row["version"]}"'
        # a context that has not arrived yet would otherwise never be asked for again
        complete = shown.payload is not None or not shown.row["context_digest"] or shown.row["context"] is not None
        headers = {"ETag": etag} if complete else {}
        if complete and matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        body = alert_document(shown.row, shown.payload) | {"history": [_history_entry(row) for row in shown.history]}
        return Response(orjson.dumps(body), headers=headers, media_type=JSON)

    return found


def _history_entry(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "at": instant(row["at"]),
        "kind": row["kind"],
        "status": row["status"],
        "cause": orjson.Fragment(row["cause"]),
    }
