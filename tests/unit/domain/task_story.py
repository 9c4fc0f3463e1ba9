"""A task in memory: decided as the runtime does it, with the calls it asked for, and a clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from tocsin.events import tasks as contract
from tocsin.events.commands import Fact, TimerDue
from tocsin.events.deliveries import CancelDelivery, DeliveryRequested, PollAnswer
from tocsin.events.envelope import Envelope
from tocsin.events.times import rfc3339
from tocsin.streams.domain.decision import Effect, Received
from tocsin.streams.domain.task_policy import TasksPolicy
from tocsin.streams.domain.task_state import Task
from tocsin.streams.domain.tasks import TASKS

START = 1_772_445_600_000  # 2026-03-02 10:00:00 UTC
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
TASK = "k_0f343b0931126a20f133d67c2b018a3b"
WORKSPACE = "default"
TOKEN = "sealed:v1:token"
RESULT = msgspec.Raw(b'{"rows":3}')


def poll(**changes: Any) -> contract.Poll:
    values: dict[str, Any] = {"url": "https://jobs.example/7", "interval_ms": 30 * SECOND, "max_attempts": 5}
    return contract.Poll(**(values | changes))


def spec(**changes: Any) -> contract.TaskSpec:
    """An AWS token, polled twice a minute for an hour, unless said otherwise."""
    values: dict[str, Any] = {"token": TOKEN, "external_job_id": "job-7", "poll": poll(), "timeout_ms": HOUR}
    return contract.TaskSpec(**(values | changes))


def register(**changes: Any) -> contract.TaskRegisterRequested:
    return contract.TaskRegisterRequested(task_id=TASK, spec=spec(**changes), actor="workflow")


def settle(outcome: Any = "success", **more: Any) -> contract.SettleRequested:
    values = {"result": RESULT} if outcome == "success" else {"error": "Broken", "cause": "disk full"}
    return contract.SettleRequested(task_id=TASK, outcome=outcome, **({"actor": "ana"} | values | more))


def answer(state: Any, **more: Any) -> PollAnswer:
    if state == "completed":
        more = {"result": RESULT} | more
    return PollAnswer(state=state, **({"external_status": str(state).upper()} | more))


class Story:
    """``calls``: what the deliveries domain was asked and nobody ended, by run id. ``cancelled``: run ids."""

    def __init__(self, policy: TasksPolicy | None = None) -> None:
        self.policy = policy or TasksPolicy()
        self.state: Task | None = None
        self.facts: list[Fact] = []
        self.effects: list[Effect] = []
        self.calls: dict[str, DeliveryRequested] = {}
        self.cancelled: list[str] = []
        self.now, self.offset = START, 0

    @property
    def task(self) -> Task:
        assert self.state is not None
        return self.state

    def when(self, event: Any, *, after: int = 0, duplicate: bool = False, digest: str = "d1") -> list[Fact]:
        """The facts of one more event, ``after`` ms later."""
        self.now += after
        envelope = Envelope(
            f"e{self.offset}", type(event).__name__, "/test", "", WORKSPACE, outcome="wait", request_digest=digest
        )
        received = Received(event, envelope, TASK, 0, self.offset, self.now, duplicate)
        self.offset += 1
        new: list[Fact] = []
        if self.state is not None:
            new += self._evolved(TASKS.advance(self.state, received, self.policy))
        new += self._evolved(TASKS.decide(self.state, received, self.policy))
        self.facts += new
        for fact in new:
            self._follow(TASKS.effects(fact))
        return new

    def given(self, *events: Any) -> Story:
        for event in events:
            self.when(event)
        return self

    def wake(self, *, after: int = 0) -> list[Fact]:
        return self.when(TimerDue(entity=TASK, due_at=self.now + after), after=after)

    def due_in(self) -> int | None:
        due = None if self.state is None else TASKS.next_due(self.state, self.policy)
        return None if due is None else due - self.now

    def polled(self, state: Any = "running", *, after: int = 100, error: str = "", **more: Any) -> list[Fact]:
        """The end of the poll under way."""
        return self.when(self.poll_ended(state, error=error, **more), after=after)

    def poll_ended(self, state: Any = "running", *, run_id: str = "", error: str = "", **more: Any) -> Any:
        failed = bool(error)
        return contract.PollFinished(
            task_id=TASK,
            run_id=run_id or self.task.polling,
            result="failed" if failed else "succeeded",
            finished_at=rfc3339(self.now),
            status=None if failed else 200,
            error=error,
            answer=None if failed else answer(state, **more),
        )

    def aws_says(self, result: Any = "succeeded", **more: Any) -> list[Fact]:
        """The last word on the settlement."""
        event = contract.SettlementFinished(
            task_id=TASK,
            run_id=f"{TASK}.settlement",
            result=result,
            attempts=1,
            finished_at=rfc3339(self.now),
            **more,
        )
        return self.when(event)

    def asked(self, purpose: str) -> list[DeliveryRequested]:
        return [call for call in self.calls.values() if call.origin.purpose == purpose]

    def settlements(self) -> list[contract.TaskSettled]:
        return [fact for fact in self.facts if isinstance(fact, contract.TaskSettled)]

    def _evolved(self, facts: Iterable[Fact]) -> list[Fact]:
        decided = list(facts)
        for fact in decided:
            self.state = TASKS.evolve(self.state, fact)
        return decided

    def _follow(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self.effects.append(effect)
            if isinstance(effect.event, DeliveryRequested):
                assert effect.event.origin.run_id not in self.calls, "asked for twice"
                self.calls[effect.event.origin.run_id] = effect.event
            elif isinstance(effect.event, CancelDelivery):
                self.cancelled.append(effect.event.origin.run_id)


def said(facts: Iterable[Fact]) -> list[tuple[str, str]]:
    return [(type(fact).__name__, fact.cause.rule) for fact in facts]
