"""``/webhooks/<source>``: the raw bytes are verified, then read. Thin; answers are explained in the documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from tocsin.asgi import read_body
from tocsin.authentication import Authenticator, Principal, presented_key
from tocsin.ingest import records
from tocsin.ingest.records import encode, now_ms
from tocsin.ingest.routes import webhooks_documentation as documentation
from tocsin.ingest.routes.requests import head_of, request_of
from tocsin.ingest.sources.catalogue import SENDERS, Sender
from tocsin.ingest.sources.webhook import OPEN, Delivery
from tocsin.ingest.webhooks import Admitted, Webhooks

Endpoint = Callable[[Request], Awaitable[Response]]
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class WebhookRoutes:
    """One route a sender."""

    webhooks: Webhooks
    authenticator: Authenticator

    async def receive(self, sender: Sender, request: Request) -> Response:
        delivery = await delivery_of(request)
        if sender.verify is None:
            admitted = await self._by_key(sender.name, request)
        else:
            admitted = self.webhooks.admit(sender, delivery)
        taken = await self.webhooks.take(
            sender.name, sender.parse, verified(delivery, admitted), shared(request, admitted)
        )
        return Response(encode(taken), 202, media_type=_JSON)

    async def _by_key(self, source: str, request: Request) -> Admitted:
        if source in self.webhooks.sources.open and presented_key(request.scope["headers"]) is None:
            return Admitted("default", OPEN)
        principal = await self.authenticator.admit(request.scope, "ingest")
        return Admitted(principal.workspace, "api_key")


async def delivery_of(request: Request) -> Delivery:
    """The request as it came, of repeated headers the last."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    return Delivery(await read_body(request.receive), headers, now_ms())


def verified(delivery: Delivery, admitted: Admitted) -> Delivery:
    return Delivery(delivery.body, delivery.headers, delivery.now_ms, admitted.verified_by, delivery.mapper)


def shared(request: Request, admitted: Admitted) -> records.Request:
    """What the events of this request share."""
    return request_of(head_of(request.scope), Principal(admitted.workspace, "webhook", frozenset()))


def router(routes: WebhookRoutes) -> APIRouter:
    """The routes for FastAPI."""
    found = APIRouter(tags=["webhooks"])
    for sender in SENDERS.values():
        endpoint = _endpoint(routes, sender)
        for place, method in enumerate(sender.methods):
            found.add_api_route(
                sender.path,
                endpoint,
                methods=[method],
                status_code=202,
                response_class=Response,
                include_in_schema=place == 0,
                **documentation.of(sender),
            )
    return found


def _endpoint(routes: WebhookRoutes, sender: Sender) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await routes.receive(sender, request)

    return endpoint
