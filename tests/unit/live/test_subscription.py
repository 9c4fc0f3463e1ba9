"""A client's way: each event once and in order, whatever it misses, wherever it resumes, whatever memory holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import live as twin
from tests.live import PARTITIONS, MemoryLog
from tocsin.api.live import hub as hubs
from tocsin.api.live import subscription as subscriptions
from tocsin.api.live.cursor import Cursor, last_position_of, offset_of
from tocsin.api.live.entry import Entry
from tocsin.api.live.hub import Hub, Unreadable
from tocsin.api.live.subscription import Ended, Events, Quiet, Reset, Stalled, Subscription, Told, TooSlow
from tocsin.api.live.types import EVERY, Types, parse
from tocsin.events.identity import partition_of

HERE = partition_of(b"default", PARTITIONS)


@asynccontextmanager
async def reading(log: MemoryLog, **options: Any) -> AsyncIterator[Hub]:
    hub = Hub(log.reader, PARTITIONS, **options)
    running = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        hub.end()
        running.cancel()
        await asyncio.wait([running])
    assert log.readers == 0, "every reader was stopped"


async def subscribed(hub: Hub, cursor: Cursor | None = None, types: Types = EVERY) -> Subscription:
    return await Subscription.subscribe(hub, "default", types, cursor)


async def first(subscription: Subscription, *kinds: type[Told], seconds: float = 2) -> Told:
    """The first of these that comes."""
    async with asyncio.timeout(seconds):
        while not isinstance(told := await subscription.next(0.05), kinds):
            pass
    return told


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


class Client:
    """Comes and goes; ``seen`` is all it was told, ``began`` where it stood when it first came."""

    def __init__(self, hub: Hub, types: Types) -> None:
        self.hub, self.types = hub, types
        self.seen: list[Entry] = []
        self.cursor: Cursor | None = None
        self.began: Cursor | None = None
        self.subscription: Subscription | None = None

    async def come(self) -> Subscription:
        if self.subscription is None:
            self.subscription = await Subscription.subscribe(self.hub, "default", self.types, self.cursor)
            # as a stream does: it says where it begins
            self.cursor = self.cursor or self.subscription.cursor
            self.began = self.began or self.cursor
        return self.subscription

    def go(self) -> None:
        if self.subscription is not None:
            self.subscription.close()
            self.subscription = None

    async def take(self) -> None:
        told = await (await self.come()).next(0.02)
        assert not isinstance(told, Reset | Stalled | Ended), told
        if isinstance(told, Events):
            self.seen += told.entries
            self.cursor = Cursor(HERE, told.entries[-1].position)
        elif isinstance(told, TooSlow):
            self.go()
        elif self.subscription is not None:
            self.cursor = self.subscription.cursor


CHOICES = [EVERY, parse(["sla.*"]), parse(["ticket.opened"])]
ACTIONS = st.one_of(
    st.tuples(
        st.just("append"), st.lists(st.sampled_from(["sla.breached", "ticket.opened", "job.disabled"]), min_size=1)
    ),
    st.tuples(st.sampled_from(["take", "cut"]), st.integers(0, 2)),
    st.tuples(st.just("elsewhere"), st.just(0)),
)


@given(st.lists(ACTIONS, max_size=60), st.integers(400, 5_000), st.integers(0, 4), st.integers(1, 5))
def test_S5_any_interleaving_tells_each_event_once_and_in_order(
    actions: list[tuple[str, Any]], ring_bytes: int, look_back: int, bite: int
) -> None:
    async def story() -> None:
        log = MemoryLog(bite=bite)
        async with reading(log, ring_bytes=PARTITIONS * ring_bytes, look_back=look_back) as hub:
            clients = [Client(hub, types) for types in CHOICES]
            for action, what in actions:
                if action == "append":
                    log.append_record(what)
                elif action == "elsewhere":
                    log.append(workspace="acme")
                elif action == "take":
                    await clients[what].take()
                else:
                    clients[what].go()
            for client in clients:
                await client.come()
                async with asyncio.timeout(5):
                    while client.cursor is None or client.cursor.next < log.end(HERE):
                        await client.take()
            for client in clients:
                assert client.began is not None
                missed = [
                    one
                    for one in log.entries[HERE]
                    if one.position > client.began.position
                    and one.workspace == "default"
                    and client.types.match(one.type)
                ]
                assert client.seen == missed
                client.go()

    before, twin.POLL_SECONDS = twin.POLL_SECONDS, 0
    try:
        asyncio.run(story())
    finally:
        twin.POLL_SECONDS = before


async def test_a_new_client_hears_only_what_happens_from_now_on() -> None:
    log = MemoryLog()
    for _ in range(5):
        log.append()
    async with reading(log) as hub:
        client = await subscribed(hub)
        assert client.cursor == Cursor(HERE, log.end(HERE) - 1)
        assert isinstance(await client.next(0.05), Quiet)
        new = log.append("sla.breached")
        assert await first(client, Events) == Events([new])
        client.close()


async def test_S5_a_client_resumes_inside_a_record() -> None:
    log = MemoryLog()
    async with reading(log, look_back=1) as hub:
        await (keeping := await subscribed(hub)).next(0.01)
        first_of_it, second, third = log.append_record(["ticket.opened", "sla.breached", "ticket.hidden"])
        for _ in range(3):
            log.append()
        client = await subscribed(hub, Cursor(HERE, first_of_it.position))
        told = await first(client, Events)
        assert isinstance(told, Events)
        assert list(told.entries[:2]) == [second, third]
        assert third.frame.startswith(f'{{"id":"{HERE}-{offset_of(third.position)}",')
        assert second.frame.startswith(f'{{"id":"{HERE}-{offset_of(third.position)}.1",')
        client.close()
        keeping.close()


async def test_a_skipped_event_moves_the_cursor() -> None:
    log = MemoryLog()
    async with reading(log) as hub:
        client = await subscribed(hub, types=parse(["sla.*"]))
        log.append("ticket.opened")
        while client.cursor.next < log.end(HERE):
            assert isinstance(await client.next(0.05), Quiet)
        client.close()


async def test_a_new_log_position_is_at_hand_before_the_first_event() -> None:
    async with reading(MemoryLog()) as hub:
        client = await subscribed(hub)
        assert str(client.cursor) == f"{HERE}--1"
        again = await subscribed(hub, client.cursor)
        assert isinstance(await again.next(0.02), Quiet)
        client.close()
        again.close()


@pytest.mark.parametrize(
    ("cursor", "why"),
    [
        (Cursor(1 - HERE, last_position_of(0)), "of another workspace"),
        (Cursor(HERE, last_position_of(1)), "older than the retention"),
        (Cursor(HERE, last_position_of(10_000)), "of another log"),
    ],
)
async def test_S5_what_cannot_be_resumed_is_said_instead_of_left_out(cursor: Cursor, why: str) -> None:
    log = MemoryLog()
    for _ in range(10):
        log.append()
    log.expire(HERE, before=6)
    async with reading(log, look_back=4) as hub:
        client = await subscribed(hub, cursor)
        assert isinstance(await client.next(1), Reset), why
        new = log.append()
        assert await first(client, Events) == Events([new])
        client.close()


async def test_S5_what_expires_while_it_is_read_back_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog(bite=2)
    for _ in range(20):
        log.append()
    async with reading(log, look_back=2) as hub:
        client = await subscribed(hub, Cursor(HERE, last_position_of(-1)))
        assert isinstance(await first(client, Events), Events)
        log.expire(HERE, before=30)
        assert isinstance(await first(client, Reset), Reset)
        client.close()


async def test_too_far_back_is_refused_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "CATCH_UP_LIMIT", 10)
    log = MemoryLog()
    for _ in range(10):
        log.append()
    async with reading(log, look_back=2) as hub:
        client = await subscribed(hub, Cursor(HERE, last_position_of(8)))
        assert isinstance(await client.next(1), Reset)
        client.close()


async def test_a_cursor_ahead_of_this_process_waits_for_it() -> None:
    """Another process has told it what this one has not read yet."""
    log = MemoryLog()
    log.append()
    async with reading(log) as hub:
        await (keeping := await subscribed(hub)).next(0.01)
        log.broken = True  # this process reads no more for a while
        ahead = [log.append(), log.append()]
        log.broken = False
        ring = hub.rings[HERE]
        assert ring.end <= ahead[0].position
        client = await subscribed(hub, Cursor(HERE, ahead[0].position))
        assert await first(client, Events) == Events([ahead[1]])
        client.close()
        keeping.close()


async def test_a_client_that_fell_behind_memory_is_told_so() -> None:
    log = MemoryLog(bite=50)
    async with reading(log, ring_bytes=PARTITIONS * 1500) as hub:
        client = await subscribed(hub)
        log.append()
        assert isinstance(await first(client, Events), Events)
        for _ in range(20):
            log.append()
        await until(lambda: hub.rings[HERE].end == log.end(HERE))
        assert isinstance(await client.next(1), TooSlow)
        client.close()


async def test_clients_are_told_when_the_log_cannot_be_read_and_when_it_can_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "_PROBE_SECONDS", 0.02)
    log = MemoryLog()
    async with reading(log) as hub:
        client = await subscribed(hub)
        log.broken = True
        assert await first(client, Stalled) == Stalled()
        missed = log.append()
        log.broken = False
        told = [await first(client, Stalled, Events), await first(client, Stalled, Events)]
        assert Stalled(over=True) in told
        assert Events([missed]) in told
        client.close()


async def test_a_reader_that_stays_deaf_is_replaced_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "_PROBE_SECONDS", 0.01)
    monkeypatch.setattr(hubs, "_REPLACE_AFTER_SECONDS", 0.02)
    log = MemoryLog()
    async with reading(log) as hub:
        client = await subscribed(hub)
        log.broken = True
        missed = [log.append(), log.append()]
        await until(lambda: log.readers == 0)
        log.broken = False
        seen: list[Entry] = []
        while len(seen) < 2:
            told = await first(client, Events, seconds=5)
            assert isinstance(told, Events)
            seen += told.entries
        assert seen == missed
        client.close()


async def test_without_a_log_nobody_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "READY_SECONDS", 0.05)
    log = MemoryLog()
    log.broken = True
    async with reading(log) as hub:
        with pytest.raises(Unreadable):
            await subscribed(hub)


async def test_another_log_is_noticed_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "_SURE_SECONDS", 0.05)
    log = MemoryLog()
    for _ in range(3):
        log.append()
    async with reading(log) as hub:
        client = await subscribed(hub)
        for partition in log.entries:
            log.entries[partition], log.ends[partition] = [], 0
        assert isinstance(await first(client, Reset, seconds=5), Reset)
        new = log.append()
        assert await first(client, Events) == Events([new])
        client.close()


async def test_the_log_is_read_only_while_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "_REST_AFTER_SECONDS", 0.01)
    log = MemoryLog()
    async with reading(log) as hub:
        assert log.readers == 0
        client = await subscribed(hub)
        assert log.readers == 1
        cursor = client.cursor
        client.close()
        await until(lambda: log.readers == 0)
        missed = log.append()
        again = await subscribed(hub, cursor)
        assert await first(again, Events) == Events([missed])
        again.close()


async def test_closing_and_the_end_of_the_server_end_it() -> None:
    async with reading(MemoryLog()) as hub:
        one, other = await subscribed(hub), await subscribed(hub)
        waiting = asyncio.create_task(one.next(5))
        await asyncio.sleep(0.01)
        one.close()
        assert isinstance(await waiting, Ended)
        waiting = asyncio.create_task(other.next(5))
        await asyncio.sleep(0.01)
        hub.end()
        assert isinstance(await waiting, Ended)
        other.close()
