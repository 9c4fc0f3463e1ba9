"""What people say to the watchdog about a ticket: acknowledge, snooze, escalate now."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from tocsin.authentication import Principal, Writer
from tocsin.events import sla
from tocsin.events.identity import entity_of_ticket
from tocsin.events.tickets import DOMAIN
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.ingest.commands import Commands
from tocsin.ingest.records import now_ms
from tocsin.ingest.routes.commanding import HEADERS, LATER, Actor, Reason, decided
from tocsin.ingest.routes.requests import actor_of, expected_version, head_of
from tocsin.ingest.routes.tickets import TicketId, checked_id
from tocsin.problems import responses, wrong_field

LONGEST_SNOOZE_MINUTES: Final = 30 * 24 * 60
_MINUTE_MS: Final = 60_000
_AFTER: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "The ticket after it"}}
_RESPONSES: Final = _AFTER | LATER | responses(400, 403, 404, 409, 412, 422)


class Word(BaseModel):
    """Who says it, and why."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = None
    actor: Actor | None = None


class Snooze(Word):
    """Exactly one of `until` and `minutes`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"minutes": 30, "reason": "vendor is on it"}]})

    until: AwareDatetime | None = Field(None, description="At most 30 days ahead")
    minutes: int | None = Field(None, ge=1, le=LONGEST_SNOOZE_MINUTES)

    @model_validator(mode="after")
    def _one_of_both(self) -> Snooze:
        if (self.until is None) == (self.minutes is None):
            raise wrong_field("until", "until_or_minutes", "exactly one of until and minutes is needed")
        if self.until is not None and self.until_ms() > now_ms() + LONGEST_SNOOZE_MINUTES * _MINUTE_MS:
            raise wrong_field("until", "too_long", "until is at most 30 days ahead")
        return self

    def until_ms(self) -> int:
        """Unix milliseconds."""
        if self.until is not None:
            return round_down_ms(self.until.astimezone(UTC))
        return now_ms() + (self.minutes or 0) * _MINUTE_MS


def router(commands: Commands) -> APIRouter:
    """``POST /tickets/{id}/acknowledge``, ``/snooze`` and ``/escalate``."""
    found = APIRouter(tags=["tickets"])

    async def ask(
        ticket_id: str, event: type[Any], word: Word, request: Request, principal: Principal, **more: Any
    ) -> Response:
        head = head_of(request.scope)
        asked = event(
            ticket_id=checked_id(ticket_id),
            actor=actor_of(word.actor, head, principal),
            reason=word.reason or "",
            if_version=expected_version(head),
            **more,
        )
        return await decided(commands, DOMAIN, entity_of_ticket(ticket_id), asked, request, principal)

    @found.post(
        "/tickets/{ticket_id}/acknowledge",
        operation_id="acknowledge_ticket",
        summary="Say that somebody has seen it: its ladders stop",
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra=HEADERS,
    )
    async def acknowledge(
        ticket_id: TicketId, request: Request, principal: Writer, word: Word | None = None
    ) -> Response:
        return await ask(ticket_id, sla.TicketAcknowledgeRequested, word or Word(), request, principal)

    @found.post(
        "/tickets/{ticket_id}/snooze",
        operation_id="snooze_ticket",
        summary="Tell nobody of it for a while; its clocks run on",
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra=HEADERS,
    )
    async def snooze(ticket_id: TicketId, word: Snooze, request: Request, principal: Writer) -> Response:
        until = rfc3339(word.until_ms())
        return await ask(ticket_id, sla.TicketSnoozeRequested, word, request, principal, until=until)

    @found.post(
        "/tickets/{ticket_id}/escalate",
        operation_id="escalate_ticket",
        summary="Go to the next step of its ladder now",
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra=HEADERS,
    )
    async def escalate(ticket_id: TicketId, request: Request, principal: Writer, word: Word | None = None) -> Response:
        return await ask(ticket_id, sla.TicketEscalateRequested, word or Word(), request, principal)

    return found
