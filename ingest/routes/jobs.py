"""Commands on jobs: create, change, pause, resume, run now, delete; and the preview, which asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Request, Response

from tocsin.authentication import Principal, Reader, Writer
from tocsin.events import jobs as contract
from tocsin.events.identity import JOB_ID, entity_of_numbered, quota_entity
from tocsin.ingest.commands import Commands
from tocsin.ingest.job_preview import preview
from tocsin.ingest.job_spec import Bodies, Body
from tocsin.ingest.records import payload_record
from tocsin.ingest.routes import jobs_documentation as documentation
from tocsin.ingest.routes.commanding import decided, version_wanted
from tocsin.ingest.routes.requests import actor_of, head_of
from tocsin.problems import not_found

JobId = Annotated[str, Path(description="Id of the job", examples=["j_mzxw6ytboi5dcmrtgq2tmnzyha-1"])]
_ROUTE: Final = "/v1/jobs"
_ONE: Final = "/v1/jobs/{job_id}"


@dataclass(frozen=True, slots=True)
class JobRoutes:
    """From a request to the answer of its decision."""

    commands: Commands
    bodies: Bodies

    async def create(self, request: Request, principal: Principal) -> Response:
        body = self.bodies.created(await request.body(), datetime.now(UTC))
        await self._keep_payload(body)
        actor = actor_of(None, head_of(request.scope), principal)
        asked = contract.JobCreateRequested(spec=body.spec(), actor=actor)
        entity = quota_entity(principal.workspace)
        return await decided(self.commands, contract.DOMAIN, entity, asked, request, principal)

    async def change(self, job_id: str, request: Request, principal: Principal) -> Response:
        _check(job_id, principal)
        body = self.bodies.changed(await request.body(), datetime.now(UTC))
        await self._keep_payload(body)
        return await self.ask(job_id, contract.JobUpdateRequested, request, principal, changes=body.changes())

    async def ask(self, job_id: str, event: type[Any], request: Request, principal: Principal, **more: Any) -> Response:
        """What is asked of a job that exists. Raises Problem 404 for an id that no job of the workspace can have."""
        _check(job_id, principal)
        head = head_of(request.scope)
        asked = event(job_id=job_id, actor=actor_of(None, head, principal), **more, **version_wanted(event, head))
        return await decided(self.commands, contract.DOMAIN, job_id, asked, request, principal)

    async def preview(self, request: Request) -> Response:
        now = datetime.now(UTC)
        shown = preview(self.bodies.previewed(await request.body(), now), now)
        return Response(orjson.dumps(shown), media_type="application/json")

    async def _keep_payload(self, body: Body) -> None:
        """Before the event that names its digest. Raises Problem 503."""
        if stored := body.stored_payload:
            await self.commands.publisher.publish(payload_record(stored, self.commands.partitions))


def _check(job_id: str, principal: Principal) -> None:
    if not JOB_ID.fullmatch(job_id) or entity_of_numbered(job_id) != quota_entity(principal.workspace):
        raise not_found("job")


def router(routes: JobRoutes) -> APIRouter:
    """``POST /v1/jobs`` and everything below it that changes something."""
    found = APIRouter(tags=["jobs"])

    @found.post(_ROUTE, status_code=201, response_class=Response, **documentation.CREATE)
    async def create_job(request: Request, principal: Writer) -> Response:
        return await routes.create(request, principal)

    @found.post(f"{_ROUTE}/preview", response_class=Response, **documentation.PREVIEW)
    async def preview_job(request: Request, _: Reader) -> Response:
        return await routes.preview(request)

    @found.patch(_ONE, response_class=Response, **documentation.CHANGE)
    async def change_job(job_id: JobId, request: Request, principal: Writer) -> Response:
        return await routes.change(job_id, request, principal)

    @found.delete(_ONE, status_code=204, response_class=Response, **documentation.DELETE)
    async def delete_job(job_id: JobId, request: Request, principal: Writer) -> Response:
        return await routes.ask(job_id, contract.JobDeleteRequested, request, principal)

    @found.post(f"{_ONE}/pause", response_class=Response, **documentation.PAUSE)
    async def pause_job(job_id: JobId, request: Request, principal: Writer) -> Response:
        return await routes.ask(job_id, contract.JobPauseRequested, request, principal)

    @found.post(f"{_ONE}/resume", response_class=Response, **documentation.RESUME)
    async def resume_job(job_id: JobId, request: Request, principal: Writer) -> Response:
        return await routes.ask(job_id, contract.JobResumeRequested, request, principal)

    @found.post(f"{_ONE}/run", status_code=201, response_class=Response, **documentation.RUN)
    async def run_job(job_id: JobId, request: Request, principal: Writer) -> Response:
        return await routes.ask(job_id, contract.JobRunRequested, request, principal)

    return found
