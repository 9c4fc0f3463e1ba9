"""Deliveries to a channel, with real attempts at a real server that limits its webhooks as Slack does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import structlog

from tests.stages.sinks import Sink, answering
from tests.stages.slack import mock_slack
from tests.unit.effects.deliveries import Bodies, MemoryOutbox, MemoryPartition, MemorySecrets, key_of, waiting
from tocsin.egress.policy import parse
from tocsin.encryption import Cipher
from tocsin.mock_slack.mailbox import Mailbox
from tocsin.streams.effects.attempt import Sender
from tocsin.streams.effects.building import Builder
from tocsin.streams.effects.making import Tools
from tocsin.streams.effects.runner import Runner

PACED: dict[str, Any] = {"channel": "slack:default", "url": "", "rate_key": "slack:default", "rate_per_second": 2.0}


def now() -> int:
    return time.time_ns() // 1_000_000


class Deliverer:
    """A runner with real connections; nothing is allowed beyond what the channels say."""

    def __init__(self, sender: Sender, channels: dict[str, str]) -> None:
        self.runner = Runner(now, lambda partition: not partition.closed)
        self.outbox = MemoryOutbox()
        self.partition = MemoryPartition(self.runner)
        builder = Builder(Bodies(), MemorySecrets(), Cipher(""), channels)
        tools: Any = Tools
        self.runner.equip(tools(sender, builder, self.outbox))
        self.partition.open()

    def request(self, name: str, **request: Any) -> None:
        body = msgspec.Raw(b'{"text":"%s"}' % name.encode())
        self.partition.set(**{name: waiting(name, now(), payload=body, **request)})

    async def told(self, count: int, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while len(self.outbox.told) < count:  # noqa: ASYNC110 - a list in memory has no event
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def deliverer(channels: dict[str, str]) -> AsyncIterator[Deliverer]:
    async with Sender(parse("", channels)) as sender:
        found = Deliverer(sender, channels)
        yield found
        await found.runner.close()


def texts(mailbox: Mailbox) -> list[str]:
    return [one.payload["text"] for one in mailbox.messages()]


async def test_S4_a_burst_reaches_a_limited_channel_in_order_and_without_a_refusal() -> None:
    mailbox = Mailbox(rate=3)  # connecting takes a moment, so two may arrive a little closer than they left
    async with mock_slack(mailbox) as base, deliverer({"slack:default": f"{base}/services/T0/B0/ops"}) as given:
        started = time.monotonic()
        for number in range(5):
            given.request(f"n{number}", **PACED)
        await given.told(5)
        took = time.monotonic() - started
    assert texts(mailbox) == [f"n{number}" for number in range(5)]
    assert [one.status for one in given.outbox.told] == [200] * 5
    assert mailbox.refused == 0
    assert took >= 2.0  # four intervals


async def test_S4_a_429_holds_the_channel_and_nothing_else() -> None:
    mailbox = Mailbox(rate=0.5)
    async with mock_slack(mailbox) as base:
        urls = {"slack:default": f"{base}/services/T0/B0/ops", "slack:search": f"{base}/services/T0/B0/search"}
        async with deliverer(urls) as given:
            for name in ("a", "b", "c"):
                given.request(name, **PACED)
            given.request("other", **{**PACED, "channel": "slack:search", "rate_key": "slack:search"})
            await given.told(4)
    by_status = [one.status for one in given.outbox.told]
    assert (by_status.count(200), by_status.count(429)) == (3, 1)  # after the hold the third one fits again
    assert sorted(texts(mailbox)) == ["a", "c", "other"]


async def test_S9_a_channel_reaches_exactly_what_was_configured_and_follows_no_redirect() -> None:
    async with Sink(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno")) as secret:
        redirect = f"HTTP/1.1 302 Found\r\nlocation: {secret.url()}\r\ncontent-length: 0\r\n\r\n"
        async with Sink(answering(redirect.encode())) as slack, deliverer({"slack:default": slack.url()}) as given:
            given.request("a", **PACED)
            await given.told(1)
            # the same server is no destination for anybody else, and no other port is one for the channel
            given.request("user", url=slack.url())
            given.request("neighbour", url=secret.url(), by_operator=True)
            await given.told(3)
        assert [one.error for one in given.outbox.told] == ["redirect", *["refused_by_egress_policy"] * 2]
        assert (len(slack.requests), len(secret.requests)) == (1, 0)


async def test_S9_the_url_of_a_channel_is_in_no_record_and_no_log() -> None:
    mailbox = Mailbox(failing=10)
    async with mock_slack(mailbox) as base, deliverer({"slack:default": f"{base}/services/T0/B0/hush"}) as given:
        with structlog.testing.capture_logs() as logged:
            for number in range(10):  # enough to open the breaker, which logs where
                given.request(f"n{number}", **{**PACED, "rate_per_second": 100.0})
            await given.told(10)
        breaker = [one for one in logged if "left alone" in one["event"]]
    assert [one["url"] for one in breaker] == ["slack:default"]
    states = [given.partition.state.get(key_of(f"n{number}")) for number in range(10)]
    ours = [one for one in logged if "webhook" not in one]  # the mock's own lines name the path
    assert "hush" not in repr((given.outbox.told, states, ours))
