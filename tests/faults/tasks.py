"""What tasks meet outside while owners are killed, and what must be true of each of them afterwards.

The server of AWS here does what AWS does: the first settlement of a token is taken, every other one is TaskTimedOut;
some are taken without an answer, some are throttled first.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from typing import Any, Final, TypeVar

import msgspec
from aiokafka import ConsumerRecord

from tests.stages.sinks import Received
from tocsin.events import tasks as contract
from tocsin.events.topics import events_topic, facts_topic

EVENTS: Final = events_topic(contract.DOMAIN)
FACTS: Final = facts_topic(contract.DOMAIN)
WORKSPACE: Final = "default"
POLLS_NEEDED: Final = 3
KINDS: Final = 10
"""Of tokens, by their number: one of ten is of each kind below. Were it half that fails, the breaker would leave AWS
alone for 30 s."""
THROTTLED, SLOW, UNANSWERED = 1, 2, 3
F = TypeVar("F")


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
    """By token, whose last part is its number. ``taken``: how often a settlement was carried out; tried: how often
    one was asked for; alive: heartbeats."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()
        self.alive: Counter[str] = Counter()

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        token = json.loads(request.body)["taskToken"]
        if (request.header("x-amz-target") or "").endswith("SendTaskHeartbeat"):
            self.alive[token] += 1
            writer.write(self._closed() if self.taken[token] else answer("200 OK", {}))
            return
        self.tried[token] += 1
        kind = int(token.rpartition("-")[2]) % KINDS
        if kind == THROTTLED and self.tried[token] == 1:
            writer.write(answer("400 Bad Request", {"__type": "ThrottlingException"}))
        elif self.taken[token]:
            writer.write(self._closed())
        else:
            self.taken[token] += 1
            if kind == SLOW:
                await asyncio.sleep(0.3)  # long enough for a kill to hit it
            if kind == UNANSWERED:
                writer.transport.abort()  # carried out, and nobody heard of it
                return
            writer.write(answer("200 OK", {}))

    @staticmethod
    def _closed() -> bytes:
        return answer("400 Bad Request", {"__type": "TaskTimedOut"})


class TaskFacts:
    """What was decided of tasks, by task, in the order of the log."""

    def __init__(self) -> None:
        self._facts: dict[str, list[Any]] = defaultdict(list)

    def take(self, record: ConsumerRecord[bytes, bytes]) -> None:
        kind = dict(record.headers)["ce_type"].decode()
        fact = msgspec.json.decode(record.value or b"", type=contract.FACTS[kind])
        self._facts[fact.entity].append(fact)

    def of(self, task_id: str, kind: type[F]) -> list[F]:
        return [fact for fact in self._facts[task_id] if isinstance(fact, kind)]

    def tasks_of(self, owner: str) -> list[str]:
        """Ids of those that were registered for this owner, as often as they were."""
        registered = (one for task_id in self._facts for one in self.of(task_id, contract.TaskRegistered))
        return [one.task_id for one in registered if one.spec.owner == owner]

    def last(self, task_id: str) -> list[str]:
        """Names of what was decided last."""
        return [type(fact).__name__ for fact in self._facts[task_id]][-4:]

    def settled(self, task_id: str) -> bool:
        return bool(self.of(task_id, contract.TaskSettled))

    def concluded(self, task_id: str) -> bool:
        """Whether the last word of AWS is there."""
        return bool(self.of(task_id, contract.SettlementConcluded))

    def polls(self, task_id: str) -> list[contract.TaskPolled]:
        return self.of(task_id, contract.TaskPolled)


def assert_settled_once(facts: TaskFacts, task_id: str, rule: str = "polled", *, aws: bool = True) -> None:
    """Registered, polled and settled once each; ``rule``: why. aws: whether AWS was told, and said a last word."""
    assert len(facts.of(task_id, contract.TaskRegistered)) == 1
    (end,) = facts.of(task_id, contract.TaskSettled)
    assert (end.status, end.cause.rule) == ("COMPLETED", rule)
    concluded = facts.of(task_id, contract.SettlementConcluded)
    assert len(concluded) == aws
    assert {one.confirmation for one in concluded} <= {"confirmed", "unconfirmed"}, "AWS took each of them once"
    polled = [fact.poll for fact in facts.polls(task_id)]
    started = [fact.poll for fact in facts.of(task_id, contract.PollStarted)]
    # an attempt that was cut is made again under the same number, so the job may be asked more often
    assert polled == started == list(range(1, len(polled) + 1))
    assert len(polled) <= POLLS_NEEDED
