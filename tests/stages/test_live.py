"""Live events on real sockets: what clients get, who is let in, and what becomes of those that do not behave."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY
from websockets.exceptions import InvalidStatus

from tests.integration.query_api import key_for
from tests.live import MemoryLog
from tests.stages.live_server import LiveServer, closed, message, serving
from tocsin import log
from tocsin import server as servers
from tocsin.api.live import live as lives
from tocsin.api.live import socket as sockets
from tocsin.api.live import sse
from tocsin.api.live.cursor import parse


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def refused(served: LiveServer, query: str = "", **headers: str) -> dict[str, Any]:
    """The problem that answers a handshake."""
    with pytest.raises(InvalidStatus) as answer:
        async with served.socket(query, additional_headers=headers):
            pass
    body: dict[str, Any] = json.loads(answer.value.response.body)
    assert body["status"] == answer.value.response.status_code
    return body


# --- what clients get -----------------------------------------------------------------------------------------------


async def test_S5_a_websocket_gets_sla_events_as_frames() -> None:
    async with serving() as served, served.socket() as connection:
        served.log.append("ticket.opened", ticket_id="t-1")
        breach = served.log.append("sla.breached", ticket_id="t-1", escalation_level=2, data={"metric": "resolution"})
        frame = await message(connection)
        assert list(frame) == ["id", "type", "occurred_at", "ticket_id", "escalation_level", "data"]
        assert parse(frame["id"]).position == breach.position
        assert (frame["type"], frame["ticket_id"], frame["escalation_level"]) == ("sla.breached", "t-1", 2)
        assert frame["data"] == {"metric": "resolution"}


async def test_S5_other_types_are_asked_for() -> None:
    async with serving() as served, served.socket("?types=ticket.*,job.disabled") as connection:
        for live_type in ("sla.breached", "ticket.opened", "job.run_failed", "job.disabled"):
            served.log.append(live_type)
        assert [(await message(connection))["type"] for _ in range(2)] == ["ticket.opened", "job.disabled"]


async def test_S5_a_websocket_that_names_a_cursor_resumes_behind_it() -> None:
    async with serving() as served:
        async with served.socket("?last_event_id=") as connection:
            position = await message(connection)
            assert position["type"] == "position"
        missed = [served.log.append("sla.breached") for _ in range(3)]
        async with served.socket(f"?last_event_id={position['id']}") as connection:
            assert await message(connection) == position
            assert [parse((await message(connection))["id"]).position for _ in range(3)] == [
                one.position for one in missed
            ]


async def test_S5_an_event_stream_says_where_it_stands_and_resumes() -> None:
    async with serving() as served:
        async with served.events("?types=ticket.*") as source:
            headers = source.response.headers
            assert headers["content-type"].startswith("text/event-stream")
            assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache, no-transform", "no")
            assert source.first.retry == str(sse.RETRY_MS)
            assert source.first.id
            served.log.append("sla.breached")
            seen = served.log.append("ticket.opened")
            frame = await source.frame()
            assert (frame["type"], frame["id"], source.cursor) == ("ticket.opened", source.cursor, source.cursor)
            assert parse(source.cursor).position == seen.position
        missed = [served.log.append("ticket.hidden"), served.log.append("ticket.opened")]
        for resuming in ({"Last-Event-ID": source.cursor}, {}):
            query = "?types=ticket.*" if resuming else f"?types=ticket.*&last_event_id={source.cursor}"
            async with served.events(query, **resuming) as again:
                assert [parse((await again.frame())["id"]).position for _ in missed] == [one.position for one in missed]


async def test_S5_a_heartbeat_moves_the_cursor_over_what_is_filtered_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.05)
    async with serving() as served, served.events("?types=sla.*") as source:
        for _ in range(20):
            last = served.log.append("ticket.opened")
        while parse(source.cursor).position < last.position:
            block = await source.block()
            assert (block.comment, block.data) == ("still here", "")


async def test_S5_what_cannot_be_resumed_is_said() -> None:
    async with serving() as served:
        async with served.events(**{"Last-Event-ID": "0-999999"}) as source:
            reset = await source.block()
            assert (reset.event, reset.frame) == ("reset", {"type": "reset"})
            assert parse(reset.id).position < parse("0-999999").position
        async with served.socket("?last_event_id=0-999999") as connection:
            assert [(await message(connection))["type"] for _ in range(2)] == ["position", "refresh"]


async def test_events_of_another_workspace_are_not_told() -> None:
    key, row = key_for("acme")
    async with serving(row) as served, served.events(**{"x-api-key": key}) as source:
        served.log.append(workspace="default")
        mine = served.log.append(workspace="acme")
        assert parse((await source.frame())["id"]).position == mine.position


# --- who is let in --------------------------------------------------------------------------------------------------


async def test_S5_pages_of_other_hosts_are_refused_before_the_handshake() -> None:
    async with serving() as served:
        problem = await refused(served, origin="https://evil.example")
        assert (problem["status"], problem["type"].rpartition("/")[2]) == (403, "origin-not-allowed")
        async with served.http(origin="https://evil.example") as http:
            assert (await http.get("/events")).status_code == 403
        async with served.socket(origin=f"http://127.0.0.1:{served.port}"):
            pass
        async with served.http() as http:
            token = (await http.post("/stream-tokens")).json()["token"]
        async with served.events(f"?token={token}", origin="https://console.example") as source:
            assert source.response.headers["access-control-allow-origin"] == "https://console.example"


async def test_S5_a_key_is_needed_where_nothing_is_open() -> None:
    reading, row = key_for("acme", "read")
    sending, other = key_for("acme", "ingest")
    async with serving(row, other, is_open=False) as served:
        assert (await refused(served))["status"] == 401
        assert (await refused(served, **{"x-api-key": sending}))["status"] == 403
        async with served.socket(additional_headers={"Authorization": f"Bearer {reading}"}) as connection:
            served.log.append("sla.breached", "acme")
            assert (await message(connection))["type"] == "sla.breached"
        async with served.http() as http:
            assert (await http.get("/events")).status_code == 401
            assert (await http.post("/stream-tokens")).status_code == 401


async def test_S5_a_token_lets_one_connection_in_and_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    key, row = key_for("acme")
    with caplog.at_level(logging.DEBUG):
        async with serving(row, is_open=False) as served, served.http() as http:
            answer = await http.post("/stream-tokens", headers={"x-api-key": key})
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
            token = answer.json()["token"]
            assert answer.json()["expires_in"] == 60
            async with served.socket(f"?token={token}&types=ticket.*") as connection:
                served.log.append("ticket.opened", "acme")
                assert (await message(connection))["type"] == "ticket.opened"
            assert (await refused(served, f"?token={token}"))["status"] == 401
            assert (await http.get("/events", params={"token": token})).status_code == 401
    ours = [one for one in caplog.records if not one.name.startswith(("websockets.client", "httpx", "httpcore"))]
    written = [log._formatter("http", console=False).format(one) for one in ours]
    assert [line for line in written if "/ws/alerts?token=***" in line]
    assert not [line for line in written if token in line]
    assert not [one for one in ours if one.levelno >= logging.WARNING]


async def test_S5_guessing_tokens_is_counted_as_guessing_keys() -> None:
    async with serving(is_open=False) as served:
        found = [(await refused(served, f"?token=guess-{number}"))["status"] for number in range(11)]
        assert found == [401] * 10 + [429]


async def test_a_wish_that_makes_no_sense_is_refused_precisely() -> None:
    async with serving() as served, served.http() as http:
        for path in ("/events", "/ws/alerts"):
            for query, name in (("types=slaa.*", "types"), ("last_event_id=x", "last_event_id"), ("x=1", "x")):
                if path == "/events":
                    problem = (await http.get(f"{path}?{query}")).json()
                else:
                    problem = await refused(served, f"?{query}")
                assert (problem["status"], problem["errors"][0]["field"]) == (422, name)


async def test_S5_more_clients_than_set_are_sent_away() -> None:
    async with serving(clients=2) as served, served.socket() as one, served.events() as _:
        async with served.http() as http:
            answer = await http.get("/events")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
            assert answer.json()["type"].endswith("/too-many-clients")
        async with served.socket() as third:
            assert await closed(third) == (1013, [])
        await one.close()
        await until(lambda: served.live._clients == 1)
        async with served.socket():
            pass


async def test_without_the_log_a_client_is_asked_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.api.live.hub.READY_SECONDS", 0.05)
    memory = MemoryLog()
    memory.broken = True
    async with serving(log=memory) as served, served.http() as http:
        assert (await http.get("/events")).status_code == 503
        assert (await refused(served))["status"] == 503
        assert served.live._clients == 0


# --- who does not behave --------------------------------------------------------------------------------------------


async def test_a_client_that_talks_too_much_is_closed() -> None:
    async with serving() as served, served.socket() as connection:
        for _ in range(sockets.MESSAGES_PER_MINUTE + 1):
            await connection.send("hello")
        assert await closed(connection) == (1008, [])


async def test_a_client_that_says_too_large_a_thing_is_closed() -> None:
    async with serving() as served, served.socket() as connection:
        await connection.send("x" * 5000)
        assert await closed(connection) == (1009, [])


async def deaf(served: LiveServer, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that asks and then reads nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    more = upgrade + key if path.startswith("/ws") else ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n{more}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(("path", "kind"), [("/ws/alerts?types=*", "websocket"), ("/events", "sse")])
async def test_S5_a_client_that_never_reads_is_dropped_and_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    for module in (sockets, sse):
        monkeypatch.setattr(module, "SEND_SECONDS", 0.2)
    monkeypatch.setattr(servers, "FAREWELL_SECONDS", 0.2)
    dropped = metric("tocsin_live_clients_dropped_total", kind=kind, reason="send_blocked")
    async with serving() as served, served.socket("?types=*") as healthy:
        _, writer = await deaf(served, path)
        await until(lambda: served.live._clients == 2)
        sent = 0
        while served.live._clients == 2:  # until the buffers of both kernels are full
            for _ in range(20):
                served.log.append(data={"padding": "x" * 50_000})
            for _ in range(20):
                frame = await message(healthy)
                sent += 1
                assert (
                    parse(frame["id"]).position == served.log.entries[parse(frame["id"]).partition][sent - 1].position
                )
            assert sent < 5_000
        assert metric("tocsin_live_clients_dropped_total", kind=kind, reason="send_blocked") == dropped + 1
        await until(lambda: len(served.server.server_state.connections) == 1)
        writer.close()


async def test_S5_a_slow_websocket_is_told_to_refresh_and_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "SEND_SECONDS", 0.2)
    async with serving() as served, served.socket("?types=*", max_queue=1) as connection:
        while served.live._clients:
            for _ in range(20):
                served.log.append(data={"padding": "x" * 50_000})
            await asyncio.sleep(0.02)
        code, told = await closed(connection)
        assert (code, told[-1], set(told[:-1])) == (1013, "refresh", {"ticket.opened"})


# --- the end --------------------------------------------------------------------------------------------------------


async def test_S5_when_the_server_stops_streams_end_cleanly_and_at_once() -> None:
    async with serving() as served, served.events() as source, served.socket() as connection:
        served.server.should_exit = True
        assert await source.ended()
        assert await closed(connection) == (1012, [])
        async with asyncio.timeout(3):
            await served.running


async def test_a_connection_comes_anew_after_its_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lives, "LIFE_SECONDS", (0.1, 0.2))
    async with serving() as served, served.events() as source, served.socket() as connection:
        assert await source.ended()
        assert await closed(connection) == (1012, [])


async def test_a_client_that_leaves_is_forgotten() -> None:
    async with serving() as served:
        async with served.events(), served.socket():
            assert served.live._clients == 2
        await until(lambda: served.live._clients == 0)
        assert metric("tocsin_live_clients", kind="sse") == metric("tocsin_live_clients", kind="websocket") == 0
        assert not served.live.hub._listeners


async def test_S5_a_thousand_cuts_lose_and_double_nothing() -> None:
    """Cut between any two events, by the client, with the cursor it had then."""
    async with serving() as served:
        seen: list[str] = []
        async with served.events() as source:
            cursor = source.cursor
        expected = [served.log.append() for _ in range(300)]
        while len(seen) < len(expected):
            async with served.events(**{"Last-Event-ID": cursor}) as source:
                for _ in range(1 + len(seen) % 5):
                    if len(seen) < len(expected):
                        seen.append((await source.frame())["id"])
            cursor = seen[-1]
        assert [parse(one).position for one in seen] == [one.position for one in expected]
