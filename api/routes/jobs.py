"""``GET /v1/jobs``, ``/v1/jobs/{id}``, its slots and its attempts."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from tocsin.api.job_documents import Job, JobPage, Log, LogPage, Slot, SlotPage
from tocsin.api.queries import jobs
from tocsin.api.queries.job_filter import Deleted, JobQuery, LogQuery, SlotQuery
from tocsin.api.queries.reader import Reader
from tocsin.api.routes.paging import JSON, LISTED, comparable, page_response
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.problems import not_found, responses
from tocsin.projections.tables import job_document, job_log_document, slot_document

JobId = Annotated[str, Path(max_length=200, description="Id of the job", examples=["j_mzxw6ytboi5dcmrtgq2tmnzyha-1"])]


def router(reader: Reader) -> APIRouter:
    found = APIRouter(tags=["jobs"])

    @found.get(
        "/v1/jobs",
        operation_id="list_jobs",
        summary="List jobs",
        response_model=JobPage | list[Job],
        responses=LISTED | responses(403, 422),
    )
    async def list_jobs(query: Annotated[JobQuery, Query()], request: Request, principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            page = await jobs.page(connection, principal.workspace, query)
        return page_response(request, query, page, [job_document(row) for row in page.rows])

    @found.get(
        "/v1/jobs/{job_id}",
        operation_id="get_job",
        summary="One job; a deleted one only with `include_deleted=true`",
        response_model=Job,
        responses=responses(403, 404, 422),
    )
    async def get_job(job_id: JobId, query: Annotated[Deleted, Query()], principal: ReadingPrincipal) -> Response:
        async with reader.connection() as connection:
            shown = await jobs.detail(
                connection, principal.workspace, comparable(job_id, "job"), include_deleted=query.include_deleted
            )
        if shown is None:
            raise not_found("job")
        # If-Match of a command goes by it; a payload may arrive without it, so nobody may keep the answer
        headers = {"ETag": f'"{shown.row["version"]}"', "Cache-Control": "no-store"}
        return Response(orjson.dumps(job_document(shown.row, shown.payload)), headers=headers, media_type=JSON)

    @found.get(
        "/v1/jobs/{job_id}/slots",
        operation_id="list_job_slots",
        summary="What became of every slot of a job",
        response_model=SlotPage | list[Slot],
        responses=LISTED | responses(403, 404, 422),
    )
    async def list_slots(
        job_id: JobId, query: Annotated[SlotQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        async with reader.connection() as connection:
            page = await jobs.slots(connection, principal.workspace, comparable(job_id, "job"), query)
        if page is None:
            raise not_found("job")
        return page_response(request, query, page, [slot_document(row) for row in page.rows])

    @found.get(
        "/v1/jobs/{job_id}/logs",
        operation_id="list_job_logs",
        summary="Every attempt of every run of a job",
        response_model=LogPage | list[Log],
        responses=LISTED | responses(403, 404, 422),
    )
    async def list_logs(
        job_id: JobId, query: Annotated[LogQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        async with reader.connection() as connection:
            page = await jobs.logs(connection, principal.workspace, comparable(job_id, "job"), query)
        if page is None:
            raise not_found("job")
        return page_response(request, query, page, [job_log_document(row) for row in page.rows])

    return found
