"""What AWS says to a settlement or a heartbeat, and what that means for the task.

A settlement that was decided stays decided: AWS can only confirm it, or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.events import tasks as contract
from tocsin.events.commands import Fact
from tocsin.events.identity import failure_entity
from tocsin.events.vocabulary import Confirmation
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.task_policy import TasksPolicy
from tocsin.streams.domain.task_settling import failure, settle
from tocsin.streams.domain.task_state import Task
from tocsin.streams.domain.task_telling import Telling

CLOSED_CODES: Final = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
"""The task is over for AWS, or never was; nothing that is repeated changes that."""
TICKETED: Final[frozenset[Confirmation]] = frozenset({"rejected_by_aws", "undelivered"})


def concluded(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    event: contract.SettlementFinished = received.event
    telling = Telling(state, received, policy)
    if state is None or state.settled is None or state.settled.run_id != event.run_id:
        rule = "unknown_task" if state is None else "nobody_waits"
        telling.plain(contract.WordIgnored, rule, task_id=event.task_id, run_id=event.run_id)
        return telling.facts
    confirmation, rule = confirmation_of(event)
    workflow, identifier = failure_names(received.entity, state.spec.external_job_id)
    workspace = received.envelope.workspace
    telling.about(
        contract.SettlementConcluded,
        rule,
        confirmation=confirmation,
        attempts=event.attempts,
        finished_at=event.finished_at,
        error=event.error,
        detail=event.detail,
        code=event.code,
        external_job_id=state.spec.external_job_id,
        ticket_entity=failure_entity(workspace, workflow, identifier) if confirmation in TICKETED else "",
    )
    return telling.facts


def confirmation_of(event: contract.SettlementFinished) -> tuple[Confirmation, str]:
    """With the rule that says so."""
    if event.result == "succeeded":
        return "confirmed", "taken_by_aws"
    if event.uncertain:
        return "unconfirmed", "a_try_may_have_arrived"
    if event.error == "aws_refused":
        return "rejected_by_aws", "refused_by_aws"
    return "undelivered", "given_up"


def forwarded(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    """What AWS said to a heartbeat. That the task is over: then nobody waits for it any more."""
    event: contract.HeartbeatForwarded = received.event
    telling = Telling(state, received, policy)
    if state is None or not state.waiting:
        rule = "unknown_task" if state is None else "nobody_waits"
        telling.plain(contract.WordIgnored, rule, task_id=event.task_id, run_id=event.run_id)
        return telling.facts
    if event.code not in CLOSED_CODES:
        rule = "taken_by_aws" if event.result == "succeeded" else "not_taken"
        telling.about(contract.HeartbeatTold, rule, run_id=event.run_id, result=event.result, code=event.code)
        return telling.facts
    cause = f"AWS has closed the task: {event.code}: {event.detail}"
    settle(telling, failure("TIMEOUT", cause), "closed_elsewhere", closed=True, values={"code": event.code})
    return telling.facts


def failure_names(task_id: str, external_job_id: str) -> tuple[str, str]:
    """Workflow and identifier of the ticket that a refused settlement opens."""
    return f"task:{external_job_id or task_id}", f"task:{task_id}"
