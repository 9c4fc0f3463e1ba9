"""Attempts at sinks: the names of every host lead to 127.0.0.1, whose ports are open."""

from __future__ import annotations

from tests.stages.sinks import Answer, MemoryNames, Sink
from tocsin.egress.policy import parse
from tocsin.streams.effects.attempt import Sender
from tocsin.streams.effects.request import AttemptResult, OutgoingRequest

NOW = 1_700_000_000_123
OPEN = "127.0.0.0/8:1-65535"


def quick_sender(total_seconds: float = 2) -> Sender:
    """To be entered; it waits 1 s for a connection."""
    return Sender(parse(OPEN), names=MemoryNames(["127.0.0.1"]), total_seconds=total_seconds, connect_seconds=1)


async def post(sender: Sender, url: str, headers: dict[str, str] | None = None) -> AttemptResult:
    return await sender.send(OutgoingRequest(url, b"{}", "default", headers or {}), NOW)


async def answered(sender: Sender, answer: Answer | bytes) -> AttemptResult:
    """What comes of one attempt at a sink that answers so."""
    async with Sink(answer) as sink:
        result = await post(sender, sink.url())
        assert sink.accepted == len(sink.requests) == 1
        return result


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
