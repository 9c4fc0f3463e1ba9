"""Jobs whose owner is killed or frozen: every slot has exactly one fire id, and another goes on. Time is moved by hand.

Durations are recorded, not judged: machines differ.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.faults.conftest import Start
from tests.faults.workers import PARTITIONS, WorkerProcess
from tocsin.events import jobs as contract
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import partition_of, quota_entity, record_key
from tocsin.events.times import rfc3339, unix_ms
from tocsin.events.topics import events_topic, facts_topic

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

EVENTS, FACTS = events_topic("jobs"), facts_topic("jobs")
MINUTE = 60_000
IN_TIME = 20.0
Note = Callable[[str, object], None]


class Clock:
    """What the workers read: how far ahead their time is, in ms."""

    def __init__(self, file: Path) -> None:
        self.file, self.ahead = file, 0
        self.move(0)

    def move(self, milliseconds: int) -> None:
        self.ahead += milliseconds
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(self.ahead))
        os.replace(fresh, self.file)

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead

    def to_next_minute(self) -> str:
        """Moves to just after the next whole minute; gives that slot."""
        slot = (self.now() // MINUTE + 1) * MINUTE
        self.move(slot - self.now() + 100)
        return rfc3339(slot)


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    """One for all tests of the module: the log's time never goes back, so theirs must not either."""
    return Clock(tmp_path_factory.mktemp("clock") / "ahead")


