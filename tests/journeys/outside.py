"""Jobs outside, as servers that are asked about them: what each answers in turn, and how often it was asked."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Outside:
    """``answers``: by path, JSON or a status, in turn; the last one stays."""

    port: int = 0
    answers: dict[str, list[Any]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, list[bytes]] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def job(self, path: str, *answers: Any) -> str:
        """The URL of a job that answers so."""
        self.answers[path] = list(answers)
        return self.url(path)

    def next(self, path: str) -> Any:
        script = self.answers.get(path, [404])
        at = self.asked[path]
        self.asked[path] += 1
        return script[min(at, len(script) - 1)]


@contextmanager
def outside(port: int = 0) -> Iterator[Outside]:
    """``port``: 0 for any that is free."""
    found = Outside()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found.headers[self.path] = {name.lower(): value for name, value in self.headers.items()}
            answer = found.next(self.path)
            status = answer if isinstance(answer, int) else 200
            body = b"" if isinstance(answer, int) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.bodies.setdefault(self.path, []).append(body)
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
