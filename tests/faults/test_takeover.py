"""Another worker goes on with many open tickets. Durations are recorded, not judged: machines differ."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.faults.conftest import Start
from tests.faults.workers import FactsRead, Reporter, WorkerProcess, observer

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

Note = Callable[[str, object], None]
AT_MOST = 15.0


async def two_workers(start: Start, facts: FactsRead) -> list[WorkerProcess]:
    """Both own partitions."""
    workers = [start(), start()]
    await facts.until(lambda: all(worker.times_owning() > 0 for worker in workers), 30)
    return workers


async def until_all_decide(reporter: Reporter, facts: FactsRead, note: Note, name: str) -> None:
    """Until an event of every partition is decided."""
    seconds = await facts.until_decided(await reporter.one_each(), AT_MOST)
    note(name, round(seconds, 2))
    print(f"{name}: {seconds:.2f} s")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_J5_survivor_decides_for_all_partitions_with_many_open_tickets(
    bootstrap: str, start: Start, long: bool, record_property: Note, how: signal.Signals
) -> None:
    count = 100_000 if long else 2_000
    async with observer(bootstrap, f"takeover-{how.name}") as (reporter, facts):
        leaving, _ = await two_workers(start, facts)
        await reporter.many(count, count)
        await facts.until_decided(reporter.sent, 120)
        leaving.stop(how)
        await until_all_decide(reporter, facts, record_property, f"{how.name}, {count} open tickets")
        await facts.until_decided(reporter.sent, 30)
        facts.assert_each_once(reporter.sent)
