"""The whole installation while tasks are polled, pushed and settled: any process killed, each token settled once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.faults.evidence import read_log, until_settled
from tests.faults.task_load import OWNER, Registered, TaskLoad
from tests.faults.tasks import FACTS, WORKSPACE, Aws, Jobs, TaskFacts, assert_settled_once
from tests.installation import Installation, eventually, victims
from tests.stages.sinks import Sink
from tocsin.events import tasks as contract

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

Json = dict[str, Any]


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - servers count, they know of no event
            await asyncio.sleep(0.02)


def kill(installation: Installation, name: str) -> None:
    """Returns when another process has taken its place."""
    before = installation.child(name)
    before.kill()
    eventually(lambda: installation.replaced(name, before), 60)


@pytest.fixture
def client(installation: Installation) -> Iterator[httpx.Client]:
    """With a key of its own."""
    made = installation.run("keys", "create", "--workspace", WORKSPACE, "--name", "faults")
    assert made.returncode == 0, made.stderr
    with installation.client() as client:
        client.headers["x-api-key"] = made.stdout.strip()
        yield client


def shown_settled(client: httpx.Client, load: TaskLoad) -> dict[str, Json]:
    """Every task by its id, as clients see it once nobody waits for anything any more."""

    def look(task_id: str) -> Json | None:
        answer = client.get(f"/v1/tasks/{task_id}")
        shown: Json = answer.json()
        done = answer.is_success and shown["settlement"] and shown["settlement"]["confirmation"] != "pending"
        return shown if done else None

    return {
        task.task_id: eventually(lambda task=task: look(task.task_id), 60)  # type: ignore[misc]
        for task in load.registered
    }


async def facts_of(installation: Installation) -> TaskFacts:
    """Every one that was committed, when nothing is left to decide."""
    await asyncio.to_thread(until_settled, installation)
    facts = TaskFacts()
    for record in await read_log(installation.addresses.kafka, FACTS):
        facts.take(record)
    return facts


def assert_exact(task: Registered, shown: Json, facts: TaskFacts) -> None:
    """What was accepted happened, once, and is what clients are shown."""
    assert_settled_once(facts, task.task_id, task.rule, aws=bool(task.token))
    alive = [fact.cause.event_id for fact in facts.of(task.task_id, contract.HeartbeatAccepted)]
    assert alive == task.heartbeats
    (end,), polled = facts.of(task.task_id, contract.TaskSettled), facts.polls(task.task_id)
    assert (shown["status"], shown["attempts"]) == (end.status, len(polled))
    expected: tuple[str, int | None] = ("not_needed", None)
    for last_word in facts.of(task.task_id, contract.SettlementConcluded):
        expected = last_word.confirmation, last_word.attempts
    settlement = shown["settlement"]
    assert (settlement["confirmation"], settlement["confirmation_attempts"]) == expected


def assert_polls_shown(client: httpx.Client, load: TaskLoad, facts: TaskFacts) -> None:
    """A request that was repeated made no second task, and every poll is one row."""
    assert sorted(facts.tasks_of(OWNER)) == sorted(task.task_id for task in load.registered)
    assert client.get("/v1/tasks", params={"owner": OWNER, "limit": 1}).json()["total"] == len(load.registered)
    for task in load.registered:
        found = client.get(f"/v1/tasks/{task.task_id}/polls", params={"sort": "poll"}).json()["items"]
        decided = [(one.poll, one.verdict) for one in facts.polls(task.task_id)]
        assert [(one["poll"], one["verdict"]) for one in found] == decided


async def test_T3_any_role_killed_while_tasks_are_polled_settles_every_token_once(
    installation: Installation, client: httpx.Client, aws_port: int, long: bool
) -> None:
    aws, jobs, killed = Aws(), Jobs(), Counter[str]()
    began = time.monotonic()
    async with Sink(aws, port=aws_port), Sink(jobs) as outside:
        async with TaskLoad(
            installation.url, {"x-api-key": client.headers["x-api-key"]}, outside.url(path="/killed")
        ) as load:
            for round_, name in enumerate(victims(20 if long else 3)):
                fresh = load.begin(f"killed-{round_}", 20 if long else 10)
                # in the middle of it: some are settled, some are polled, some not even registered
                await until(lambda fresh=fresh: any(aws.taken[token] for token in fresh))  # type: ignore[misc]
                assert not all(aws.taken[token] for token in fresh)
                await asyncio.to_thread(kill, installation, name)
                killed[name] += 1
                print(f"{time.monotonic() - began:.1f} s: killed {name}; {aws.taken.total()} taken by AWS")
        await asyncio.to_thread(eventually, installation.ready, 60)
        shown = await asyncio.to_thread(shown_settled, client, load)
        facts = await facts_of(installation)
        await asyncio.to_thread(assert_polls_shown, client, load, facts)
    for task in load.registered:
        assert_exact(task, shown[task.task_id], facts)
    assert aws.taken == Counter(task.token for task in load.registered if task.token), "every token was settled once"
    report(load, facts, aws, killed, time.monotonic() - began)


def report(load: TaskLoad, facts: TaskFacts, aws: Aws, killed: Counter[str], seconds: float) -> None:
    said = (facts.of(task.task_id, contract.SettlementConcluded) for task in load.registered)
    confirmations = Counter(one.confirmation for of_task in said for one in of_task)
    print(
        f"killed {dict(killed)}; tokens {len(load.registered)}, of AWS {aws.taken.total()}; tries {aws.tried.total()}; "
        f"heartbeats AWS heard {aws.alive.total()}; confirmations {dict(confirmations)}; "
        f"requests {dict(load.patient.statuses)}, unanswered {load.patient.lost}; {seconds:.1f} s"
    )
