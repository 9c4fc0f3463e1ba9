"""What surrounds every request: limits while streaming, ids, counting, the answer to bugs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.types import Receive, Scope, Send

from tocsin.access_log import AccessLog
from tocsin.asgi import BodyLimits, Observed, read_body, send_json, surround
from tocsin.problems import Problem


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(receive)
    await send_json(send, 200, b"%d" % len(body))


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def chunks(count: int, size: int = 1000) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_body_is_counted_while_it_streams_in() -> None:
    limits = BodyLimits(echo, limit=3000)
    async with client(limits) as http:
        assert (await http.post("/", content=chunks(3))).text == "3000"
        answer = await http.post("/", content=chunks(4))
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 3000)
    assert limits.held == 0


async def test_nothing_is_read_beyond_the_limit() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    async with client(BodyLimits(echo, limit=3000)) as http:
        assert (await http.post("/", content=endless())).status_code == 413
    assert taken <= 5


async def test_a_declared_length_is_refused_unread() -> None:
    async with client(BodyLimits(echo, limit=10)) as http:
        assert (await http.post("/", content=b"x" * 11)).status_code == 413


async def test_batch_routes_take_eight_mebibytes() -> None:
    async with client(BodyLimits(echo)) as http:
        big = b"x" * (1024 * 1024 + 1)
        assert (await http.post("/failures", content=big)).status_code == 413
        assert (await http.post("/failures/batch", content=big)).status_code == 200
        assert (await http.post("/failures/batch", content=big * 8)).status_code == 413


async def test_what_all_requests_hold_together_is_bounded() -> None:
    limits = BodyLimits(echo, held_limit=2000)
    limits.held = 1500
    async with client(limits) as http:
        answer = await http.post("/", content=b"x" * 600)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await http.post("/", content=b"x" * 500)).status_code == 200
    assert limits.held == 1500


@pytest.mark.parametrize(("encoding", "status"), [("gzip", 415), ("br, gzip", 415), ("identity", 200), ("", 200)])
async def test_content_encodings_are_refused(encoding: str, status: int) -> None:
    async with client(BodyLimits(echo)) as http:
        assert (await http.post("/", content=b"x", headers={"content-encoding": encoding})).status_code == status


async def test_a_framework_that_hides_the_limit_still_answers_413() -> None:
    async def framework(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await read_body(receive)
        except Problem:
            await send_json(send, 400, b"parsing failed")

    async with client(BodyLimits(framework, limit=10)) as http:
        assert (await http.post("/", content=chunks(1))).status_code == 413


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("abc-1.X_9", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("a\tb", False), ("", False)],
)
async def test_a_correlation_id_is_kept_or_replaced(sent: str, kept: bool) -> None:
    async with client(surround(echo)) as http:
        answered = (await http.post("/", headers={"x-request-id": sent})).headers["x-request-id"]
    assert (answered == sent) is kept
    assert answered


async def test_refusals_and_bugs_carry_the_correlation_id_too() -> None:
    async def bug(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("secret")

    async with client(surround(bug)) as http:
        answer = await http.post("/", headers={"x-request-id": "abc"})
        assert answer.status_code == 500
        assert answer.headers["x-request-id"] == answer.json()["correlation_id"] == "abc"
        assert "secret" not in answer.text
        refused = await http.post("/", headers={"x-request-id": "abc", "content-encoding": "gzip"})
        assert refused.headers["x-request-id"] == "abc"


def requests_counted(route: str, status: str) -> float:
    return REGISTRY.get_sample_value("tocsin_http_requests_total", {"route": route, "status": status}) or 0


async def test_requests_are_counted_by_route_never_by_path() -> None:
    async def hot(scope: Scope, receive: Receive, send: Send) -> None:
        scope["tocsin.route"] = "/hot"
        await send_json(send, 202, b"{}")

    before = requests_counted("/hot", "202"), requests_counted("unmatched", "200")
    async with client(Observed(hot)) as http:
        await http.get("/hot")
    async with client(Observed(echo)) as http:
        await http.get("/secret/path")
    assert (requests_counted("/hot", "202"), requests_counted("unmatched", "200")) == (before[0] + 1, before[1] + 1)


def test_beyond_its_rate_the_access_log_keeps_errors_and_sums_up_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    access = AccessLog(lines_per_second=2)
    lines: list[dict[str, Any]] = []
    scope = {"method": "GET", "path": "/x", "client": ("127.0.0.1", 1)}
    with caplog.at_level(logging.INFO), pytest.MonkeyPatch.context() as patch:
        patch.setattr("tocsin.access_log.log.info", lambda event, **fields: lines.append({"event": event} | fields))
        moment = 100.0
        patch.setattr("tocsin.access_log.time.monotonic", lambda: moment)
        for status in (200, 202, 200, 404, 500):
            access.write(scope, "/x", status, 0.0123)
        moment = 101.0
        access.write(scope, "/x", 200, 0.001)
    assert [line.get("status") for line in lines] == [200, 202, 500, None, 200]
    assert lines[0]["duration_ms"] == 12.3
    assert lines[3]["requests"] == 2
