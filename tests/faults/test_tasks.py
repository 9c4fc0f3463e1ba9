"""Task tokens whose owners are killed while they poll and settle: each is settled once, and AWS is told once."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from cryptography.fernet import Fernet

from tests.faults.conftest import Start
from tests.faults.tasks import (
    EVENTS,
    FACTS,
    KINDS,
    SLOW,
    WORKSPACE,
    Aws,
    Jobs,
    TaskFacts,
    assert_settled_once,
)
from tests.faults.workers import PARTITIONS, WorkerProcess
from tests.stages.sinks import Sink
from tocsin.encryption import Cipher
from tocsin.events import tasks as contract
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import delivery_id, partition_of, record_key
from tocsin.events.times import rfc3339
from tocsin.events.topics import events_topic
from tocsin.secret_headers import seal
from tocsin.streams.domain.task_telling import STATES_ENDPOINT
from tocsin.task_tokens import TaskTokens

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

KEYS = Fernet.generate_key().decode()
TOKENS = TaskTokens("pepper")
CALLS_OF_AWS = partition_of(record_key(WORKSPACE, delivery_id(WORKSPACE, STATES_ENDPOINT, "any")), PARTITIONS)


class Log:
    """Tasks that were asked for here, ``asked``: by id, and what was decided of them."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer, self._consumer = producer, consumer
        self.facts = TaskFacts()
        self.asked: set[str] = set()

    async def register(self, token: str, url: str) -> None:
        task_id = TOKENS.task_id(WORKSPACE, token)
        poll = contract.Poll(interval_ms=300, url=url, max_attempts=50)
        spec = contract.TaskSpec(token=seal(token, Cipher(KEYS)), poll=poll, timeout_ms=600_000, external_job_id=token)
        event = contract.TaskRegisterRequested(task_id=task_id, spec=spec, actor="test")
        now = rfc3339(time.time_ns() // 1_000_000)
        envelope = Envelope(token, "tocsin.tasks.TaskRegisterRequested.v1", "/test", now, WORKSPACE)
        key = record_key(WORKSPACE, task_id)
        value, where = msgspec.json.encode(event), partition_of(key, PARTITIONS)
        await self._producer.send_and_wait(EVENTS, value, key=key, partition=where, headers=to_headers(envelope))
        self.asked.add(task_id)

    async def poll(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=100)).values():
            for record in records:
                self.facts.take(record)

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.unfinished()
            await self.poll()

    def unfinished(self) -> dict[str, list[str]]:
        return {task_id: self.facts.last(task_id) for task_id in self.asked if not self.facts.concluded(task_id)}

    def confirmations(self) -> Counter[str]:
        concluded = (self.facts.of(task_id, contract.SettlementConcluded) for task_id in self.asked)
        return Counter(one.confirmation for of_task in concluded for one in of_task)

    def assert_each_settled_once(self, aws: Aws, tokens: list[str]) -> None:
        assert aws.taken == Counter(tokens), "every token was settled once"
        for task_id in self.asked:
            assert_settled_once(self.facts, task_id)


@asynccontextmanager
async def log(bootstrap: str) -> AsyncIterator[Log]:
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
        yield Log(producer, consumer)
    finally:
        await producer.stop()
        await consumer.stop()


@pytest.fixture
def worker(start: Start, database: str) -> Callable[[int], WorkerProcess]:
    """Starts workers that decide tasks and make their deliveries, with AWS on a port."""

    def start_one(aws_port: int) -> WorkerProcess:
        return start(
            "stream",
            "--domains",
            "tasks,deliveries",
            DATABASE_URL=database,
            TOCSIN_ENCRYPTION_KEYS=KEYS,
            TOCSIN_EGRESS_ALLOW="127.0.0.1:1024-65535",
            AWS_ENDPOINT_URL_STEPFUNCTIONS=f"http://127.0.0.1:{aws_port}",
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_DEFAULT_REGION="us-east-1",
        )

    return start_one


