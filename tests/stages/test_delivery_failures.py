"""Attempts that fail, against real receivers: each failure has its class, costs its time and no more."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.stages.attempts import OPEN, answered, post, quick_sender, response
from tests.stages.sinks import OK, MemoryNames, Received, Sink, answering, certificate
from tocsin.egress.policy import parse
from tocsin.streams.effects.attempt import Sender
from tocsin.streams.effects.names import LookupFailed, SystemNames


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with quick_sender() as sender:
        yield sender


async def test_J9_no_answer_within_the_time_is_a_timeout(sender: Sender) -> None:
    async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    result = await answered(sender, silent)
    assert (result.status, result.error) == (None, "timeout")
    assert 1_900 < result.duration_ms < 6_000


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
    assert result.duration_ms > 900


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
        assert result.duration_ms < 1_500


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
