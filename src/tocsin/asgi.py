"""What surrounds every request, plain ASGI or FastAPI: correlation id, body limits, metrics, access log, last resort.

Order from the outside: observation (correlation id, metrics, log, the answer to bugs), limits, application.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
from asgi_correlation_id import correlation_id
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.access_log import AccessLog
from tocsin.problems import Problem, internal, send_problem, unavailable

log = structlog.get_logger(__name__)

BODY_LIMIT_BYTES: Final = 1024 * 1024
BATCH_BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024
BATCH_ROUTES: Final = (("POST", "/failures/batch"), ("POST", "/tickets"))
# All bodies being received or worked on in this process.
HELD_LIMIT_BYTES: Final = 128 * 1024 * 1024
CORRELATION_HEADER: Final = b"x-request-id"
_CORRELATION_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")

REQUESTS: Final = Counter("tocsin_http_requests", "HTTP requests answered", ["route", "status"])
DURATION: Final = Histogram(
    "tocsin_http_request_duration_seconds",
    "Time from the first byte of a request's head to the end of its answer",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def surround(app: ASGIApp) -> ASGIApp:
    """The application as the server runs it."""
    return Observed(BodyLimits(app))


async def read_body(receive: Receive) -> bytes:
    """The whole body; the limits bound it. Raises Problem 400 when the client goes away."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return bytes(message.get("body", b""))
    chunks = []
    while message["type"] == "http.request":
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()
    raise Problem(400, "incomplete-body", "The body is incomplete", "The connection was closed before its end")


async def send_json(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


# --- limits ---------------------------------------------------------------------------------------------------------


class BodyLimits:
    """Counts bodies while they stream in: past the cap of the route 413, past what all may hold together 503.

    A Problem raised by the application before its answer started becomes the answer.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int = BODY_LIMIT_BYTES,
        limits: Mapping[tuple[str, str], int] | None = None,
        held_limit: int = HELD_LIMIT_BYTES,
    ) -> None:
        self._app = app
        self._limit = limit
        self._limits = dict.fromkeys(BATCH_ROUTES, BATCH_BODY_LIMIT_BYTES) if limits is None else dict(limits)
        self._held_limit = held_limit
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get((scope["method"], scope["path"]), self._limit)
        request = _Limited(self, limit, receive, send)
        try:
            _check_head(scope, limit)
            await self._app(scope, request.receive, request.send)
        except Problem as problem:
            if request.started:
                raise
            await send_problem(request.refusal or problem, send)
        finally:
            self.held -= request.size

    def admit(self, size: int) -> None:
        """Raises Problem 503 when ``size`` more bytes are too many."""
        if self.held + size > self._held_limit:
            raise unavailable("Too many requests are being received; nothing of this one was kept", 1)
        self.held += size


def _check_head(scope: Scope, limit: int) -> None:
    """Refuses by the head alone what would be refused later. Raises Problem 413, 415."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
        if name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            detail = "Send the body without Content-Encoding"
            raise Problem(415, "unsupported-encoding", "Content encodings are not supported", detail)


def _too_large(limit: int) -> Problem:
    detail = f"At most {limit} bytes are allowed here"
    return Problem(413, "body-too-large", "The body is too large", detail, limit_bytes=limit)


class _Limited:
    """One request: its receive counts, its send answers with the refusal whatever the application made of it."""

    __slots__ = ("_limit", "_limits", "_receive", "_send", "refusal", "size", "started")

    def __init__(self, limits: BodyLimits, limit: int, receive: Receive, send: Send) -> None:
        self._limits = limits
        self._limit = limit
        self._receive = receive
        self._send = send
        self.size = 0
        self.started = False
        self.refusal: Problem | None = None

    async def receive(self) -> Message:
        if self.refusal is not None:
            raise self.refusal
        message = await self._receive()
        size = len(message.get("body", b""))
        try:
            if self.size + size > self._limit:
                raise _too_large(self._limit)
            self._limits.admit(size)
        except Problem as refusal:
            self.refusal = refusal
            raise
        self.size += size
        return message

    async def send(self, message: Message) -> None:
        if self.refusal is None:
            self.started = True
            await self._send(message)
        elif not self.started:
            # frameworks turn errors of receive into answers of their own
            self.started = True
            await send_problem(self.refusal, self._send)


# --- observation ----------------------------------------------------------------------------------------------------


def correlation_of(scope: Scope) -> bytes:
    """The sender's X-Request-ID when it is harmless in logs and headers, else a new one of 32 hex digits.

    The middleware that sets the context variable we share costs as much as reading and publishing an event.
    """
    for name, value in scope["headers"]:
        if name == CORRELATION_HEADER and _CORRELATION_ID.fullmatch(value):
            return bytes(value)
    return os.urandom(16).hex().encode()


class Observed:
    """Names, counts, times and logs every request, and answers what the application failed to answer."""

    def __init__(self, app: ASGIApp, access: AccessLog | None = None) -> None:
        self._app = app
        self._access = access or AccessLog()
        self._counters: dict[tuple[str, int], Any] = {}
        self._timers: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0
        identifier = correlation_of(scope)
        correlation_id.set(identifier.decode())
        # every line logged for this request, by whomever, carries the id
        structlog.contextvars.bind_contextvars(correlation_id=identifier.decode())

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), (CORRELATION_HEADER, identifier)]}
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except Exception:
            # a framework has answered already, and raised again for the log
            log.exception("request failed", method=scope["method"], path=scope["path"])
            if not status:
                await send_problem(internal(), observed_send)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        if (counter := self._counters.get((route, status))) is None:
            # 0: the client went away before it was answered
            counter = self._counters[route, status] = REQUESTS.labels(route, str(status))
        if (timer := self._timers.get(route)) is None:
            timer = self._timers[route] = DURATION.labels(route)
        counter.inc()
        timer.observe(seconds)
        self._access.write(scope, route, status, seconds)


def route_of(scope: Scope) -> str:
    """The template of the matched route (``/tickets/{ticket_id}``), never the path itself: labels must be few."""
    if (hot := scope.get("tocsin.route")) is not None:
        return str(hot)
    return str(getattr(scope.get("route"), "path", "unmatched"))
