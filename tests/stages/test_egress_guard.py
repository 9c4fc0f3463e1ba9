"""SSRF, with real sockets: a receiver stands at every place that must not be reached, and counts its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp
import pytest

from tests.stages.attempts import NOW
from tests.stages.sinks import MemoryNames, Sink
from tests.unit.egress.given import INTERNAL, ODD
from tocsin.egress.policy import EgressPolicy, parse
from tocsin.streams.effects import connections
from tocsin.streams.effects.attempt import Sender
from tocsin.streams.effects.request import AttemptResult, OutgoingRequest

CLOSED = parse()
LOOPBACK = ["127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::ffff:127.0.0.1", "::7f00:1", "64:ff9b::7f00:1"]
LOOPBACK += ["2002:7f00:1::", "2001:0:808:808::80ff:fffe", "::ffff:0:7f00:1"]


async def sent(policy: EgressPolicy, url: str, *answers: Sequence[str], by_operator: bool = False) -> AttemptResult:
    names = MemoryNames(*(answers or [["127.0.0.1"]]))
    async with Sender(policy, names=names, total_seconds=2, connect_seconds=1) as sender:
        return await sender.send(OutgoingRequest(url, b"{}", "default", by_operator=by_operator), NOW)


@pytest.fixture(scope="module")
def ports_are_open() -> EgressPolicy:
    """Any port of a public address: so that what is refused is refused for its address."""
    return parse("1.0.0.0/8:1-65535")


@pytest.mark.parametrize("host", [*INTERNAL, *(host for host, _ in ODD)])
async def test_J9_no_spelling_of_an_internal_address_opens_a_connection(
    host: str, ports_are_open: EgressPolicy
) -> None:
    async with Sink() as sink:
        for policy in (CLOSED, ports_are_open):
            for url in (f"http://{host}:{sink.port}/", f"http://{host}/", f"https://{host}:{sink.port}/"):
                result = await sent(policy, url)
                assert (result.error, result.status, result.address) == ("refused_by_egress_policy", None, None)
        assert sink.accepted == 0


@pytest.mark.parametrize("address", LOOPBACK)
async def test_J9_no_name_leads_to_an_internal_address(address: str, ports_are_open: EgressPolicy) -> None:
    async with Sink() as sink:
        for found in ([address], ["1.1.1.1", address], [address, "1.1.1.1"]):
            result = await sent(ports_are_open, sink.url("hooks.example"), found)
            assert (result.error, result.address) == ("refused_by_egress_policy", None)
            assert address not in result.detail
        assert sink.accepted == 0


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "unix:///run/docker.sock",
        "http+unix://%2Frun%2Fdocker.sock/x",
        "gopher://127.0.0.1:{port}/",
        "http://example.com@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#@example.com/",
        "http://example.com\\@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\.example.com/",
        "http://example.com:80@127.0.0.1:{port}/",
        "http:127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
    ],
)
async def test_J9_no_trick_with_a_url_opens_a_connection(url: str) -> None:
    async with Sink() as sink:
        for policy in (CLOSED, parse("127.0.0.1:1-65535")):
            result = await sent(policy, url.format(port=sink.port))
            assert result.error == "refused_by_egress_policy"
        assert sink.accepted == 0


async def test_J9_a_name_that_is_rebound_after_it_was_judged_is_judged_again() -> None:
    """The address that passed is the one dialled; the next attempt asks anew, and a kept connection does not help."""
    policy = parse("127.0.0.2/32:1-65535")
    async with Sink() as inside:
        names = MemoryNames(["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"])
        async with Sender(policy, names=names, connect_seconds=1) as sender:
            request = OutgoingRequest(inside.url("rebind.example"), b"{}", "default")
            results = [await sender.send(request, NOW) for _ in range(3)]
        # nobody listens at 127.0.0.2: had the name been resolved again by the client, 127.0.0.1 would have answered
        assert [(one.error, one.address) for one in results] == [
            ("connect", "127.0.0.2"),
            ("refused_by_egress_policy", None),
            ("refused_by_egress_policy", None),
        ]
        assert inside.accepted == 0
    assert names.asked == ["rebind.example"] * 3


async def test_J9_a_kept_connection_is_not_used_once_the_name_leads_elsewhere() -> None:
    async with Sink() as sink:
        names = MemoryNames(["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"], ["127.0.0.3"])
        async with Sender(parse("127.0.0.0/8:1-65535"), names=names, connect_seconds=1) as sender:
            request = OutgoingRequest(sink.url("moves.example"), b"{}", "default")
            results = [await sender.send(request, NOW) for _ in range(4)]
        assert [one.error for one in results] == [None, None, "refused_by_egress_policy", "connect"]
        assert (sink.accepted, len(sink.requests)) == (1, 2)


async def test_J9_a_redirect_to_an_internal_address_opens_no_second_connection() -> None:
    async with Sink() as metadata:
        answer = f"HTTP/1.1 307 Go\r\nlocation: {metadata.url()}\r\ncontent-length: 0\r\n\r\n".encode()
        async with Sink(answer) as first:
            result = await sent(parse(f"127.0.0.1:{first.port}"), first.url())
            assert (result.status, result.error) == (307, "redirect")
        assert metadata.accepted == 0


async def test_J9_only_the_allow_listed_port_is_reached() -> None:
    async with Sink() as open_one, Sink() as closed_one:
        policy = parse(f"127.0.0.1:{open_one.port}")
        assert (await sent(policy, open_one.url())).status == 200
        assert (await sent(policy, closed_one.url())).error == "refused_by_egress_policy"
        assert (open_one.accepted, closed_one.accepted) == (1, 0)


async def test_J9_the_operators_destination_is_closed_to_users() -> None:
    async with Sink() as sink:
        policy = parse("", {"SLACK_WEBHOOK_URL": sink.url()})
        assert (await sent(policy, sink.url(path="/other"))).error == "refused_by_egress_policy"
        assert sink.accepted == 0
        assert (await sent(policy, sink.url(path="/other"), by_operator=True)).status == 200


# --- the fences behind the guard --------------------------------------------------------------------------------------


async def test_J9_the_session_dials_nothing_that_was_not_admitted() -> None:
    async with Sink() as sink, connections.session(None) as session:
        connections.admit("127.0.0.2", sink.port)
        for url in (sink.url(), sink.url("localhost")):
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url)
        connections.admit("127.0.0.1", sink.port + 1)
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(sink.url())
        assert sink.accepted == 0
        connections.admit("127.0.0.1", sink.port)
        async with session.get(sink.url()) as response:
            assert response.status == 200


async def test_J9_what_one_attempt_admits_another_cannot_dial() -> None:
    async with Sink() as sink, connections.session(None) as session:

        async def admits(address: str) -> int:
            connections.admit(address, sink.port)
            await asyncio.sleep(0.01)
            async with session.get(sink.url()) as response:
                return response.status

        found = await asyncio.gather(
            asyncio.create_task(admits("127.0.0.1")), asyncio.create_task(admits("127.0.0.2")), return_exceptions=True
        )
        assert found[0] == 200
        assert isinstance(found[1], aiohttp.ClientConnectorError)
