"""What people, workers and workflows ask of a task: register, settle, live, cancel, poll now, wait longer."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.events import tasks as contract
from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339, unix_ms
from tocsin.streams.domain import task_polls
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.task_policy import TasksPolicy
from tocsin.streams.domain.task_settling import Settlement, failure, settle
from tocsin.streams.domain.task_state import Task
from tocsin.streams.domain.task_telling import Telling


def register(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    """The same request for the same token once more is the same task: who is not sure asks again."""
    event: contract.TaskRegisterRequested = received.event
    telling = Telling(state, received, policy)
    if received.duplicate:
        return ()
    if state is not None:
        if state.digest == received.envelope.request_digest:
            return telling.unchanged("register_task", "registered_already")
        detail = "the token belongs to a task that was registered with another body"
        return telling.refused("register_task", "registered_otherwise", detail)
    spec, now = event.spec, received.now
    telling.about(
        contract.TaskRegistered,
        "registered" if spec.timeout_ms else "registered_without_deadline",
        status="PENDING",
        deadline=now + spec.timeout_ms if spec.timeout_ms else None,
        heartbeat_due=now + spec.heartbeat_ms if spec.heartbeat_ms else None,
        next_poll=now + spec.poll.interval_ms if spec.poll else None,
        spec=spec,
        actor=event.actor,
        digest=received.envelope.request_digest,
        answers=received.answers(),
    )
    return telling.facts


def requested(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    """A settlement from outside; the first one holds."""
    event: contract.SettleRequested = received.event
    telling = Telling(state, received, policy)
    if received.duplicate:
        return ()
    what = _settlement_of(event)
    if state is not None and state.settled is not None and event.idempotent and state.settled.digest == what.digest:
        return telling.unchanged("settle_task", "same_settlement")
    if _addressed(telling, "settle_task") is not None:
        settle(telling, what, f"by_{event.via}", answers=received.answers())
    return telling.facts


def _settlement_of(event: contract.SettleRequested) -> Settlement:
    if event.outcome == "failure":
        return failure("FAILED", event.cause, error=event.error, actor=event.actor)
    return Settlement("COMPLETED", "success", event.actor, event.result, event.result_digest)


def heartbeat(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    event: contract.HeartbeatReceived = received.event
    telling = Telling(state, received, policy)
    task = _addressed(telling, "heartbeat")
    if task is None:
        return telling.facts
    clock = task.spec.heartbeat_ms
    telling.about(
        contract.HeartbeatAccepted,
        "alive",
        heartbeat_due=received.now + clock if clock else None,
        actor=event.actor,
        call=telling.heartbeat(),
        answers=received.answers(),
    )
    return telling.facts


def cancel(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    event: contract.CancelRequested = received.event
    telling = Telling(state, received, policy)
    if state is not None and state.status == "CANCELLED" and not received.duplicate:
        return telling.unchanged("cancel_task", "cancelled_already")
    if _addressed(telling, "cancel_task") is not None:
        settle(
            telling,
            failure("CANCELLED", event.reason or f"cancelled by {event.actor}", actor=event.actor),
            "cancelled",
            answers=received.answers(),
        )
    return telling.facts


def poll_now(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    event: contract.PollNowRequested = received.event
    telling = Telling(state, received, policy)
    task = _addressed(telling, "poll_task")
    if task is None:
        return telling.facts
    if task.spec.poll is None:
        return telling.refused("poll_task", "nothing_to_poll", "the task names nobody to ask")
    if task.polling:
        return telling.unchanged("poll_task", "poll_under_way")
    task_polls.start(telling, task.spec.poll, "asked_for", actor=event.actor, answers=received.answers())
    return telling.facts


def extend(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    """Raises ValueError for a deadline that is no time."""
    event: contract.DeadlineExtensionRequested = received.event
    telling = Telling(state, received, policy)
    task = _addressed(telling, "extend_task")
    if task is None:
        return telling.facts
    deadline = unix_ms(event.deadline)
    if deadline <= received.now:
        return telling.refused("extend_task", "illegal_move", f"the deadline is to be after {received.at}")
    if task.deadline == deadline:
        return telling.unchanged("extend_task", "same_deadline")
    telling.about(
        contract.DeadlineExtended,
        "extended" if task.deadline is not None else "deadline_given",
        deadline=deadline,
        before="" if task.deadline is None else rfc3339(task.deadline),
        actor=event.actor,
        answers=received.answers(),
    )
    return telling.facts


def _addressed(telling: Telling, command: str) -> Task | None:
    """The waiting task a command names; None after telling why it cannot be had."""
    received, task = telling.received, telling.state
    if received.duplicate:
        return None
    if task is None:
        telling.refused(command, "unknown", f"no task {received.entity}")
        return None
    if not task.waiting:
        telling.refused(command, "settled", f"the task is {task.status}", current_version=task.version)
        return None
    version = getattr(received.event, "if_version", None)
    if version is not None and version != task.version:
        detail = f"the task is at version {task.version}, not {version}"
        telling.refused(command, "version_mismatch", detail, current_version=task.version)
        return None
    return task