class Fires:
    """Every slot of the jobs created here that was fired, as the log has it; those of other tests go on beside them.

    at: append time of the first fire of a slot, Unix ms. verdicts: by job, what became of each slot.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.by_slot: dict[str, Counter[tuple[str, str]]] = {}
        self.at: dict[str, int] = {}
        self.verdicts: dict[str, dict[str, str]] = {}
        self.created: set[str] = set()

    async def poll(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=100)).values():
            for record in records:
                kind = dict(record.headers)["ce_type"].decode()
                fact = msgspec.json.decode(record.value or b"", type=contract.FACTS[kind])
                if isinstance(fact, contract.JobCreated):
                    self.created.add(fact.job_id)
                elif isinstance(fact, contract.SlotFired) and fact.job_id in self.created:
                    self.by_slot.setdefault(fact.slot, Counter())[fact.job_id, fact.run_id] += 1
                    self.at.setdefault(fact.slot, record.timestamp)
                    self.verdicts.setdefault(fact.job_id, {})[fact.slot] = fact.verdict
                elif isinstance(fact, contract.SlotsPassed) and fact.job_id in self.created:
                    passed = {rfc3339(slot): fact.verdict for slot in fact.slots}
                    self.verdicts.setdefault(fact.job_id, {}).update(passed)

    async def until(self, condition: Callable[[], bool], seconds: float = IN_TIME) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await self.poll()

    def complete(self, slot: str) -> bool:
        return {job for job, _ in self.by_slot.get(slot, ())} == self.created

    def assert_each_once(self) -> None:
        for slot, fires in self.by_slot.items():
            assert set(fires.values()) == {1}, f"a fire id of {slot} came twice"
            assert len({job for job, _ in fires}) == len(fires), f"a job has two fire ids for {slot}"


@asynccontextmanager
async def desk(bootstrap: str) -> AsyncIterator[tuple[AIOKafkaProducer, Fires]]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False, fetch_max_wait_ms=50
    )
    await producer.start()
    await consumer.start()
    try:
        partitions = [TopicPartition(FACTS, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, end)
        yield producer, Fires(consumer)
    finally:
        await producer.stop()
        await consumer.stop()


async def create(producer: AIOKafkaProducer, clock: Clock, prefix: str, jobs: int, workspaces: int) -> None:
    """Every-minute jobs, asked for as the gateway asks."""
    sent = []
    for number in range(jobs):
        workspace = f"{prefix}-{number % workspaces}"
        spec = contract.JobSpec(name=f"job {number}", callback_url="https://hooks.example/x", cron="* * * * *")
        event = contract.JobCreateRequested(spec=spec, actor="test")
        kind = "tocsin.jobs.JobCreateRequested.v1"
        envelope = Envelope(f"{prefix}-{number}", kind, "/test", rfc3339(clock.now()), workspace)
        key = record_key(workspace, quota_entity(workspace))
        where = partition_of(key, PARTITIONS)
        value = msgspec.json.encode(event)
        sent.append(await producer.send(EVENTS, value, key=key, partition=where, headers=to_headers(envelope)))
    await asyncio.gather(*sent)


def fired_by(slot: str, fires: Fires, since: float) -> float:
    """Seconds from ``since`` (Unix) to the first fire of the slot."""
    return round(fires.at[slot] / 1000 - since, 2)


async def test_J5_after_a_kill_another_worker_fires_and_no_slot_has_two_fire_ids(
    bootstrap: str, start: Start, clock: Clock, tmp_path: Path, long: bool, record_property: Note
) -> None:
    jobs, workspaces, rounds = (500, 10, 20) if long else (100, 10, 2)
    async with desk(bootstrap) as (producer, fires):
        workers = [start(str(clock.file), "jobs", module="tests.faults.clocked") for _ in range(2)]
        await until_all_own(workers)
        await create(producer, clock, f"kill{tmp_path.name}", jobs, workspaces)
        await fires.until(lambda: len(fires.created) == jobs, 30)
        for round_ in range(rounds):
            killed = workers[round_ % 2]
            since = time.time()
            killed.send(signal.SIGKILL)
            slot = clock.to_next_minute()
            await fires.until(lambda slot=slot: fires.complete(slot))  # type: ignore[misc]
            record_property(f"first fire after kill {round_}", fired_by(slot, fires, since))
            print(f"first fire {fired_by(slot, fires, since)} s after the kill")
        await fires.poll()
        fires.assert_each_once()


async def until_all_own(workers: list[WorkerProcess]) -> None:
    async with asyncio.timeout(30):
        while not all(worker.times_owning() > 0 for worker in workers):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.05)


@pytest.mark.long  # every day with webhooks, in test_deliveries
async def test_J5_a_frozen_owner_that_wakes_up_fires_nothing_again(
    bootstrap: str, start: Start, clock: Clock, tmp_path: Path
) -> None:
    async with desk(bootstrap) as (producer, fires):
        workers = [start(str(clock.file), "jobs", module="tests.faults.clocked") for _ in range(2)]
        await until_all_own(workers)
        await create(producer, clock, f"freeze{tmp_path.name}", 100, 10)
        await fires.until(lambda: len(fires.created) == 100, 30)
        for round_ in range(10):
            frozen = workers[round_ % 2]
            frozen.send(signal.SIGSTOP)
            slot = clock.to_next_minute()
            await fires.until(lambda slot=slot: fires.complete(slot))  # type: ignore[misc]
            frozen.send(signal.SIGCONT)
            following = clock.to_next_minute()
            await fires.until(lambda following=following: fires.complete(following))  # type: ignore[misc]
        await fires.poll()
        fires.assert_each_once()


async def test_J7_three_slots_of_downtime_are_one_catch_up_run(
    bootstrap: str, start: Start, clock: Clock, tmp_path: Path
) -> None:
    async with desk(bootstrap) as (producer, fires):
        worker = start(str(clock.file), "jobs", module="tests.faults.clocked")
        await until_all_own([worker])
        await create(producer, clock, f"down{tmp_path.name}", 10, 2)
        await fires.until(lambda: len(fires.created) == 10, 30)
        worker.stop(signal.SIGKILL)
        first = clock.to_next_minute()
        clock.move(2 * MINUTE)
        start(str(clock.file), "jobs", module="tests.faults.clocked")
        last = rfc3339(unix_ms(first) + 2 * MINUTE)
        await fires.until(lambda: fires.complete(last))
        await fires.poll()
        assert set(fires.by_slot) == {last}
        second = rfc3339(unix_ms(first) + MINUTE)
        assert len(fires.verdicts) == 10
        for verdicts in fires.verdicts.values():
            assert verdicts == {first: "coalesced", second: "coalesced", last: "late"}
        fires.assert_each_once()
