"""``/v2/enqueue`` and ``/v2/change/enqueue`` as PagerDuty answers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from tocsin.ingest.routes.webhook_examples import PAGERDUTY_EXAMPLE
from tocsin.ingest.routes.webhooks import delivery_of, shared
from tocsin.ingest.sources import pagerduty
from tocsin.ingest.sources.catalogue import PAGERDUTY
from tocsin.ingest.sources.webhook import Delivery
from tocsin.ingest.webhooks import Admitted, Webhooks
from tocsin.problems import Problem, responses

EVENTS: Final = "/v2/enqueue"
CHANGES: Final = "/v2/change/enqueue"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class PagerDutyRoutes:
    """Both routes."""

    webhooks: Webhooks

    async def enqueue(self, request: Request) -> Response:
        try:
            delivery, admitted = await self._admitted(request)
            pagerduty.check(delivery)
        except pagerduty.Invalid as refused:
            return _refusal(refused.errors)
        delivery = replace(delivery, verified_by=admitted.verified_by)
        key = pagerduty.dedup_key(pagerduty.parse(delivery))
        await self.webhooks.take(PAGERDUTY.name, PAGERDUTY.parse, delivery, shared(request, admitted), EVENTS)
        return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": key}, 202)

    async def change(self, request: Request) -> Response:
        """A change is no alert: counted and forgotten."""
        try:
            await self._admitted(request)
        except pagerduty.Invalid as refused:
            return _refusal(refused.errors)
        self.webhooks.ignored(PAGERDUTY.name, "a change event is no alert")
        return JSONResponse({"status": "success", "message": "Change event processed"}, 202)

    async def _admitted(self, request: Request) -> tuple[Delivery, Admitted]:
        delivery = await delivery_of(request)
        if len(delivery.body) > pagerduty.MAX_BODY_BYTES:
            detail = f"At most {pagerduty.MAX_BODY_BYTES} bytes are allowed here"
            raise Problem(413, "body-too-large", "The body is too large", detail, limit_bytes=pagerduty.MAX_BODY_BYTES)
        pagerduty.readable(delivery)
        try:
            return delivery, self.webhooks.admit(PAGERDUTY, delivery)
        except Problem as problem:
            if problem.status != 401:
                raise
            raise pagerduty.Invalid(["'routing_key' is not known"]) from None


def _refusal(errors: Sequence[str]) -> Response:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
    return JSONResponse(body, 400)


_ERROR: Final = {
    "status": "invalid event",
    "message": "Event object is invalid",
    "errors": ["'routing_key' is missing"],
}


def _description(operation: str, summary: str, message: str, example: object) -> dict[str, Any]:
    accepted = {"status": "success", "message": message, "dedup_key": "disk/db-7"}
    return {
        "operation_id": operation,
        "summary": summary,
        "description": "Compatible with PagerDuty's Events API v2; the routing key is one of `PAGERDUTY_ROUTING_KEYS`.",
        "responses": {
            202: {"description": "Stored durably", "content": {_JSON: {"schema": {}, "example": accepted}}},
            400: {"description": "Refused as PagerDuty does", "content": {_JSON: {"schema": {}, "example": _ERROR}}},
        }
        | {status: found for status, found in responses(413).items() if status != 401},
        "openapi_extra": {
            "security": [],
            "requestBody": {"required": True, "content": {_JSON: {"schema": {}, "example": example}}},
        },
    }


def router(routes: PagerDutyRoutes) -> APIRouter:
    """The routes for FastAPI."""
    found = APIRouter(tags=["webhooks"])

    async def enqueue(request: Request) -> Response:
        return await routes.enqueue(request)

    async def change(request: Request) -> Response:
        return await routes.change(request)

    options: dict[str, Any] = {"methods": ["POST"], "status_code": 202, "response_class": Response}
    event = _description("enqueue_event", "PagerDuty Events v2", "Event processed", PAGERDUTY_EXAMPLE)
    found.add_api_route(EVENTS, enqueue, **options, **event)
    example = {"routing_key": PAGERDUTY_EXAMPLE["routing_key"], "payload": {"summary": "Deployed orders 42"}}
    about = _description("enqueue_change_event", "PagerDuty change events", "Change event processed", example)
    found.add_api_route(CHANGES, change, **options, **about)
    return found