async def who_calls_aws(decided: Log, workers: Iterable[WorkerProcess]) -> WorkerProcess:
    """The one of them that owns the partition of these calls, once that is clear."""
    calls = f"{events_topic('deliveries')}/{CALLS_OF_AWS}"
    await decided.until(lambda: sum(calls in one.owned() for one in workers) == 1, 30)
    return next(one for one in workers if calls in one.owned())


@pytest.mark.long  # every day with all roles, in test_task_roles
async def test_T3_killed_owners_poll_and_settle_every_task_once(
    bootstrap: str, worker: Callable[[int], WorkerProcess]
) -> None:
    rounds, tasks = 20, 40
    aws, jobs = Aws(), Jobs()
    async with log(bootstrap) as decided, Sink(aws) as states, Sink(jobs) as outside:
        workers = [worker(states.port) for _ in range(2)]
        await decided.until(lambda: all(one.times_owning() > 0 for one in workers), 40)
        tokens: list[str] = []
        for round_ in range(rounds):
            fresh = [f"AQC-{round_}-{number}" for number in range(tasks)]
            for number, token in enumerate(fresh):
                await decided.register(token, outside.url(path=f"/jobs/{round_}/{number}"))
            tokens += fresh
            victim = workers[round_ % 2]
            # in the middle of it: some are being polled, some settled
            enough = (round_ * tasks) + tasks // 4
            await decided.until(lambda enough=enough: settled(decided) >= enough, 60)  # type: ignore[misc]
            victim.send(signal.SIGKILL)
        await decided.until(lambda: not decided.unfinished(), 120)
        await decided.poll()
    decided.assert_each_settled_once(aws, tokens)
    confirmations = decided.confirmations()
    print(
        f"confirmations {dict(confirmations)}; polls made {sum(jobs.asked.values())}; tries {sum(aws.tried.values())}"
    )
    assert confirmations["unconfirmed"] >= rounds * tasks // KINDS


def settled(decided: Log) -> int:
    return sum(decided.facts.settled(one) for one in decided.asked)


@pytest.mark.long  # every day with webhooks, in test_deliveries
async def test_T3_a_frozen_owner_that_wakes_up_tells_aws_nothing_again(
    bootstrap: str, worker: Callable[[int], WorkerProcess]
) -> None:
    aws, jobs, exits = Aws(), Jobs(), Counter[int]()
    async with log(bootstrap) as decided, Sink(aws) as states, Sink(jobs) as outside:
        workers = {worker(states.port): 0 for _ in range(2)}  # with how often each owned before its present life
        tokens: list[str] = []
        for round_ in range(10):
            await decided.until(lambda: all(one.times_owning() > before for one, before in workers.items()), 40)
            # all of those that AWS answers, and takes its time for
            fresh = [f"AQC-frozen-{round_}-{number * 10 + SLOW}" for number in range(20)]
            for number, token in enumerate(fresh):
                await decided.register(token, outside.url(path=f"/frozen/{round_}/{number}"))
            tokens += fresh
            # in the middle of it: some of AWS's answers are on their way, other calls are still to be made
            enough = round_ * len(fresh) + 2
            await decided.until(lambda enough=enough: aws.taken.total() >= enough, 60)  # type: ignore[misc]
            frozen = await who_calls_aws(decided, workers)
            frozen.send(signal.SIGSTOP)
            await decided.until(lambda: not decided.unfinished(), 60)
            exits[await woken(decided, frozen, aws)] += 1
            workers[frozen] = frozen.times_owning()
        await decided.poll()
    decided.assert_each_settled_once(aws, tokens)
    print(f"confirmations {dict(decided.confirmations())}; tries {aws.tried.total()}; exits {dict(exits)}")


async def woken(decided: Log, frozen: WorkerProcess, aws: Aws) -> int:
    """How it ended, having told AWS nothing."""
    tried, ended = aws.tried.copy(), len(frozen.exit_codes)
    frozen.send(signal.SIGCONT)
    await decided.until(lambda: len(frozen.exit_codes) > ended, 10)
    assert aws.tried == tried
    return frozen.exit_codes[-1]
