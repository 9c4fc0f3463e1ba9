"""``/metrics`` and ``/health/live`` of one process, on a thread of their own: a busy event loop still answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from tocsin.errors import StartError
from tocsin.settings import settings

Live = Callable[[], bool]
_REQUEST_TIMEOUT_SECONDS: Final = 5


def serve(
    port: int,
    live: Live = lambda: True,
    *,
    host: str | None = None,
    registry: CollectorRegistry = REGISTRY,
) -> ThreadingHTTPServer:
    """Serves until ``shutdown()`` of the returned server; ``live`` False makes ``/health/live`` answer 503.

    ``host``: default as the settings say. Raises StartError when the port is taken.
    """
    host = settings().metrics_host if host is None else host

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_TIMEOUT_SECONDS  # a scraper that never finishes its request

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0]
            if path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, content_type, encode(registry))
            elif path == "/health/live":
                status = HTTPStatus.OK if live() else HTTPStatus.SERVICE_UNAVAILABLE
                body = b'{"status":"ok"}' if status is HTTPStatus.OK else b'{"status":"stalled"}'
                self._answer(status, "application/json", body)
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics and /health/live are here\n")

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A scrape every few seconds is not worth a line."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise StartError(f"Port {port} for metrics cannot be used: {error.strerror}; set METRICS_PORT.") from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
