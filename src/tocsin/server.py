"""uvicorn with a deadline for receiving: neither half-sent requests nor silent connections hold a socket for ever."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# A request must have arrived after this, plus the time its size takes at the slowest rate that is waited for.
RECEIPT_SECONDS: Final = 8.0
SLOWEST_BYTES_PER_SECOND: Final = 64 * 1024
KEEP_ALIVE_SECONDS: Final = 30
GRACE_SECONDS: Final = 20
# After an early answer (413) the rest of the body is read and thrown away for so long, so that the client, still
# sending, sees the answer instead of a reset connection.
LINGER_SECONDS: Final = 2.0
# Clients of WebSockets have nothing to say.
WEBSOCKET_MESSAGE_BYTES: Final = 4096
WEBSOCKET_PING_SECONDS: Final = 20.0
FAREWELL_SECONDS: Final = 5.0
# How an application cuts off a client that does not read: a transport that is closed waits for it for ever.
ABORT: Final = "tocsin.abort"
# A message of a WebSocket that does not wait until the client has read what came before.
LAST: Final = "tocsin.last"


class ReceiptDeadline(HttpToolsProtocol):
    """Knows since when it has been receiving; the server closes those that take too long."""

    receiving_since: float | None = None
    received_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[ABORT] = self.transport.abort  # type: ignore[typeddict-unknown-key]
        self._begin()

    def on_body(self, body: bytes) -> None:
        self.received_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.receiving_since = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.receiving_since is not None and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self.loop.call_later(LINGER_SECONDS, self._close_if_receiving, self.receiving_since)

    def overdue(self, now: float) -> bool:
        """Whether the request being received should have arrived; not while the application makes it wait."""
        if self.receiving_since is None or self.flow.read_paused:
            return False
        return now > self.receiving_since + RECEIPT_SECONDS + self.received_bytes / SLOWEST_BYTES_PER_SECOND

    def _begin(self) -> None:
        self.receiving_since = self.loop.time()
        self.received_bytes = 0

    def _close_if_receiving(self, since: float) -> None:
        if self.receiving_since == since:
            self.transport.close()


class Socket(WebSocketsSansIOProtocol):
    """Writes no line for every handshake (its URL may hold a token), and cuts off who does not take its close."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = logging.getLogger("uvicorn.websocket")

    async def send(self, message: Any) -> None:
        if message.get(LAST):
            self.writable.set()
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # refused; uvicorn would log an error that it was not
        if self.close_timer is not None:
            self._abort_soon()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_soon()

    def _abort_soon(self) -> None:
        """uvicorn would only close, and wait for a client that does not read for ever."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        if not self.disconnected:
            self.close_timer = self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)


class Server(uvicorn.Server):
    """Looks once a second for connections whose deadline has passed; returns after a signal instead of dying of it.

    ``end``: called when it stops, so that answers without an end of their own get one.
    """

    def __init__(self, configuration: uvicorn.Config, end: Callable[[], None] = lambda: None) -> None:
        super().__init__(configuration)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again at the end, and the process would be gone before pending events are
        # flushed and connections closed
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, ReceiptDeadline) and connection.overdue(now):
                    connection.transport.abort()
        return await super().on_tick(counter)


def server(
    app: ASGIApp, host: str, port: int, forwarded_allow_ips: str, end: Callable[[], None] = lambda: None
) -> Server:
    """The server as every role runs it. ``end`` as Server."""
    configuration = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=ReceiptDeadline,
        ws=Socket,
        ws_max_size=WEBSOCKET_MESSAGE_BYTES,
        ws_ping_interval=WEBSOCKET_PING_SECONDS,
        ws_ping_timeout=WEBSOCKET_PING_SECONDS,
        ws_per_message_deflate=False,  # some 40 KiB a client, to make small messages a little smaller
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=forwarded_allow_ips,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=4096,
    )
    return Server(configuration, end)


async def serve(
    app: ASGIApp, host: str, port: int, forwarded_allow_ips: str, end: Callable[[], None] = lambda: None
) -> None:
    """Runs until SIGTERM or SIGINT, then takes no new connections and answers what is under way; ``end`` as Server."""
    # The modules live for ever and requests leave few cycles: with the default thresholds a batch spends half its time
    # in collections of a heap that never shrinks.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    await server(app, host, port, forwarded_allow_ips, end).serve()
