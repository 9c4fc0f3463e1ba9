"""Commands on tickets: change the status, hide."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, field_validator

from tocsin.authentication import Writer
from tocsin.events.identity import REPORTED_TICKET_ID, entity_of_ticket
from tocsin.events.tickets import DOMAIN, HideRequested, StatusChangeRequested
from tocsin.events.vocabulary import STATUS_BODY_SYNONYMS, TicketStatus
from tocsin.ingest.commands import Commands
from tocsin.ingest.routes.commanding import HEADERS, LATER, Actor, Reason, decided
from tocsin.ingest.routes.requests import actor_of, expected_version, head_of
from tocsin.problems import not_found, responses

TicketId = Annotated[str, Path(description="Id of the ticket", examples=["t_ldccopes6uacahgduvspztpl34-1"])]


class StatusChange(BaseModel):
    """The status wanted, and why."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"status": "done", "reason": "fixed"}]})

    status: TicketStatus
    reason: Reason | None = None
    actor: Actor | None = None

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
        | LATER
        | responses(400, 403, 404, 409, 412, 422),
        openapi_extra=HEADERS,
    )
    async def change_status(ticket_id: TicketId, change: StatusChange, request: Request, principal: Writer) -> Response:
        head = head_of(request.scope)
        event = StatusChangeRequested(
            ticket_id=checked_id(ticket_id),
            status=change.status,
            actor=actor_of(change.actor, head, principal),
            reason=change.reason or "",
            if_version=expected_version(head),
        )
        return await decided(commands, DOMAIN, entity_of_ticket(ticket_id), event, request, principal)

    @found.delete(
        "/tickets/{ticket_id}",
        operation_id="hide_ticket",
        summary="Hide a resolved ticket from lists",
        status_code=204,
        response_class=Response,
        responses=LATER | responses(403, 404, 409, 412),
        openapi_extra=HEADERS,
    )
    async def hide(ticket_id: TicketId, request: Request, principal: Writer) -> Response:
        head = head_of(request.scope)
        event = HideRequested(
            ticket_id=checked_id(ticket_id), actor=actor_of(None, head, principal), if_version=expected_version(head)
        )
        return await decided(commands, DOMAIN, entity_of_ticket(ticket_id), event, request, principal)

    return found


def checked_id(ticket_id: str) -> str:
    """The id, if a ticket could have it. Raises Problem 404."""
    if not REPORTED_TICKET_ID.fullmatch(ticket_id):
        raise not_found("ticket")
    return ticket_id
