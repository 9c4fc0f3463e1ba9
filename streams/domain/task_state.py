"""The state of one task and what each fact makes of it. A settled one keeps what late words about it need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.events import tasks as contract
from tocsin.events.commands import Fact
from tocsin.events.jobs import NO_PAYLOAD
from tocsin.events.tasks import Poll, TaskSpec
from tocsin.events.times import unix_ms
from tocsin.events.vocabulary import WAITING_TASKS, Confirmation, TaskOutcome, TaskStatus

replace = msgspec.structs.replace


class Settled(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``at``: Unix ms. digest: SHA-256 of outcome and contents. run_id: of telling AWS, while that is under way."""

    outcome: TaskOutcome
    digest: str
    at: int
    confirmation: Confirmation
    run_id: str = ""


class Task(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One task; times in Unix ms. attempts: polls that ended. polling: run id of the one that has not, polled_by its
    delivery, polling_since when it was due. digest: of the request that registered it. heartbeat_sent: of one that AWS
    is being told of.
    """

    status: TaskStatus
    version: int
    updated_at: int
    spec: TaskSpec
    digest: str = ""
    deadline: int | None = None
    heartbeat_due: int | None = None
    next_poll: int | None = None
    attempts: int = 0
    polling: str = ""
    polled_by: str = ""
    settled: Settled | None = None
    heartbeat_sent: int | None = None
    polling_since: int = 0

    @property
    def waiting(self) -> bool:
        return self.status in WAITING_TASKS

    def interval_ms(self, poll: Poll, ended: int) -> int:
        """To the next poll when so many have ended. A sign of life always comes within the heartbeat clock."""
        # the exponent is bounded: a large power of a float is an error, and max_interval_ms is reached long before
        wanted = poll.interval_ms * poll.backoff ** min(ended, 64)
        most = min(poll.max_interval_ms, self.spec.heartbeat_ms // 2 or poll.max_interval_ms)
        return round(min(wanted, most))


def evolve(state: Task | None, fact: Fact) -> Task | None:
    """The state after a fact. Facts that change nothing (refusals, policies) leave it as it is.

    Raises ValueError for a fact about a task this state does not know.
    """
    if not isinstance(fact, contract.TaskFact):
        return state
    if isinstance(fact, contract.TaskRegistered):
        return _with_columns(Task(fact.status, 0, 0, fact.spec, fact.digest), fact)
    if isinstance(fact, contract.TaskForgotten):
        return None
    if state is None:
        raise ValueError(f"fact about {fact.task_id}, which this state does not know")
    change = _CHANGES.get(type(fact))
    common = _with_columns(state, fact)
    return change(common, fact) if change else common


def _with_columns(task: Task, fact: contract.TaskFact) -> Task:
    return replace(
        task,
        status=fact.status,
        version=fact.version,
        updated_at=unix_ms(fact.at),
        deadline=_instant(fact.deadline),
        heartbeat_due=_instant(fact.heartbeat_due),
        next_poll=_instant(fact.next_poll),
    )


def _instant(text: str) -> int | None:
    return unix_ms(text) if text else None


def _poll_started(task: Task, fact: contract.PollStarted) -> Task:
    since = unix_ms(fact.call.not_before)
    return replace(task, polling=fact.call.run_id, polled_by=fact.call.delivery_id, polling_since=since)


def _polled(task: Task, fact: contract.TaskPolled) -> Task:
    return _heartbeat_sent(replace(task, attempts=fact.poll, polling="", polled_by=""), fact)


def _heartbeat_sent(task: Task, fact: contract.TaskPolled | contract.HeartbeatAccepted) -> Task:
    return task if fact.call is None else replace(task, heartbeat_sent=task.updated_at)


def _settled(task: Task, fact: contract.TaskSettled) -> Task:
    telling_aws = next((call.run_id for call in fact.calls if call.purpose == "settlement"), "")
    settled = Settled(fact.outcome, fact.digest, unix_ms(fact.at), fact.confirmation, telling_aws)
    left = replace(task.spec, token="", metadata=NO_PAYLOAD, poll=None, on_settled_url="", execution_url="")
    return replace(task, spec=left, settled=settled, polling="", polled_by="", heartbeat_sent=None)


def _concluded(task: Task, fact: contract.SettlementConcluded) -> Task:
    if task.settled is None:
        raise ValueError(f"{fact.task_id} was not settled")
    return replace(task, settled=replace(task.settled, confirmation=fact.confirmation, run_id=""))


_CHANGES: Final[dict[type, Callable[[Task, Any], Task]]] = {
    contract.PollStarted: _poll_started,
    contract.TaskPolled: _polled,
    contract.HeartbeatAccepted: _heartbeat_sent,
    contract.HeartbeatTold: lambda task, _: replace(task, heartbeat_sent=None),
    contract.TaskSettled: _settled,
    contract.SettlementConcluded: _concluded,
}
