"""Task tokens whose owners are killed while they poll and settle: each is settled once, and AWS is told once.

The server of AWS here does what AWS does: the first settlement of a token is taken, every other one is TaskTimedOut;
some are taken without an answer, some are throttled first.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from cryptography.fernet import Fernet

from tests.faults.conftest import Start
from tests.faults.workers import PARTITIONS, WorkerProcess
from tests.stages.sinks import Received, Sink
from tocsin.encryption import Cipher
from tocsin.events import tasks as contract
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import partition_of, record_key
from tocsin.events.times import rfc3339
from tocsin.events.topics import events_topic, facts_topic
from tocsin.secret_headers import seal
from tocsin.task_tokens import TaskTokens

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

KEYS = Fernet.generate_key().decode()
TOKENS = TaskTokens("pepper")
EVENTS, FACTS = events_topic("tasks"), facts_topic("tasks")
WORKSPACE = "default"
POLLS_NEEDED = 3


def answer(status: str, document: Any) -> bytes:
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


class Jobs:
    """Jobs outside: each is done when it was asked often enough. ``asked``: by path."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        path = request.line.split()[1]
        self.asked[path] += 1
        done = self.asked[path] >= POLLS_NEEDED
        writer.write(answer("200 OK", {"status": "COMPLETED" if done else "RUNNING", "job": path}))


class Aws:
    """``taken``: how often a settlement of a token was carried out. ``tried``: how often one was asked for."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        token = json.loads(request.body)["taskToken"]
        self.tried[token] += 1
        kind = int(token.rpartition("-")[2]) % 5
        if kind == 1 and self.tried[token] == 1:
            writer.write(answer("400 Bad Request", {"__type": "ThrottlingException"}))
        elif self.taken[token]:
            writer.write(answer("400 Bad Request", {"__type": "TaskTimedOut"}))
        else:
            self.taken[token] += 1
            if kind == 2:
                await asyncio.sleep(0.3)  # long enough for a kill to hit it
            if kind == 3:
                writer.transport.abort()  # carried out, and nobody heard of it
                return
            writer.write(answer("200 OK", {}))


class Log:
    """What was decided of the tasks asked for here, by task."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer, self._consumer = producer, consumer
        self.facts: dict[str, list[Any]] = defaultdict(list)
        self.asked: set[str] = set()

    async def register(self, token: str, url: str) -> str:
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
        return task_id

    def of(self, task_id: str, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts[task_id] if isinstance(fact, kind)]

    async def poll(self) -> None:
        for records in (await self._consumer.getmany(timeout_ms=100)).values():
            for record in records:
                kind = dict(record.headers)["ce_type"].decode()
                fact = msgspec.json.decode(record.value or b"", type=contract.FACTS[kind])
                self.facts[fact.entity].append(fact)

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.unfinished()
            await self.poll()

    def unfinished(self) -> dict[str, list[str]]:
        return {
            task_id: [type(fact).__name__ for fact in self.facts[task_id]][-4:]
            for task_id in self.asked
            if not self.of(task_id, contract.SettlementConcluded)
        }


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


async def test_T3_killed_owners_poll_and_settle_every_task_once(
    bootstrap: str, worker: Callable[[int], WorkerProcess], long: bool
) -> None:
    rounds, tasks = (20, 40) if long else (2, 20)
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
    assert_each_settled_once(decided, aws, tokens)
    confirmations = Counter(decided.of(one, contract.SettlementConcluded)[0].confirmation for one in decided.asked)
    print(
        f"confirmations {dict(confirmations)}; polls made {sum(jobs.asked.values())}; tries {sum(aws.tried.values())}"
    )
    assert set(confirmations) <= {"confirmed", "unconfirmed"}, "AWS took each of them once"
    assert confirmations["unconfirmed"] >= rounds * tasks // 5, "one in five is never answered"


def settled(decided: Log) -> int:
    return sum(bool(decided.of(one, contract.TaskSettled)) for one in decided.asked)


def assert_each_settled_once(decided: Log, aws: Aws, tokens: list[str]) -> None:
    assert aws.taken == Counter(tokens), "every token was settled once"
    for task_id in decided.asked:
        (end,) = decided.of(task_id, contract.TaskSettled)
        assert (end.status, end.cause.rule) == ("COMPLETED", "polled")
        assert len(decided.of(task_id, contract.SettlementConcluded)) == 1
        polled = [fact.poll for fact in decided.of(task_id, contract.TaskPolled)]
        started = [fact.poll for fact in decided.of(task_id, contract.PollStarted)]
        # an attempt that was cut is made again under the same number, so the job may be asked more often
        assert polled == started == list(range(1, len(polled) + 1))
        assert len(polled) <= POLLS_NEEDED


async def test_T3_a_frozen_owner_that_wakes_up_tells_aws_nothing_again(
    bootstrap: str, worker: Callable[[int], WorkerProcess], long: bool
) -> None:
    aws, jobs = Aws(), Jobs()
    async with log(bootstrap) as decided, Sink(aws) as states, Sink(jobs) as outside:
        workers = [worker(states.port) for _ in range(2)]
        await decided.until(lambda: all(one.times_owning() > 0 for one in workers), 40)
        tokens: list[str] = []
        for round_ in range(10 if long else 2):
            fresh = [f"AQC-frozen-{round_}-{number * 5}" for number in range(20)]  # all of those that are answered
            for number, token in enumerate(fresh):
                await decided.register(token, outside.url(path=f"/frozen/{round_}/{number}"))
            tokens += fresh
            frozen = workers[round_ % 2]
            frozen.send(signal.SIGSTOP)
            await decided.until(lambda: not decided.unfinished(), 60)
            frozen.send(signal.SIGCONT)
        await decided.poll()
    assert_each_settled_once(decided, aws, tokens)
