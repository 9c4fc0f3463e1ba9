"""``POST /tickets``: tickets of other systems, many at once, answered with how each stands here."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic.json_schema import models_json_schema

from tocsin import outcomes
from tocsin.authentication import Sender
from tocsin.events.tickets import DOMAIN
from tocsin.ingest import batches
from tocsin.ingest.batches import Batch
from tocsin.ingest.commands import Commands
from tocsin.ingest.routes.commanding import LATER
from tocsin.ingest.routes.failures_documentation import IDEMPOTENCY_KEY
from tocsin.ingest.routes.requests import head_of, idempotency_key, request_of
from tocsin.ingest.ticket_reports import MAX_ITEMS, TicketReport, read
from tocsin.problems import responses

ROUTE: Final = "/tickets"
_DESCRIPTION: Final = """\
Up to 5,000 tickets in 8 MiB. A wrong field refuses the whole array and nothing of it is kept; `errors` names each
(`[3].priority`). Items are decided in order, also those with the same id, and answered in order: the stored ticket
with its `escalation_level`, or the problem of that item alone (404 for a failure's ticket that is not known, 409 for a
move its status does not allow). A report whose `updated_at` is older than that of the last accepted one changes
nothing and is answered with the ticket as it is; the same report again changes nothing either.

`notify=false` imports without telling anybody of what follows from the reports at once.
"""
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "T-4711",
    "priority": "high",
    "created_at": "2026-11-20T09:00:00Z",
    "updated_at": "2026-11-20T09:05:00Z",
    "status": "open",
    "customer_tier": "premium",
    "title": "Checkout is down",
    "tags": ["team:payments"],
}
_REPORTS: Final = {"type": "array", "items": {"$ref": "#/components/schemas/TicketReport"}, "maxItems": MAX_ITEMS}
_BODY: Final = {"required": True, "content": {"application/json": {"schema": _REPORTS, "example": [_EXAMPLE]}}}
_ANSWERED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The tickets, each as `GET /tickets` shows it, or a problem in its place",
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
    }
}
Notify = Annotated[bool, Query(description="false: nobody is told of what follows at once")]


def router(commands: Commands) -> APIRouter:
    found = APIRouter(tags=["tickets"])

    @found.post(
        ROUTE,
        operation_id="report_tickets",
        summary="Report tickets of another system",
        description=_DESCRIPTION,
        response_class=Response,
        responses=_ANSWERED | LATER | responses(400, 403, 413, 415, 422),
        openapi_extra={"parameters": [IDEMPOTENCY_KEY], "requestBody": _BODY},
    )
    async def report(request: Request, principal: Sender, notify: Notify = True) -> Response:
        head = head_of(request.scope)
        key = idempotency_key(head)
        body = await request.body()
        batch = Batch(
            domain=DOMAIN,
            events=read(body, notify=notify),
            method="POST",
            path=ROUTE,
            body=body,
            idempotency_key=key,
            said="" if notify else "notify=false",
        )
        return outcomes.response(await batches.run(commands, batch, request_of(head, principal)))

    return found


def component_schemas() -> dict[str, Any]:
    """The schemas that the description refers to."""
    _, found = models_json_schema([(TicketReport, "validation")], ref_template="#/components/schemas/{model}")
    return dict(found["$defs"])
