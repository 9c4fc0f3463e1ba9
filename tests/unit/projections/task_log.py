"""Facts about tasks as they are decided: a random history of each, as records, those of all tasks mixed."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import msgspec

from tests.unit.domain.task_story import MINUTE, SECOND, TASK, Story, poll, register, settle
from tocsin.events import tasks as contract
from tocsin.events.commands import Fact
from tocsin.events.identity import partition_of, record_key
from tocsin.events.jobs import NO_PAYLOAD
from tocsin.events.topics import facts_topic
from tocsin.projections.projection import Record

PARTITIONS = 2
OWNERS, JOBS = ("ana", "data team", ""), ("job-7", "export", "")
_TYPES = {cls: name for name, cls in contract.FACTS.items()}


def task_id(number: int) -> str:
    return f"k_{number:032x}"


def records_of(facts: list[Fact], number: int = 1, workspace: str = "default", first_offset: int = 0) -> list[Record]:
    """As the stage before writes them, for a task of this number."""
    found = []
    for nth, fact in enumerate(facts):
        value = msgspec.json.encode(fact).replace(TASK.encode(), task_id(number).encode())
        key = record_key(workspace, task_id(number))
        headers = [("ce_type", _TYPES[type(fact)].encode()), ("ce_workspace", workspace.encode())]
        partition = partition_of(key, PARTITIONS)
        found.append(Record(facts_topic("tasks"), partition, first_offset + nth, 0, key, value, headers))
    return found


def random_log(tasks: int, seed: int, workspace: str = "default") -> list[Record]:
    chance = random.Random(seed)
    queues = [deque(records_of(_story(chance).facts, number, workspace)) for number in range(1, tasks + 1)]
    mixed: list[Record] = []
    while queues := [queue for queue in queues if queue]:
        mixed.append(chance.choice(queues).popleft())
    return [record._replace(offset=nth) for nth, record in enumerate(mixed)]


def _story(chance: random.Random) -> Story:
    story = Story()
    story.now += chance.randrange(100_000)
    asked: dict[str, Any] = {
        "issued": chance.random() < 0.5,
        "owner": chance.choice(OWNERS),
        "external_job_id": chance.choice(JOBS),
        "timeout_ms": chance.choice((0, 60 * MINUTE)),
        "heartbeat_ms": chance.choice((0, 10 * MINUTE)),
        "poll": chance.choice((None, poll(headers={"X-Api-Key": "sealed:v1:x", "X-Team": "ops"}))),
        "metadata": chance.choice((NO_PAYLOAD, msgspec.Raw(b'{"n":1e400,"z":"\\u0000"}'))),
    }
    story.when(register(**asked))
    for _ in range(chance.randrange(12)):
        _step(chance, story)
    return story


def _step(chance: random.Random, story: Story) -> None:
    roll, after = chance.random(), chance.choice((0, 100, SECOND, 5 * MINUTE))
    if roll < 0.4:
        story.wake(after=story.due_in() or 0)
    elif roll < 0.7 and story.state is not None and story.state.polling:
        state = chance.choice(("running", "running", "running", "completed", "failed", "unreadable", "error"))
        story.polled(state, error="timeout" if state == "error" else "", after=after)
    elif roll < 0.8:
        story.when(contract.HeartbeatReceived(task_id=TASK, actor="w"), after=after)
    elif roll < 0.9:
        large = settle(result=NO_PAYLOAD, result_digest="d" * 64)
        story.when(chance.choice((settle(), settle("failure"), large)), after=after)
    elif story.asked("settlement"):
        story.aws_says(chance.choice(("succeeded", "failed")))
