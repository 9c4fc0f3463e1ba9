"""``GET /silences`` and ``/silences/{id}``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from tocsin.api.incident_documents import Silence, SilencePage
from tocsin.api.queries import silences
from tocsin.api.queries.reader import Reader
from tocsin.api.queries.silences import SilenceQuery
from tocsin.api.routes.paging import IF_NONE_MATCH, LISTED, SHOWN, comparable, entity_response, page_response
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.problems import not_found, responses
from tocsin.projections.tables import silence_document

SilenceId = Annotated[str, Path(max_length=200, description="Id of the silence")]


def router(reader: Reader) -> APIRouter:
    found = APIRouter(tags=["silences"])

    @found.get(
        "/silences",
        operation_id="list_silences",
        summary="List silences and maintenance windows",
        response_model=SilencePage | list[Silence],
        responses=LISTED | responses(403, 422),
    )
    async def list_silences(
        query: Annotated[SilenceQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        async with reader.connection() as connection:
            page = await silences.page(connection, principal.workspace, query)
        return page_response(request, query, page, [silence_document(row) for row in page.rows])

    @found.get(
        "/silences/{silence_id}",
        operation_id="get_silence",
        summary="One silence",
        response_model=Silence,
        responses=SHOWN | responses(403, 404),
        openapi_extra=IF_NONE_MATCH,
    )
    async def get_silence(silence_id: SilenceId, request: Request, principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            row = await silences.one(connection, principal.workspace, comparable(silence_id, "silence"))
        if row is None:
            raise not_found("silence")
        return entity_response(request, silence_document(row), row["version"])

    return found
