"""Single attempts against real receivers: what is sent, what is recorded, which class each failure has."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.stages.sinks import OK, Answer, Received, Sink, answering, certificate
from tocsin.egress import signing
from tocsin.egress.policy import parse
from tocsin.ingest.sources import standard_webhooks
from tocsin.ingest.sources.signatures import labelled
from tocsin.ingest.sources.webhook import Delivery
from tocsin.streams.effects.attempt import Sender
from tocsin.streams.effects.capture import LIMIT
from tocsin.streams.effects.headers import Attempt, complete
from tocsin.streams.effects.names import LookupFailed, SystemNames
from tocsin.streams.effects.request import AttemptResult, OutgoingRequest

NOW = 1_700_000_000_123
OPEN = "127.0.0.0/8:1-65535"
SECRET = signing.secret_text(b"s" * 32)


class MemoryNames:
    """Answers in turn, the last one for ever; ``asked`` tells the names."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def addresses(self, host: str, workspace: str) -> Sequence[str]:
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        pass


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with Sender(parse(OPEN), names=MemoryNames(["127.0.0.1"]), total_seconds=2, connect_seconds=1) as sender:
        yield sender


async def post(sender: Sender, url: str, body: bytes = b"{}", **headers: str) -> AttemptResult:
    return await sender.send(OutgoingRequest(url, body, "default", headers), NOW)


async def answered(sender: Sender, answer: Answer | bytes) -> AttemptResult:
    async with Sink(answer) as sink:
        result = await post(sender, sink.url())
        assert sink.accepted == len(sink.requests) == 1
        return result


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
        request = OutgoingRequest(sink.url(), b"", "default", {name: value})
        result = await sender.send(request, NOW)
        assert (result.error, result.status, sink.accepted) == ("request", None, 0)


# --- what is recorded -------------------------------------------------------------------------------------------------


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


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
        (response(gzip.compress(b"hello"), "content-encoding: gzip"), "hello", False),
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
    assert result.duration_ms < 1000


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


# --- failures ---------------------------------------------------------------------------------------------------------


async def test_J9_no_answer_within_the_time_is_a_timeout(sender: Sender) -> None:
    async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    began = time.monotonic()
    result = await answered(sender, silent)
    assert (result.status, result.error) == (None, "timeout")
    assert 1.9 < time.monotonic() - began < 3
    assert abs(result.duration_ms - 2000) < 300


async def test_J9_a_body_that_trickles_counts_as_a_timeout_with_its_status(sender: Sender) -> None:
    async def slow(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await asyncio.sleep(0.1)

    result = await answered(sender, slow)
    assert (result.status, result.error) == (200, "timeout")
    assert result.body.startswith(".....")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
async def test_J9_a_redirect_to_metadata_is_not_followed(sender: Sender, status: str) -> None:
    async with Sink() as other:
        location = f"location: {other.url(path='/latest/meta-data')}"
        result = await answered(sender, response(b"", location, status=status))
        assert (result.status, result.error) == (int(status[:3]), "redirect")
        assert other.accepted == 0


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "disconnected"),
        (b"HTTP/1.1 200 OK\r\ncontent-len", "disconnected"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "disconnected"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", "disconnected"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "protocol"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "protocol"),
        (b"HTTP/1.1 abc\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\na: " + b"x" * 9000 + b"\r\n\r\n", "headers_too_large"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 65 + b"\r\n", "headers_too_large"),
    ],
)
async def test_J9_a_broken_answer_has_its_class(sender: Sender, answer: bytes, error: str) -> None:
    async def broken(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()
        raise ConnectionResetError

    result = await answered(sender, broken)
    assert result.error == error, result
    assert result.detail


async def test_J9_a_reset_is_a_failure_of_the_connection(sender: Sender) -> None:
    async def reset(_: Received, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
        raise ConnectionResetError

    assert (await answered(sender, reset)).error == "disconnected"


async def test_J9_nobody_listening_is_a_failure_to_connect(sender: Sender) -> None:
    async with Sink() as sink:
        url = sink.url()
    result = await post(sender, url)
    assert (result.error, result.status, result.detail) == ("connect", None, "connection refused")


async def test_J9_a_connection_that_is_not_accepted_costs_the_connect_time_only(sender: Sender) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            await asyncio.sleep(0.05)
            result = await post(sender, f"http://127.0.0.1:{full.getsockname()[1]}/")
    assert result.error == "connect"
    assert 900 < result.duration_ms < 1500


async def test_J9_the_next_address_is_tried_when_one_does_not_connect() -> None:
    async with Sink() as sink, Sender(parse(OPEN), names=MemoryNames(["127.0.0.9", "127.0.0.1"])) as sender:
        result = await post(sender, sink.url("two.example"))
        assert (result.status, result.address, sink.accepted) == (200, "127.0.0.1", 1)


async def test_J9_no_name_is_a_dns_failure() -> None:
    names = MemoryNames(LookupFailed("name or service not known"), [])
    async with Sender(parse(), names=names) as sender:
        for _ in range(2):
            result = await post(sender, "https://nowhere.example/")
            assert (result.error, result.address) == ("dns", None)


async def test_J9_name_servers_that_do_not_answer_cost_the_connect_time_only() -> None:
    def hangs(_: str) -> Sequence[str]:
        time.sleep(2)
        return ["127.0.0.1"]

    async with Sender(parse(), names=SystemNames(hangs), total_seconds=2, connect_seconds=0.2) as sender:
        result = await post(sender, "https://slow.example/")
        assert (result.error, result.status) == ("dns", None)
        assert result.duration_ms < 500


async def test_J9_a_cancelled_attempt_cuts_its_connection(sender: Sender) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
        began.set()
        try:
            while True:
                writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async with Sink(silent) as sink:
        task = asyncio.create_task(post(sender, sink.url()))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 2)


# --- TLS --------------------------------------------------------------------------------------------------------------


async def test_J9_the_certificate_is_that_of_the_name_though_the_address_is_dialled(tmp_path: Path) -> None:
    seen: list[str | None] = []
    with certificate(tmp_path, "hooks.example") as (server, client):
        server.sni_callback = lambda _socket, name, _context: seen.append(name)
        names = MemoryNames(["127.0.0.1"])
        async with Sink(OK, server) as sink, Sender(parse(OPEN), names=names, tls=client) as sender:
            good = await post(sender, sink.url("hooks.example"))
            wrong = await post(sender, sink.url("other.example"))
            by_address = await post(sender, sink.url())
            assert len(sink.requests) == 1
    assert (good.status, good.error, good.address) == (200, None, "127.0.0.1")
    assert (wrong.status, wrong.error) == (None, "tls")
    assert "certificate is not accepted" in wrong.detail
    assert by_address.error == "tls"
    assert seen[:2] == ["hooks.example", "other.example"]


async def test_J9_an_unknown_authority_and_a_server_without_tls_are_tls_failures(
    sender: Sender, tmp_path: Path
) -> None:
    with certificate(tmp_path, "127.0.0.1") as (server, _):
        async with Sink(OK, server) as sink:
            result = await post(sender, sink.url())
            assert (result.error, sink.requests) == ("tls", [])
    async with Sink(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as plain:
        result = await post(sender, plain.url().replace("http:", "https:"))
        assert result.error in {"tls", "connect", "timeout"}


def test_J9_certificates_are_verified_unless_told_otherwise() -> None:
    assert ssl.create_default_context().verify_mode == ssl.CERT_REQUIRED
