"""The HTTP roles: ``tocsin http`` takes events in and answers queries, ``ingest`` and ``api`` do one of the two."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Final

import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from tocsin import authentication, aws_keys, database, keys, log, metrics, outcomes, source_secrets
from tocsin.api import app as stage_api
from tocsin.api import health
from tocsin.api.app import Api
from tocsin.api.health import Health
from tocsin.api.routes import health as health_routes
from tocsin.asgi import surround
from tocsin.authentication import Authenticator
from tocsin.ingest.gateway import Gateway, gateway
from tocsin.key_ring import KeyRing
from tocsin.openapi import application
from tocsin.server import serve
from tocsin.settings import Settings, settings

_FORM: Final = (b"content-type", b"application/x-www-form-urlencoded")
_JSON: Final = (b"content-type", b"application/json")
_WEBHOOKS: Final = "/webhooks/"


class Front:
    """Answers the hot routes itself and leaves everything else to FastAPI."""

    def __init__(self, app: FastAPI, hot: Mapping[tuple[str, str], ASGIApp]) -> None:
        self.app = app
        self._hot = dict(hot)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (app := self._hot.get((scope["method"], scope["path"]))):
            scope["tocsin.route"] = scope["path"]
            await app(scope, receive, send)
        else:
            await self.app(_with_json(scope), receive, send)


def _with_json(scope: Scope) -> Scope:
    """``curl -d`` calls its body a form when not told otherwise; every body here is JSON, but those of webhooks."""
    if scope["type"] != "http" or _FORM not in scope["headers"] or scope["path"].startswith(_WEBHOOKS):
        return scope
    return {**scope, "headers": [_JSON if header == _FORM else header for header in scope["headers"]]}


def compose(
    gateway: Gateway | None, api: Api | None, authenticator: Authenticator, status: Health | None = None
) -> tuple[ASGIApp, FastAPI]:
    """The application as a server runs it, and the FastAPI application inside it.

    ``status`` serves a role without queries, whose balancer asks too.
    """
    app = application()
    authentication.install(app, authenticator)
    hot = {} if gateway is None else gateway.mount(app)
    if api is not None:
        api.mount(app)
    elif status is not None:
        app.include_router(health_routes.router(status))
    return surround(Front(app, hot)), app


@contextlib.asynccontextmanager
async def running(
    role: str, configuration: Settings, *, ingest: bool, api: bool
) -> AsyncIterator[tuple[ASGIApp, Callable[[], None]]]:
    """The application with everything it needs started: pool, keys, listener, producer, policy watch; and what ends
    the answers that have no end of their own.

    Neither Kafka nor PostgreSQL has to be there: what needs them answers 503 until they are.
    """
    pool = await database.pool(configuration.database, application=role)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(pool.terminate)
        ring = KeyRing(pool)
        authenticator = Authenticator(
            ring,
            configuration.key_pepper.get_secret_value(),
            configuration.unversioned_is_open,
            configuration.loopback,
        )
        entrance = gateway(configuration, pool, authenticator) if ingest else None
        log_is_open = entrance.connected if entrance is not None else lambda: True
        checks = {"postgres": health.postgres(pool), "kafka": health.kafka(configuration.kafka, log_is_open)}
        status = Health(checks)
        queries = stage_api.api(configuration, pool, status) if api else None
        outer, _ = compose(entrance, queries, authenticator, status)
        for part in (entrance, queries):
            if part is not None:
                await stack.enter_async_context(part.running())
        await stack.enter_async_context(_background(ring.run(), _listening(role, configuration, ring, entrance)))
        yield outer, queries.live.hub.end if queries is not None else lambda: None


def _listening(
    role: str, configuration: Settings, ring: KeyRing, entrance: Gateway | None
) -> Coroutine[Any, Any, None]:
    channels: dict[str, Callable[[str], None]] = {keys.CHANNEL: ring.changed}
    if entrance is not None:
        channels[outcomes.CHANNEL] = entrance.outcomes.notified
        if entrance.secrets is not None:
            channels[source_secrets.CHANNEL] = entrance.secrets.changed
        if entrance.aws_keys is not None:
            channels[aws_keys.CHANNEL] = entrance.aws_keys.changed

    def connected() -> None:
        ring.changed()
        if entrance is not None:
            entrance.outcomes.wake_all()
            for ring_of_secrets in (entrance.secrets, entrance.aws_keys):
                if ring_of_secrets is not None:
                    ring_of_secrets.changed()

    return database.listen(configuration.database, channels, connected, application=role)


@contextlib.asynccontextmanager
async def _background(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs them beside the body; one that fails ends the body too, since nothing works rightly without it."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(coroutine) for coroutine in coroutines]
        yield
        for task in tasks:
            task.cancel()


def run(role: str = "http", *, ingest: bool = True, api: bool = True) -> None:
    """Serves on ``API_HOST:API_PORT`` until SIGTERM or SIGINT. Raises StartError when the metrics port is taken."""
    current = settings()
    log.configure(role, current)
    metrics.serve(current.metrics_port, host=current.metrics_host)
    uvloop.run(_run(role, current, ingest=ingest, api=api))


def run_ingest() -> None:
    run("ingest", api=False)


def run_api() -> None:
    run("api", ingest=False)


async def _run(role: str, configuration: Settings, *, ingest: bool, api: bool) -> None:
    async with running(role, configuration, ingest=ingest, api=api) as (app, end):
        await serve(app, configuration.api_host, configuration.api_port, configuration.forwarded_allow_ips, end)
