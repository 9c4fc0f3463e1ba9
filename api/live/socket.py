"""Live events as WebSocket messages, one JSON object each.

Close codes: 1008 the client sent too much, 1009 too large a message, 1012 come back (the server stops, or an hour is
over), 1013 come back later (too slow, or too many clients).
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from tocsin.api.live import entrance, metrics
from tocsin.api.live.live import Listening, Live, TooManyClients
from tocsin.api.live.subscription import Ended, Events, Quiet, Reset, Stalled, TooSlow
from tocsin.problems import Problem, response
from tocsin.server import LAST

log = structlog.get_logger(__name__)

SEND_SECONDS: Final = 10.0
POSITION_SECONDS: Final = 15.0
DEFAULT_TYPES: Final = "sla.*"
# A client has nothing to say here.
MESSAGES_PER_MINUTE: Final = 120

_POLICY_VIOLATION, _SERVICE_RESTART, _TRY_AGAIN_LATER = 1008, 1012, 1013
_REFRESH: Final = '{"type":"refresh"}'


async def serve(websocket: WebSocket, live: Live) -> None:
    """One connection, from its handshake to its end."""
    try:
        entrance.check_origin(websocket, live.origins)
        wish = entrance.wish_of(websocket, DEFAULT_TYPES)
        listening = await live.subscribe(websocket, wish, "websocket")
    except TooManyClients as problem:
        # a browser tells its page nothing of a refused handshake, but of a close
        await websocket.accept()
        await websocket.close(_TRY_AGAIN_LATER, problem.title)
        return
    except Problem as problem:
        metrics.REFUSED.labels("websocket", problem.code).inc()
        await websocket.send_denial_response(response(problem))
        return
    began = time.monotonic()
    code = None
    try:
        await websocket.accept()
        code = await Conversation(websocket, listening).run()
    except WebSocketDisconnect:
        pass
    finally:
        listening.close()
        seconds = round(time.monotonic() - began, 3)
        address = websocket.client.host if websocket.client else None
        log.info("live client left", path=websocket.url.path, close_code=code, seconds=seconds, client=address)


class Conversation:
    """Tells one client what there is, until one side ends it."""

    def __init__(self, websocket: WebSocket, listening: Listening) -> None:
        self._websocket, self._listening = websocket, listening
        self._sent = metrics.SENT.labels("websocket")
        self._gone = False
        self._said_too_much = False

    async def run(self) -> int | None:
        """The code it was closed with from this side. Raises WebSocketDisconnect."""
        hearing = asyncio.create_task(self._hear())
        try:
            code = await self._tell()
            if code is not None:
                await self._websocket.send({"type": "websocket.close", "code": code, LAST: True})
            return code
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])

    async def _hear(self) -> None:
        """What a client says is thrown away. Notices when it goes."""
        count, since = 0, time.monotonic()
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            count += 1
            if time.monotonic() > since + 60:
                count, since = 1, time.monotonic()
            if count > MESSAGES_PER_MINUTE:
                self._said_too_much = True
                break
        else:
            self._gone = True
        self._listening.subscription.close()

    async def _tell(self) -> int | None:
        """The code to close with; None when the client is gone."""
        listening, subscription = self._listening, self._listening.subscription
        if listening.positions:
            await self._send(_position(str(subscription.cursor)))
        while not listening.over:
            told = await subscription.next(listening.patience(POSITION_SECONDS))
            match told:
                case Ended():
                    return self._end()
                case TooSlow():
                    return await self._too_slow("fell_behind")
                case Events(entries):
                    messages = [entry.frame for entry in entries]
                case Quiet():
                    messages = [_position(str(subscription.cursor))] if listening.positions else []
                case Stalled(over):
                    messages = ['{"type":"resumed"}' if over else '{"type":"stalled"}']
                case Reset():
                    messages = [_REFRESH]
            try:
                for message in messages:
                    await self._send(message)
            except TimeoutError:
                return await self._too_slow("send_blocked")
            if isinstance(told, Events):
                self._sent.inc(len(messages))
        return _SERVICE_RESTART

    def _end(self) -> int | None:
        if self._gone:
            return None
        return _POLICY_VIOLATION if self._said_too_much else _SERVICE_RESTART

    async def _too_slow(self, reason: str) -> int:
        metrics.DROPPED.labels("websocket", reason).inc()
        await self._websocket.send({"type": "websocket.send", "text": _REFRESH, LAST: True})
        return _TRY_AGAIN_LATER

    async def _send(self, text: str) -> None:
        """Raises TimeoutError when the client has not read for so long that nothing more fits."""
        async with asyncio.timeout(SEND_SECONDS):
            await self._websocket.send_text(text)


def _position(cursor: str) -> str:
    return f'{{"type":"position","id":"{cursor}"}}'
