"""Commands on incidents: status, acknowledge, assign, comment, merge, split."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from tocsin.authentication import Principal, Writer
from tocsin.events import incidents as contract
from tocsin.events.identity import ALERT_ID, INCIDENT_ID, entity_of_numbered
from tocsin.events.vocabulary import IncidentStatus
from tocsin.ingest.commands import Commands
from tocsin.ingest.routes.commanding import HEADERS, LATER, Actor, Reason, Words, decided
from tocsin.ingest.routes.requests import actor_of, expected_version, head_of
from tocsin.problems import not_found, responses

IncidentId = Annotated[str, Path(description="Id of the incident", examples=["i_mzxw6ytboi5dcmrtgq2tmnzyha-1"])]
MAX_SPLIT: Final = 100
_CHANGED: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "The incident after it"}}
_SPLIT: Final[dict[int | str, dict[str, Any]]] = {201: {"description": "The new incident; Location names it"}}
_REFUSED: Final = responses(400, 403, 404, 409, 412, 422)


class Act(BaseModel):
    """What somebody does, and who does it."""

    model_config = ConfigDict(extra="forbid")

    actor: Actor | None = None


class IncidentStatusChange(Act):
    """The status wanted, in any case, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "INVESTIGATING", "reason": "on it"}]})

    status: IncidentStatus
    reason: Reason | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.strip().upper() if isinstance(value, str) else value


class Assignment(Act):
    """Who takes care of it; null or empty: nobody."""

    assignee: Actor | None


class Comment(Act):
    """A word for the timeline."""

    text: Annotated[Words, StringConstraints(min_length=1, max_length=10_000)]


class Merge(Act):
    """The incident that is taken over; it becomes CLOSED."""

    source_id: Annotated[str, StringConstraints(pattern=INCIDENT_ID.pattern)]
    reason: Reason | None = None


class Split(Act):
    """The alerts that become an incident of their own."""

    alert_ids: Annotated[
        list[Annotated[str, StringConstraints(pattern=ALERT_ID.pattern)]], Field(min_length=1, max_length=MAX_SPLIT)
    ]
    title: Annotated[Words, StringConstraints(max_length=500)] | None = None
    reason: Reason | None = None


def router(commands: Commands) -> APIRouter:
    """``PATCH /incidents/{id}/status`` and the other commands."""
    found = APIRouter(tags=["incidents"])

    async def ask(
        incident_id: str, event: type[Any], act: Act, request: Request, principal: Principal, **more: Any
    ) -> Response:
        if not INCIDENT_ID.fullmatch(incident_id):
            raise not_found("incident")
        head = head_of(request.scope)
        actor, version = actor_of(act.actor, head, principal), expected_version(head)
        asked = event(incident_id=incident_id, actor=actor, if_version=version, **more)
        return await decided(commands, contract.DOMAIN, entity_of_numbered(incident_id), asked, request, principal)

    @found.patch(
        "/incidents/{incident_id}/status",
        operation_id="change_incident_status",
        summary="Move an incident along OPEN, INVESTIGATING, RESOLVED, CLOSED",
        response_class=Response,
        responses=_CHANGED | LATER | _REFUSED,
        openapi_extra=HEADERS,
    )
    async def change_status(
        incident_id: IncidentId, change: IncidentStatusChange, request: Request, principal: Writer
    ) -> Response:
        event, reason = contract.IncidentStatusRequested, change.reason or ""
        return await ask(incident_id, event, change, request, principal, status=change.status, reason=reason)

    @found.post(
        "/incidents/{incident_id}/acknowledge",
        operation_id="acknowledge_incident",
        summary="Say that somebody has seen it; the first one counts",
        response_class=Response,
        responses=_CHANGED | LATER | _REFUSED,
        openapi_extra=HEADERS,
    )
    async def acknowledge(
        incident_id: IncidentId, request: Request, principal: Writer, act: Act | None = None
    ) -> Response:
        return await ask(incident_id, contract.AcknowledgeRequested, act or Act(), request, principal)

    @found.post(
        "/incidents/{incident_id}/assign",
        operation_id="assign_incident",
        summary="Say who takes care of it",
        response_class=Response,
        responses=_CHANGED | LATER | _REFUSED,
        openapi_extra=HEADERS,
    )
    async def assign(incident_id: IncidentId, act: Assignment, request: Request, principal: Writer) -> Response:
        return await ask(incident_id, contract.AssignRequested, act, request, principal, assignee=act.assignee or "")

    @found.post(
        "/incidents/{incident_id}/comments",
        operation_id="comment_on_incident",
        summary="Add a word to the timeline",
        response_class=Response,
        responses=_CHANGED | LATER | _REFUSED,
        openapi_extra=HEADERS,
    )
    async def comment(incident_id: IncidentId, act: Comment, request: Request, principal: Writer) -> Response:
        return await ask(incident_id, contract.CommentRequested, act, request, principal, text=act.text)

    @found.post(
        "/incidents/{incident_id}/merge",
        operation_id="merge_incidents",
        summary="Take over the alerts of another incident, which is CLOSED by it",
        response_class=Response,
        responses=_CHANGED | LATER | _REFUSED,
        openapi_extra=HEADERS,
    )
    async def merge(incident_id: IncidentId, act: Merge, request: Request, principal: Writer) -> Response:
        event, reason = contract.MergeRequested, act.reason or ""
        return await ask(incident_id, event, act, request, principal, source_id=act.source_id, reason=reason)

    @found.post(
        "/incidents/{incident_id}/split",
        operation_id="split_incident",
        summary="Make an incident of its own of some of its alerts",
        status_code=201,
        response_class=Response,
        responses=_SPLIT | LATER | _REFUSED,
        openapi_extra=HEADERS,
    )
    async def split(incident_id: IncidentId, act: Split, request: Request, principal: Writer) -> Response:
        more = {"alert_ids": tuple(act.alert_ids), "title": act.title or "", "reason": act.reason or ""}
        return await ask(incident_id, contract.SplitRequested, act, request, principal, **more)

    return found
