"""``/webhooks/<source>``: the raw bytes are verified, then read. Thin; answers are explained in the documentation."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from fastapi import APIRouter, Request, Response

from tocsin.asgi import read_body
from tocsin.authentication import DEFAULT_WORKSPACE, Authenticator, Principal, presented_key
from tocsin.ingest import records
from tocsin.ingest.records import encode, now_ms
from tocsin.ingest.routes import webhooks_documentation as documentation
from tocsin.ingest.routes.requests import head_of, request_of
from tocsin.ingest.sources import generic
from tocsin.ingest.sources.catalogue import SENDERS, Sender
from tocsin.ingest.sources.webhook import OPEN, Delivery
from tocsin.ingest.webhook_records import Parse
from tocsin.ingest.webhooks import Admitted, Webhooks
from tocsin.problems import not_found

Endpoint = Callable[[Request], Awaitable[Response]]
GENERIC: Final = "generic"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class WebhookRoutes:
    """One route a sender."""

    webhooks: Webhooks
    authenticator: Authenticator

    async def receive(self, sender: Sender, request: Request) -> Response:
        if sender.verify is None:
            admitted = await self._by_key(sender.name, request)
            delivery = await delivery_of(request)
        else:
            delivery = await delivery_of(request)
            admitted = self.webhooks.admit(sender, delivery)
        return await self._taken(sender.name, sender.parse, delivery, admitted, request)

    async def receive_generic(self, name: str, request: Request) -> Response:
        admitted = await self._by_key(GENERIC, request)
        mapper = self.webhooks.sources.mapper(name)
        if mapper is None:
            raise not_found("mapper")
        delivery = replace(await delivery_of(request), mapper=name)
        return await self._taken(GENERIC, functools.partial(generic.parse, mapper), delivery, admitted, request)

    async def _taken(
        self, source: str, parse: Parse, delivery: Delivery, admitted: Admitted, request: Request
    ) -> Response:
        delivery = replace(delivery, verified_by=admitted.verified_by)
        taken = await self.webhooks.take(source, parse, delivery, shared(request, admitted))
        return Response(encode(taken), 202, media_type=_JSON)

    async def _by_key(self, source: str, request: Request) -> Admitted:
        if source in self.webhooks.sources.open and presented_key(request.scope["headers"]) is None:
            return Admitted(DEFAULT_WORKSPACE, OPEN)
        principal = await self.authenticator.admit(request.scope, "ingest")
        return Admitted(principal.workspace, "api_key")


async def delivery_of(request: Request) -> Delivery:
    """The request as it came, of repeated headers the last."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    return Delivery(await read_body(request.receive), headers, now_ms())


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
    _add_generic(found, routes)
    _add_handshake(found)
    return found


def _add_generic(found: APIRouter, routes: WebhookRoutes) -> None:
    async def endpoint(mapper: str, request: Request) -> Response:
        return await routes.receive_generic(mapper, request)

    for place, method in enumerate(("POST", "PUT")):
        found.add_api_route(
            "/webhooks/generic/{mapper}",
            endpoint,
            methods=[method],
            status_code=202,
            response_class=Response,
            include_in_schema=place == 0,
            **documentation.GENERIC,
        )


def _add_handshake(found: APIRouter) -> None:
    """CloudEvents' abuse protection: who asks whether it may send is told that it may; its key is checked later.

    Source: cloudevents/spec, HTTP 1.1 Web Hooks for Event Delivery, section 4.
    """

    async def endpoint(request: Request) -> Response:
        headers = {"Allow": "POST, OPTIONS"}
        if origin := request.headers.get("webhook-request-origin", "").strip():
            headers |= {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
        return Response(status_code=200, headers=headers)

    found.add_api_route(
        "/webhooks/cloudevents",
        endpoint,
        methods=["OPTIONS"],
        response_class=Response,
        **documentation.HANDSHAKE,
    )


def _endpoint(routes: WebhookRoutes, sender: Sender) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await routes.receive(sender, request)

    return endpoint
