"""``POST /failures`` and ``POST /failures/batch``: plain ASGI, since a framework would halve what they take.

FastAPI mounts the same callables, which puts them into OpenAPI and answers their other methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tocsin.asgi import read_body, send_json
from tocsin.authentication import Authenticator
from tocsin.ingest.failures import Failures, split
from tocsin.ingest.routes import failures_documentation as documentation
from tocsin.ingest.routes.requests import head_of, idempotency_key, request_of
from tocsin.problems import Problem, send_problem

ROUTE: Final = "/failures"
BATCH_ROUTE: Final = "/failures/batch"


@dataclass(frozen=True, slots=True)
class FailureRoutes:
    """The two hot routes."""

    failures: Failures
    authenticator: Authenticator

    def table(self) -> Mapping[tuple[str, str], ASGIApp]:
        return {("POST", ROUTE): self.report, ("POST", BATCH_ROUTE): self.report_all}

    async def report(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = await self.authenticator.admit(scope, "ingest")
        head = head_of(scope)
        key = idempotency_key(head)
        body = await read_body(receive)
        answer, status_url = await self.failures.report(body, key, request_of(head, principal))
        await send_json(send, 202, answer, (b"location", status_url.encode()))

    async def report_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal = await self.authenticator.admit(scope, "ingest")
        head = head_of(scope)
        key = idempotency_key(head)
        items = split(await read_body(receive), head.get(b"content-type", b"").decode("latin-1").lower())
        status, answer = await self.failures.report_all(items, key, request_of(head, principal))
        await send_json(send, status, answer)


class _Delegated(Response):
    """Lets a plain ASGI callable answer from within a FastAPI route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Problem as problem:
            await send_problem(problem, send)


def router(routes: FailureRoutes) -> APIRouter:
    """The routes for FastAPI."""
    found = APIRouter(tags=["failures"])

    def add(path: str, app: ASGIApp, description: Mapping[str, Any]) -> None:
        async def endpoint() -> Response:
            return _Delegated(app)

        found.add_api_route(path, endpoint, methods=["POST"], status_code=202, response_class=Response, **description)

    add(ROUTE, routes.report, documentation.REPORT)
    add(BATCH_ROUTE, routes.report_all, documentation.REPORT_ALL)
    return found
