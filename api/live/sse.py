"""Live events as a response of server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tocsin.api.live import metrics
from tocsin.api.live.cursor import Cursor
from tocsin.api.live.live import Listening
from tocsin.api.live.subscription import Ended, Events, Quiet, Reset, Stalled, Told, TooSlow
from tocsin.server import ABORT

HEARTBEAT_SECONDS: Final = 15.0
RETRY_MS: Final = 2_000
SEND_SECONDS: Final = 10.0
_HEADERS: Final = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


class EventStream(Response):
    """Ends when the client goes, is too slow, or the server stops; an EventSource then comes back with its cursor."""

    media_type = "text/event-stream"

    def __init__(self, listening: Listening, origin: str | None) -> None:
        more = {} if origin is None else {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        super().__init__(None, headers={**_HEADERS, **more})
        del self.headers["content-length"]
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watching = asyncio.create_task(self._until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._stream(send)
        except TimeoutError:
            metrics.DROPPED.labels("sse", "send_blocked").inc()
            if (abort := scope.get(ABORT)) is not None:
                abort()
        finally:
            self._listening.close()
            watching.cancel()
            await asyncio.wait([watching])

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._listening.close()

    async def _stream(self, send: Send) -> None:
        listening, subscription = self._listening, self._listening.subscription
        sent = metrics.SENT.labels("sse")
        await _send(send, f"retry: {RETRY_MS}\nid: {subscription.cursor}\n\n")
        while not listening.over:
            told = await subscription.next(listening.patience(HEARTBEAT_SECONDS))
            if isinstance(told, TooSlow):
                metrics.DROPPED.labels("sse", "fell_behind").inc()
            if isinstance(told, TooSlow | Ended):
                break
            await _send(send, text_of(told, subscription.cursor))
            if isinstance(told, Events):
                sent.inc(len(told.entries))
        await _send(send, "", more=False)


def text_of(told: Told, cursor: Cursor) -> str:
    """A block without data only moves the cursor of an EventSource: what it does not want is not read again."""
    match told:
        case Events(entries):
            return "".join(f"id: {Cursor(cursor.partition, one.position)}\ndata: {one.frame}\n\n" for one in entries)
        case Quiet():
            return f": still here\nid: {cursor}\n\n"
        case Stalled(over):
            name = "resumed" if over else "stalled"
            return f'event: {name}\ndata: {{"type":"{name}"}}\n\n'
        case Reset():
            return f'event: reset\nid: {cursor}\ndata: {{"type":"reset"}}\n\n'
    raise TypeError(f"{told} has no text")


async def _send(send: Send, text: str, *, more: bool = True) -> None:
    """Raises TimeoutError when the client has not read for so long that nothing more fits."""
    message: dict[str, Any] = {"type": "http.response.body", "body": text.encode(), "more_body": more}
    async with asyncio.timeout(SEND_SECONDS):
        await send(message)
