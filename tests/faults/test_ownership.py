"""One owner, effectively once: workers killed, frozen, cancelled and rebalanced, judged by the facts per cause."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest

from tests.faults.conftest import Start
from tests.faults.workers import observer

pytestmark = [pytest.mark.embedded, pytest.mark.faults]


async def test_J5_successor_takes_over_after_kill_and_nothing_is_lost_or_doubled(
    bootstrap: str, start: Start, long: bool
) -> None:
    async with observer(bootstrap, "kill") as (reporter, facts):
        workers = [start(), start()]
        await facts.until_decided(await reporter.one_each(), 30)
        for _ in range(20 if long else 1):
            load = asyncio.create_task(reporter.many(2000, 50))
            await facts.poll()
            random.choice(workers).send(signal.SIGKILL)
            await load
            await facts.until_decided(await reporter.one_each(), 30)
        await facts.until_decided(reporter.sent, 30)
        facts.assert_each_once(reporter.sent)


async def test_zombie_that_wakes_up_after_its_session_writes_nothing(bootstrap: str, start: Start, long: bool) -> None:
    async with observer(bootstrap, "zombie") as (reporter, facts):
        workers = [start(), start()]
        await facts.until_decided(await reporter.one_each(), 30)
        for round_ in range(10 if long else 1):
            sleeper = workers[round_ % 2]
            load = asyncio.create_task(reporter.many(3000, 50))
            await facts.poll()
            sleeper.send(signal.SIGSTOP)
            await load
            await facts.until_decided(reporter.sent, 30)  # the successor decides everything meanwhile
            sleeper.send(signal.SIGCONT)
            await facts.until_decided(await reporter.one_each(), 30)
        facts.assert_each_once(reporter.sent)


async def test_worker_frozen_inside_a_transaction_is_fenced_and_its_records_never_appear(
    bootstrap: str, start: Start, tmp_path: Path, long: bool
) -> None:
    trigger = tmp_path / "freeze"
    async with observer(bootstrap, "frozen") as (reporter, facts):
        frozen = start("freeze", str(trigger), module="tests.faults.saboteur")
        await facts.until_decided(await reporter.one_each(), 30)
        start()
        for _ in range(5 if long else 1):
            trigger.touch()
            async with asyncio.timeout(30):
                while trigger.exists():
                    await reporter.one_each()
                    await facts.poll()
            await facts.until_decided(await reporter.one_each(), 20)
            again = frozen.times_owning() + 1
            frozen.send(signal.SIGCONT)  # it ends, and the process after it joins the group
            await facts.until(lambda again=again: frozen.times_owning() >= again, 30)  # type: ignore[misc]
        facts.assert_each_once(reporter.sent)


async def test_random_cancellation_of_agents_never_decides_twice(bootstrap: str, start: Start, long: bool) -> None:
    async with observer(bootstrap, "cancel") as (reporter, facts):
        workers = [start("cancel", module="tests.faults.saboteur") for _ in range(2)]
        await facts.until_decided(await reporter.one_each(), 30)
        for _ in range(40 if long else 2):
            await reporter.many(1000, 50)
            await facts.poll()
        for worker in workers:
            worker.stop(signal.SIGKILL)
        start()
        await facts.until_decided(reporter.sent, 60)
        facts.assert_each_once(reporter.sent)


async def test_every_partition_moves_after_each_of_many_rebalances(bootstrap: str, start: Start, long: bool) -> None:
    async with observer(bootstrap, "rebalance") as (reporter, facts):
        start()
        await facts.until_decided(await reporter.one_each(), 30)
        for round_ in range(30 if long else 2):
            joining = start()
            await facts.until(lambda joining=joining: joining.times_owning() > 0, 30)  # type: ignore[misc]
            await facts.until_decided(await reporter.one_each(), 15)
            joining.stop(signal.SIGTERM if round_ % 2 else signal.SIGKILL)
            await facts.until_decided(await reporter.one_each(), 15)
        facts.assert_each_once(reporter.sent)
