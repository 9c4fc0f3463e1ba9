"""``GET /v1/tasks``, ``/v1/tasks/{id}``, where a waiter may wait for the end, and what its polls found."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from tocsin.api.queries import tasks
from tocsin.api.queries.reader import Reader
from tocsin.api.queries.task_filter import PolledQuery, TaskQuery, Waiting
from tocsin.api.routes.paging import JSON, LISTED, page_response
from tocsin.api.settlements import Settlements
from tocsin.api.task_documents import PolledPage, PolledShown, Task, TaskPage
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.events.identity import TASK_ID
from tocsin.problems import not_found, responses
from tocsin.projections.tables import poll_document, task_document

TaskId = Annotated[
    str, Path(max_length=200, description="Id of the task", examples=["k_0f343b0931126a20f133d67c2b018a3b"])
]
_SHOWN: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "As it is now, settled or not"}}


def router(reader: Reader, settlements: Settlements) -> APIRouter:
    found = APIRouter(tags=["tasks"])

    @found.get(
        "/v1/tasks",
        operation_id="list_tasks",
        summary="The token inbox: every task with its age, owner, deadline and last sign of life",
        response_model=TaskPage | list[Task],
        responses=LISTED | responses(403, 422),
    )
    async def list_tasks(
        query: Annotated[TaskQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        async with reader.connection() as connection:
            page = await tasks.page(connection, principal.workspace, query)
        return page_response(request, query, page, [task_document(row) for row in page.rows])

    @found.get(
        "/v1/tasks/{task_id}",
        operation_id="get_task",
        summary="One task; with `wait_seconds` it waits for the end",
        response_model=Task,
        responses=_SHOWN | responses(403, 404, 422),
    )
    async def get_task(task_id: TaskId, query: Annotated[Waiting, Query()], principal: ReadingPrincipal) -> Response:
        shown = await _detail(reader, principal.workspace, task_id)
        if shown.row["settled_at"] is None and query.wait_seconds:
            await settlements.wait((principal.workspace, task_id), query.wait_seconds)
            shown = await _detail(reader, principal.workspace, task_id)
        # If-Match of a command goes by it; a result may arrive without it, so nobody may keep the answer
        headers = {"ETag": f'"{shown.row["version"]}"', "Cache-Control": "no-store"}
        return Response(orjson.dumps(task_document(shown.row, shown.result)), headers=headers, media_type=JSON)

    @found.get(
        "/v1/tasks/{task_id}/polls",
        operation_id="list_task_polls",
        summary="What every poll of a task found",
        response_model=PolledPage | list[PolledShown],
        responses=LISTED | responses(403, 404, 422),
    )
    async def list_polls(
        task_id: TaskId, query: Annotated[PolledQuery, Query()], request: Request, principal: ReadingPrincipal
    ) -> Response:
        async with reader.connection() as connection:
            page = await tasks.polls(connection, principal.workspace, _checked(task_id), query)
        if page is None:
            raise not_found("task")
        return page_response(request, query, page, [poll_document(row) for row in page.rows])

    return found


async def _detail(reader: Reader, workspace: str, task_id: str) -> tasks.Detail:
    async with reader.connection() as connection:
        shown = await tasks.detail(connection, workspace, _checked(task_id))
    if shown is None:
        raise not_found("task")
    return shown


def _checked(task_id: str) -> str:
    if not TASK_ID.fullmatch(task_id):
        raise not_found("task")
    return task_id
