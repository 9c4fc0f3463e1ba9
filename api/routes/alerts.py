"""``GET /alerts``, ``/alerts/facets``, ``/alerts/export`` and ``/alerts/{id}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from tocsin.api.alert_documents import Alert, AlertDetail, AlertPage
from tocsin.api.incident_documents import Facets
from tocsin.api.queries import alerts, export, facets
from tocsin.api.queries.alert_filter import AlertFilter, AlertQuery, Sort
from tocsin.api.queries.reader import Reader
from tocsin.api.routes.exports import EXPORTED, exported
from tocsin.api.routes.paging import IF_NONE_MATCH, JSON, LISTED, SHOWN, comparable, entity_response, page_response
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.problems import not_found, responses
from tocsin.projections.tables import alert_document
from tocsin.projections.tables.tickets import instant

AlertId = Annotated[
    str, Path(max_length=200, description="Id of the alert", examples=["a_ldccopes6uacahgduvspztpl34-1"])
]
_FACETS: Final[facets.Facets] = {
    name: alerts.ALERTS.table.columns[name]
    for name in ("status", "severity", "source", "service", "team", "environment")
}


class AlertExport(AlertFilter):
    """A whole filtered list as a file."""

    format: Literal["csv", "json"] = "json"
    sort: Sort = "-created_at"


def router(reader: Reader) -> APIRouter:
    found = APIRouter(tags=["alerts"])

    @found.get(
        "/alerts",
        operation_id="list_alerts",
        summary="List alerts",
        response_model=AlertPage | list[Alert],
        responses=LISTED | responses(403, 422),
    )
    async def list_alerts(
        query: Annotated[AlertQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        async with reader.connection() as connection:
            page, incidents = await alerts.page(connection, principal.workspace, query)
        items = [_document(row, incidents.get(row["alert_id"])) for row in page.rows]
        return page_response(request, query, page, items)

    @found.get(
        "/alerts/facets",
        operation_id="count_alerts",
        summary="How many alerts have which status, severity, source, service, team and environment",
        response_model=Facets,
        responses=responses(403, 422),
    )
    async def count_alerts(query: Annotated[AlertFilter, Query()], principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            counted = await facets.count(
                connection, principal.workspace, alerts.ALERTS, _FACETS, alerts.conditions, query
            )
        return Response(orjson.dumps({"facets": counted}), media_type=JSON)

    @found.get(
        "/alerts/export",
        operation_id="export_alerts",
        summary="All alerts of a filter, as JSON or CSV",
        response_class=StreamingResponse,
        responses=EXPORTED | responses(403, 422),
    )
    async def export_alerts(query: Annotated[AlertExport, Query()], principal: ReadingPrincipal) -> Response:
        pages = export.rows(reader, alerts.ALERTS, alerts.conditions(principal.workspace, query), query.sort)
        return await exported(pages, "alerts", query.format, alert_document, list(Alert.model_fields))

    @found.get(
        "/alerts/{alert_id}",
        operation_id="get_alert",
        summary="One alert with its history and the explanation of its key",
        response_model=AlertDetail,
        responses=SHOWN | responses(403, 404),
        openapi_extra=IF_NONE_MATCH,
    )
    async def get_alert(alert_id: AlertId, request: Request, principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            shown = await alerts.detail(connection, principal.workspace, comparable(alert_id, "alert"))
        if shown is None:
            raise not_found("alert")
        # a context that has not arrived yet would otherwise never be asked for again
        complete = shown.payload is not None or not shown.row["context_digest"] or shown.row["context"] is not None
        body = _document(shown.row, shown.incident_id, shown.payload)
        body["history"] = [_history_entry(row) for row in shown.history]
        # its incident may change while the alert does not
        version = f"{shown.row['version']}.{shown.incident_id}" if shown.incident_id else shown.row["version"]
        return entity_response(request, body, version, complete=complete)

    return found


def _document(row: Mapping[Any, Any], incident_id: str | None, payload: str | None = None) -> dict[str, Any]:
    return alert_document(row, payload) | {"incident_id": incident_id}


def _history_entry(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "at": instant(row["at"]),
        "kind": row["kind"],
        "status": row["status"],
        "cause": orjson.Fragment(row["cause"]),
    }
