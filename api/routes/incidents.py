"""``GET /incidents``, ``/incidents/facets``, ``/incidents/export``, ``/incidents/{id}`` and its actions."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy import func

from tocsin.api.incident_documents import Action, ActionPage, Facets, Incident, IncidentDetail, IncidentPage
from tocsin.api.queries import export, facets, incidents
from tocsin.api.queries.incident_filter import IncidentFilter, IncidentQuery, Sort
from tocsin.api.queries.parameters import Filter, Paging
from tocsin.api.queries.reader import Reader
from tocsin.api.routes.exports import EXPORTED, exported
from tocsin.api.routes.paging import JSON, LISTED, comparable, page_response
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.problems import not_found, responses
from tocsin.projections.tables import action_document, alert_document, incident_document

IncidentId = Annotated[
    str, Path(max_length=200, description="Id of the incident", examples=["i_mzxw6ytboi5dcmrtgq2tmnzyha-1"])
]
_COLUMNS: Final = incidents.INCIDENTS.table.columns
_FACETS: Final[facets.Facets] = {
    **{name: _COLUMNS[name] for name in ("status", "severity", "service", "team", "environment", "assignee")},
    "source": func.jsonb_array_elements_text(_COLUMNS["sources"]),
}


class IncidentExport(IncidentFilter):
    """A whole filtered list as a file."""

    format: Literal["csv", "json"] = "json"
    sort: Sort = "-created_at"


class ActionQuery(Filter, Paging):
    """A page of a timeline."""

    sort: Literal["at", "-at"] = Field("-at", description="Newest first unless asked otherwise")


def router(reader: Reader) -> APIRouter:
    found = APIRouter(tags=["incidents"])

    @found.get(
        "/incidents",
        operation_id="list_incidents",
        summary="List incidents",
        response_model=IncidentPage | list[Incident],
        responses=LISTED | responses(403, 422),
    )
    async def list_incidents(
        query: Annotated[IncidentQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        async with reader.connection() as connection:
            page = await incidents.page(connection, principal.workspace, query)
        return page_response(request, query, page, [incident_document(row) for row in page.rows])

    @found.get(
        "/incidents/facets",
        operation_id="count_incidents",
        summary="How many incidents have which status, severity, service, team, environment, assignee and source",
        response_model=Facets,
        responses=responses(403, 422),
    )
    async def count_incidents(query: Annotated[IncidentFilter, Query()], principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            counted = await facets.count(
                connection, principal.workspace, incidents.INCIDENTS, _FACETS, incidents.conditions, query
            )
        return Response(orjson.dumps({"facets": counted}), media_type=JSON)

    @found.get(
        "/incidents/export",
        operation_id="export_incidents",
        summary="All incidents of a filter, as JSON or CSV",
        response_class=StreamingResponse,
        responses=EXPORTED | responses(403, 422),
    )
    async def export_incidents(query: Annotated[IncidentExport, Query()], principal: ReadingPrincipal) -> Response:
        where = incidents.conditions(principal.workspace, query)
        pages = export.rows(reader, incidents.INCIDENTS, where, query.sort)
        return await exported(pages, "incidents", query.format, incident_document, list(Incident.model_fields))

    @found.get(
        "/incidents/{incident_id}",
        operation_id="get_incident",
        summary="One incident with its newest alerts and actions",
        response_model=IncidentDetail,
        responses=responses(403, 404),
    )
    async def get_incident(incident_id: IncidentId, principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            shown = await incidents.detail(connection, principal.workspace, comparable(incident_id, "incident"))
        if shown is None:
            raise not_found("incident")
        body = incident_document(shown.row) | {
            "alerts": [alert_document(row) | {"incident_id": incident_id} for row in shown.alerts],
            "alerts_total": shown.alerts_total,
            "recent_actions": [action_document(row) for row in shown.actions],
        }
        # If-Match of a command goes by it; the alerts shown may change without it, so nobody may keep the answer
        headers = {"ETag": f'"{shown.row["version"]}"', "Cache-Control": "no-store"}
        return Response(orjson.dumps(body), headers=headers, media_type=JSON)

    @found.get(
        "/incidents/{incident_id}/actions",
        operation_id="list_incident_actions",
        summary="The timeline of an incident",
        response_model=ActionPage | list[Action],
        responses=LISTED | responses(403, 404, 422),
    )
    async def list_actions(
        incident_id: IncidentId,
        query: Annotated[ActionQuery, Query()],
        request: Request,
        principal: ReadingPrincipal,
    ) -> Response:
        async with reader.connection() as connection:
            page = await incidents.timeline(connection, principal.workspace, comparable(incident_id, "incident"), query)
        if page is None:
            raise not_found("incident")
        return page_response(request, query, page, [action_document(row) for row in page.rows])

    return found
