"""Commands on tickets: change the status, hide."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator

from tocsin import outcomes
from tocsin.authentication import Principal, Writer
from tocsin.events.identity import REPORTED_TICKET_ID, entity_of_ticket
from tocsin.events.tickets import DOMAIN, HideRequested, StatusChangeRequested
from tocsin.events.vocabulary import STATUS_BODY_SYNONYMS, TicketStatus
from tocsin.ingest.commands import Command, Commands
from tocsin.ingest.routes.failures_documentation import IDEMPOTENCY_KEY
from tocsin.ingest.routes.requests import actor_of, expected_version, head_of, idempotency_key, request_of
from tocsin.problems import not_found, responses

_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag the change is based on; 412 when the ticket changed meanwhile",
}
_ACTOR: Final = {
    "name": "X-Actor",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "Who acts, when the body does not say; else the name of the key",
}
_LATER: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "Stored; not decided within the wait. `status_url` (also Location) will tell"}
}

TicketId = Annotated[str, Path(description="Id of the ticket", examples=["t_ldccopes6uacahgduvspztpl34-1"])]
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", strip_whitespace=True)]


class StatusChange(BaseModel):
    """The status wanted, and why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"status": "done", "reason": "fixed"}]})

    status: TicketStatus
    reason: Annotated[_Text, StringConstraints(max_length=2000)] | None = None
    actor: Annotated[_Text, StringConstraints(max_length=200)] | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _synonyms(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        word = value.strip().lower()
        return STATUS_BODY_SYNONYMS.get(word, word)


def router(commands: Commands) -> APIRouter:
    """``PATCH`` and ``DELETE /tickets/{id}``."""
    found = APIRouter(tags=["tickets"])

    @found.patch(
        "/tickets/{ticket_id}",
        operation_id="change_ticket_status",
        summary="Change the status of a ticket",
        response_class=Response,
        responses={200: {"description": "The ticket after the change"}}
        | _LATER
        | responses(400, 403, 404, 409, 412, 422),
        openapi_extra={"parameters": [IDEMPOTENCY_KEY, _IF_MATCH, _ACTOR]},
    )
    async def change_status(ticket_id: TicketId, change: StatusChange, request: Request, principal: Writer) -> Response:
        head = head_of(request.scope)
        event = StatusChangeRequested(
            ticket_id=_checked(ticket_id),
            status=change.status,
            actor=actor_of(change.actor, head, principal),
            reason=change.reason or "",
            if_version=expected_version(head),
        )
        return await _run(commands, event, request, principal)

    @found.delete(
        "/tickets/{ticket_id}",
        operation_id="hide_ticket",
        summary="Hide a resolved ticket from lists",
        status_code=204,
        response_class=Response,
        responses=_LATER | responses(403, 404, 409, 412),
        openapi_extra={"parameters": [IDEMPOTENCY_KEY, _IF_MATCH, _ACTOR]},
    )
    async def hide(ticket_id: TicketId, request: Request, principal: Writer) -> Response:
        head = head_of(request.scope)
        event = HideRequested(
            ticket_id=_checked(ticket_id), actor=actor_of(None, head, principal), if_version=expected_version(head)
        )
        return await _run(commands, event, request, principal)

    return found


async def _run(
    commands: Commands, event: StatusChangeRequested | HideRequested, request: Request, principal: Principal
) -> Response:
    head = head_of(request.scope)
    command = Command(
        domain=DOMAIN,
        entity=entity_of_ticket(event.ticket_id),
        event=event,
        method=request.method,
        path=request.url.path,
        body=await request.body(),
        idempotency_key=idempotency_key(head),
    )
    return outcomes.response(await commands.run(command, request_of(head, principal)))


def _checked(ticket_id: str) -> str:
    """The id, if a ticket could have it. Raises Problem 404."""
    if not REPORTED_TICKET_ID.fullmatch(ticket_id):
        raise not_found("ticket")
    return ticket_id
