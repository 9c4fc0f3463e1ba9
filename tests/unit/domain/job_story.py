"""A workspace's jobs in memory: each entity decided as the runtime does, effects between them delivered, a clock."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from tocsin.events import jobs as contract
from tocsin.events.commands import Fact, TimerDue
from tocsin.events.deliveries import CancelDelivery, DeliveryRequested
from tocsin.events.envelope import Envelope
from tocsin.events.identity import quota_entity
from tocsin.events.times import rfc3339
from tocsin.streams.domain.decision import Effect, Received
from tocsin.streams.domain.job_policy import JobsPolicy
from tocsin.streams.domain.job_state import Job, JobsState
from tocsin.streams.domain.jobs import JOBS

# 2026-03-02, a Monday, 10:00:00 UTC
START = 1_772_445_600_000
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
WORKSPACE = "default"
QUOTA = quota_entity(WORKSPACE)
FIRST = f"{QUOTA}-1"


def spec(**changes: Any) -> contract.JobSpec:
    values: dict[str, Any] = {"name": "nightly", "callback_url": "https://hooks.example/x", "cron": "* * * * *"}
    if "run_at" in changes:
        values["cron"] = ""
    return contract.JobSpec(**(values | changes))


class World:
    """``deliveries``: requests that were asked of the deliveries domain and have no end yet, by run id."""

    def __init__(self, policy: JobsPolicy | None = None) -> None:
        self.policy = policy or JobsPolicy()
        self.states: dict[str, JobsState] = {}
        self.facts: list[Fact] = []
        self.effects: list[Effect] = []
        self.deliveries: dict[str, DeliveryRequested] = {}
        self.now, self.offset = START, 0
        self._events: deque[tuple[str, Any, int]] = deque()

    # --- what happens ---

    def ask(self, event: Any, *, after: int = 0, duplicate: bool = False) -> list[Fact]:
        """The facts of one request, and of everything that follows from it."""
        self.now += after
        entity = QUOTA if isinstance(event, contract.JobCreateRequested) else event.job_id
        return self._settle(entity, event, duplicate)

    def create(self, **changes: Any) -> list[Fact]:
        return self.ask(contract.JobCreateRequested(spec=spec(**changes), actor="ana"))

    def wake(self, *, after: int = 0) -> list[Fact]:
        """Lets the timers fire that are due then, as after a time in which nobody decided anything."""
        self.now += after
        return self._due()

    def live(self, milliseconds: int, step: int = 100) -> list[Fact]:
        """Lets time pass with timers fired as they come due."""
        facts: list[Fact] = []
        for _ in range(milliseconds // step):
            self.now += step
            facts += self._due()
        return facts

    def end(self, run_id: str, result: str = "succeeded", **more: Any) -> list[Fact]:
        """The deliveries domain tells the end of a run."""
        requested = self.deliveries.pop(run_id)
        job_id = requested.origin.entity
        if result == "cancelled":
            return self._settle(job_id, contract.DeliveryCancelled(job_id=job_id, run_id=run_id), False)
        values: dict[str, Any] = {"attempts": 1, "finished_at": rfc3339(self.now)} | more
        return self._settle(job_id, contract.RunEnded(job_id=job_id, run_id=run_id, result=result, **values), False)  # type: ignore[arg-type]

    def end_all(self, result: str = "succeeded") -> None:
        for run_id in list(self.deliveries):
            self.end(run_id, result)

    def _due(self) -> list[Fact]:
        facts: list[Fact] = []
        for entity, state in list(self.states.items()):
            due = JOBS.next_due(state, self.policy)
            if due is not None and due <= self.now:
                facts += self._settle(entity, TimerDue(entity=entity, due_at=due), False)
        return facts

    def _settle(self, entity: str, event: Any, duplicate: bool) -> list[Fact]:
        self._events.append((entity, event, 0))
        facts: list[Fact] = []
        while self._events:
            entity, event, depth = self._events.popleft()
            facts += self._decide(entity, event, depth, duplicate and depth == 0)
        self.facts += facts
        return facts

    def _decide(self, entity: str, event: Any, depth: int, duplicate: bool) -> list[Fact]:
        self.offset += 1
        kind = f"tocsin.jobs.{type(event).__name__}.v1"
        outcome = "wait" if depth == 0 else ""
        envelope = Envelope(f"e{self.offset}", kind, "/test", "", WORKSPACE, depth=depth, outcome=outcome)
        received = Received(event, envelope, entity, 0, self.offset, self.now, duplicate)
        state = self.states.get(entity)
        facts = list(JOBS.advance(state, received, self.policy)) if state else []
        for fact in facts:
            state = JOBS.evolve(state, fact)
        new = list(JOBS.decide(state, received, self.policy))
        for fact in new:
            state = JOBS.evolve(state, fact)
        if state is not None:
            self.states[entity] = msgspec.json.decode(msgspec.json.encode(state), type=JobsState)
        for fact in (*facts, *new):
            for effect in JOBS.effects(fact):
                self._take(effect, depth)
        return facts + new

    def _take(self, effect: Effect, depth: int) -> None:
        self.effects.append(effect)
        event = effect.event
        if effect.domain == "jobs":
            self._events.append((effect.entity, event, depth + 1))
        elif isinstance(event, DeliveryRequested):
            assert event.origin.run_id not in self.deliveries
            self.deliveries[event.origin.run_id] = event
        elif isinstance(event, CancelDelivery):
            self.deliveries.pop(event.origin.run_id, None)
            cancelled = contract.DeliveryCancelled(job_id=event.origin.entity, run_id=event.origin.run_id)
            self._events.append((event.origin.entity, cancelled, depth + 1))

    # --- what there is then ---

    def job(self, job_id: str = FIRST) -> Job:
        found = self.states[job_id].job
        assert found is not None
        return found

    def fired(self, job_id: str = FIRST) -> list[tuple[str, str]]:
        """(slot, verdict) of every slot that became a run, and of every one that did not, in order."""
        found: list[tuple[str, str]] = []
        for fact in self.facts:
            if isinstance(fact, contract.SlotFired) and fact.job_id == job_id:
                found.append((fact.slot[11:19], fact.verdict))
            elif isinstance(fact, contract.SlotsPassed) and fact.job_id == job_id:
                found += [(rfc3339(slot)[11:19], fact.verdict) for slot in fact.slots]
        return found

    def answers(self) -> list[tuple[str, str]]:
        """(event id, name of the fact) of every answer."""
        return [(answer.event_id, type(fact).__name__) for fact in self.facts for answer in fact.answers]


def names(facts: list[Fact]) -> list[str]:
    return [type(fact).__name__ for fact in facts]
