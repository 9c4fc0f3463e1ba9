"""Single attempts against real receivers: what is sent, and what is recorded."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from tests.stages.attempts import NOW, answered, post, quick_sender, response
from tests.stages.sinks import Received, Sink
from tocsin.egress import signing
from tocsin.ingest.sources import standard_webhooks
from tocsin.ingest.sources.signatures import labelled
from tocsin.ingest.sources.webhook import Delivery
from tocsin.streams.effects.attempt import NotNow, Sender
from tocsin.streams.effects.capture import LIMIT
from tocsin.streams.effects.headers import Attempt, complete
from tocsin.streams.effects.request import OutgoingRequest

SECRET = signing.secret_text(b"s" * 32)


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with quick_sender() as sender:
        yield sender


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_J9_the_users_headers_and_the_exact_bytes_arrive_signed(sender: Sender) -> None:
    body = '{"ä": 1,  "b":2}'.encode()
    attempt = Attempt("fire-1", 2, scheduled_for=NOW - 5_000, started_at=NOW, secrets=[SECRET])
    headers = complete({"Authorization": "Bearer t", "content-type": "text/x"}, attempt, body)
    async with Sink() as sink:
        result = await sender.send(OutgoingRequest(sink.url(path="/h?a=b%20c"), body, "default", headers), NOW)
        [received] = sink.requests
    assert (result.status, result.error, result.body, result.body_cut) == (200, None, "ok", False)
    assert (result.started_at, result.address) == (NOW, "127.0.0.1")
    assert received.line == "POST /h?a=b%20c HTTP/1.1"
    assert received.body == body
    named = dict(received.headers)
    assert named["host"] == f"127.0.0.1:{sink.port}"
    assert (named["authorization"], named["content-type"], named["accept-encoding"]) == (
        "Bearer t",
        "text/x",
        "identity",
    )
    assert (named["webhook-id"], named["webhook-timestamp"]) == ("fire-1", "1700000000")
    assert (named["x-attempt"], named["x-scheduled-for"]) == ("2", "2023-11-14T22:13:15.123Z")
    assert named["user-agent"].startswith("tocsin/")
    [known] = labelled([SECRET], "default")
    assert standard_webhooks.verify(Delivery(received.body, named, NOW), [known]) == known


async def test_J9_no_cookie_and_no_proxy_of_the_environment_is_used(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sink() as proxy, Sink(b"HTTP/1.1 204 No Content\r\nset-cookie: a=b; Path=/\r\n\r\n") as sink:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        for _ in range(2):
            result = await post(sender, sink.url("hooks.example"))
            assert result.status == 204
        assert [received.header("cookie") for received in sink.requests] == [None, None]
        assert proxy.accepted == 0
    assert dict(result.headers) == {}


async def test_J9_a_connection_is_kept_for_a_burst_but_not_between_names(sender: Sender) -> None:
    async with Sink() as sink:
        for _ in range(3):
            await post(sender, sink.url("a.example"))
        assert sink.accepted == 1
        await post(sender, sink.url("b.example"))
        assert sink.accepted == 2
        assert [received.header("host") for received in sink.requests][2:] == [
            f"a.example:{sink.port}",
            f"b.example:{sink.port}",
        ]


@pytest.mark.parametrize(
    ("name", "value"), [("a", "x\r\nhost: evil"), ("a", "x\n"), ("a", "\0"), ("a\r\nb", "x"), ("a b", "x"), ("a", "ü")]
)
async def test_J9_a_header_that_breaks_out_of_its_line_is_never_sent(sender: Sender, name: str, value: str) -> None:
    async with Sink() as sink:
        result = await post(sender, sink.url(), {name: value})
        assert (result.error, result.status, sink.accepted) == ("request", None, 0)


# --- what is recorded -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text", "cut"),
    [
        (response(b"x" * LIMIT), "x" * LIMIT, False),
        (response(b"x" * (LIMIT + 1)), "x" * LIMIT, True),
        (response(b"a\0b"), "a\ufffdb", False),
        (response(b"\xff\xfe"), "\ufffd\ufffd", False),
        (response("äö".encode("latin-1"), "content-type: text/plain; charset=ISO-8859-1"), "äö", False),
        (response("ä".encode(), "content-type: text/plain; charset=no-such"), "ä", False),
        (response(b"x" + "ä".encode() * LIMIT), "x" + "ä" * (LIMIT // 2 - 1), True),
        (response(b"\xff" * LIMIT), "\ufffd" * (LIMIT // 3), True),
        (response(gzip.compress(b"hello", mtime=0), "content-encoding: gzip"), "hello", False),
        (response(zlib.compress(b"hello"), "content-encoding: deflate"), "hello", False),
        (response(zlib.compress(b"hello", wbits=-15), "content-encoding: deflate"), "hello", False),
        (response(b"nonsense", "content-encoding: gzip"), "", True),
        (response(b"whatever", "content-encoding: br"), "", True),
        (response(b"", "content-encoding: gzip"), "", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc", False),
    ],
)
async def test_J9_the_body_is_kept_as_text_up_to_16_kib(sender: Sender, answer: bytes, text: str, cut: bool) -> None:
    result = await answered(sender, answer)
    assert (result.status, result.error, result.body, result.body_cut) == (200, None, text, cut)


async def test_J9_a_gzip_bomb_is_neither_read_nor_unpacked(sender: Sender) -> None:
    bomb = gzip.compress(b"\0" * (64 << 20))
    sent = 0

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n")
        while True:
            writer.write(bomb)
            await writer.drain()
            sent += len(bomb)

    result = await answered(sender, answer)
    assert (result.status, result.error, result.body_cut) == (200, None, True)
    assert result.body == "\ufffd" * (LIMIT // 3)
    assert sent < 50 << 20


async def test_J9_an_endless_body_is_cut_and_its_connection_closed(sender: Sender) -> None:
    closed = asyncio.Event()

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        finally:
            closed.set()

    async with Sink(answer) as sink:
        result = await post(sender, sink.url())
        assert (result.status, result.error, result.body, result.body_cut) == (200, None, "x" * LIMIT, True)
        await asyncio.wait_for(closed.wait(), 2)


async def test_J9_headers_are_kept_without_secrets(sender: Sender) -> None:
    secrets = ("Set-Cookie: canary", "Authorization: canary", "X-Api-Key: canary", "X-Auth-Token: canary")
    result = await answered(sender, response(b"", *secrets, "X-Kept: a\xa0b", "x-long: " + "y" * 600))
    assert "canary" not in str(result)
    assert [name for name, _ in result.headers] == ["content-length", "x-kept", "x-long"]
    assert len(dict(result.headers)["x-long"]) == 512


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("120", 120), ("0", 0), (" 7 ", 7), ("-1", None), ("1.5", None), ("soon", None), ("9" * 20, None)),
        *(("Tue, 14 Nov 2023 22:14:20 GMT", 60), ("Tue, 14 Nov 2023 22:13:00 GMT", 0), ("Tue, 99 Nov", None)),
    ],
)
async def test_J10_retry_after_is_read_as_seconds_or_date(sender: Sender, value: str, seconds: int | None) -> None:
    result = await answered(sender, response(b"", f"retry-after: {value}", status="503 Busy"))
    assert (result.status, result.error) == (503, None)
    if seconds:
        assert result.retry_after is not None
        assert seconds - 1 <= result.retry_after <= seconds
    else:
        assert result.retry_after == seconds


async def test_J5_nothing_is_dialled_by_whoever_may_not() -> None:
    async with quick_sender() as sender, Sink() as sink:
        with pytest.raises(NotNow):
            await sender.send(OutgoingRequest(sink.url(), b"{}", "default"), NOW, lambda: False)
        assert sink.accepted == 0
