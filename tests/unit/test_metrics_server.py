"""The small server beside each role."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from prometheus_client import CollectorRegistry, Counter

from tocsin.embedded.ports import choose
from tocsin.errors import StartError
from tocsin.metrics import serve

ALIVE = [True]


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    registry = CollectorRegistry()
    Counter("seen_total", "Seen", registry=registry).inc()
    found = serve(choose(1)[0], lambda: ALIVE[0], host="127.0.0.1", registry=registry)
    yield found
    found.shutdown()
    found.server_close()


def ask(server: ThreadingHTTPServer, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_metrics_are_served(server: ThreadingHTTPServer) -> None:
    status, body = ask(server, "/metrics")
    assert status == 200
    assert "seen_total 1.0" in body


def test_liveness_follows_the_role(server: ThreadingHTTPServer) -> None:
    assert ask(server, "/health/live") == (200, '{"status":"ok"}')
    ALIVE[0] = False
    try:
        assert ask(server, "/health/live")[0] == 503
    finally:
        ALIVE[0] = True


def test_anything_else_is_not_found(server: ThreadingHTTPServer) -> None:
    assert ask(server, "/etc/passwd")[0] == 404


def test_a_taken_port_is_one_sentence(server: ThreadingHTTPServer) -> None:
    with pytest.raises(StartError, match=r"Port \d+ for metrics cannot be used: .*; set METRICS_PORT\."):
        serve(server.server_port, host="127.0.0.1")
