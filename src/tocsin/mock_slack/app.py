"""The server: Slack's side on ``/services/…``, the reader's on ``/`` and ``/messages``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tocsin.events.times import rfc3339
from tocsin.mock_slack.mailbox import MOST_MESSAGES, Mailbox
from tocsin.mock_slack.page import POLICY, page
from tocsin.mock_slack.payloads import Refused, read

PORT: Final = 8065
LARGEST_BODY: Final = 1024 * 1024
WEBHOOK: Final = re.compile(r"T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9_-]+")
_KEPT_HEADERS: Final = ("webhook-id", "webhook-timestamp", "x-attempt", "x-scheduled-for", "user-agent")

log = structlog.get_logger(__name__)


def create_app(mailbox: Mailbox, seconds: Callable[[], float] = time.monotonic) -> Starlette:
    """``seconds``: the clock of rates."""
    slack = _Slack(mailbox, seconds)
    return Starlette(
        routes=[
            Route("/services/{webhook:path}", slack.receive, methods=["POST"]),
            Route("/", slack.show, methods=["GET"]),
            Route("/messages", slack.list, methods=["GET"]),
            Route("/messages", slack.clear, methods=["DELETE"]),
            Route("/health", _healthy, methods=["GET"]),
        ]
    )


class _Slack:
    def __init__(self, mailbox: Mailbox, seconds: Callable[[], float]) -> None:
        self._mailbox, self._seconds = mailbox, seconds

    async def receive(self, request: Request) -> Response:
        webhook = request.path_params["webhook"]
        body = await _body(request)
        if body is None:
            return self._refusal(Refused(413, "payload_too_large", f"more than {LARGEST_BODY} bytes"), webhook)
        if not WEBHOOK.fullmatch(webhook):
            return self._refusal(Refused(404, "no_service", "the path is /services/T…/B…/…"), webhook)
        if self._mailbox.fails():
            return self._refusal(Refused(500, "rollup_error", "among the first, which were to fail"), webhook)
        if wait := self._mailbox.wait(webhook, self._seconds()):
            refused = Refused(429, "rate_limited", f"{wait} s too early")
            return self._refusal(refused, webhook, {"Retry-After": str(wait)})
        payload = read(request.headers.get("content-type", ""), body)
        if isinstance(payload, Refused):
            return self._refusal(payload, webhook)
        headers = {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
        self._mailbox.keep(rfc3339(time.time_ns() // 1_000_000), webhook, payload, headers)
        return PlainTextResponse("ok")

    def _refusal(self, refused: Refused, webhook: str, headers: dict[str, str] | None = None) -> Response:
        self._mailbox.refused += 1
        log.info("refused", status=refused.status, word=refused.word, reason=refused.reason, webhook=webhook[:200])
        return PlainTextResponse(refused.word, refused.status, headers)

    async def show(self, request: Request) -> Response:
        channel = request.query_params.get("channel", "")
        box = self._mailbox
        text = page(box.messages(channel), box.accepted, box.refused, channel)
        return HTMLResponse(text, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})

    async def list(self, request: Request) -> Response:
        """``?channel=``, ``?after=`` a number, ``?limit=``; the oldest first."""
        box = self._mailbox
        after, limit = _whole(request, "after", 0), _whole(request, "limit", MOST_MESSAGES)
        found = box.messages(request.query_params.get("channel", ""), after)
        items = [one.shown() for one in found[:limit]]
        return JSONResponse({"items": items, "total": len(found), "accepted": box.accepted, "refused": box.refused})

    async def clear(self, _: Request) -> Response:
        self._mailbox.clear()
        return Response(status_code=204)


async def _body(request: Request) -> bytes | None:
    """None when it is too large; no more than that is held."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise HTTPException(422, f"{name} is a whole number")
    return int(text)


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok")
