"""Tasks: tokens a workflow waits for. Each is polled, pushed or settled by hand, and settled exactly once.

The status is decided here first; telling AWS or a webhook is a delivery, and what comes of it changes no outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from tocsin.events import tasks as contract
from tocsin.events.commands import Fact
from tocsin.streams.domain import task_commands, task_confirming, task_polls
from tocsin.streams.domain.decision import Domain, Received
from tocsin.streams.domain.task_effects import effects
from tocsin.streams.domain.task_policy import TasksPolicy, policy_of
from tocsin.streams.domain.task_settling import failure, settle
from tocsin.streams.domain.task_state import Task, evolve
from tocsin.streams.domain.task_telling import Telling

__all__ = ["TASKS", "advance", "decide", "effects", "evolve", "next_due"]


def decide(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    """Raises ValueError for an event under the key of another task."""
    decision = _DECISIONS.get(type(received.event))
    if decision is None:
        return ()
    if received.event.task_id != received.entity:
        raise ValueError(f"an event about {received.event.task_id} under the key of {received.entity}")
    return decision(state, received, policy)


_DECISIONS: Final[dict[type, Callable[[Task | None, Received, TasksPolicy], Sequence[Fact]]]] = {
    contract.TaskRegisterRequested: task_commands.register,
    contract.SettleRequested: task_commands.requested,
    contract.HeartbeatReceived: task_commands.heartbeat,
    contract.CancelRequested: task_commands.cancel,
    contract.PollNowRequested: task_commands.poll_now,
    contract.DeadlineExtensionRequested: task_commands.extend,
    contract.PollFinished: task_polls.finished,
    contract.SettlementFinished: task_confirming.concluded,
    contract.HeartbeatForwarded: task_confirming.forwarded,
}

# --- time -----------------------------------------------------------------------------------------------------------


def next_due(state: Task, policy: TasksPolicy) -> int | None:
    """When something of the task is to be decided, Unix ms."""
    if state.settled is not None:
        # as long as AWS is being told, its answer is waited for
        return None if state.settled.confirmation == "pending" else state.settled.at + policy.kept_ms
    lost = state.polling_since + policy.poll_lost_ms if state.polling else None
    clocks = (state.deadline, state.heartbeat_due, state.next_poll, lost)
    return min((due for due in clocks if due is not None), default=None)


def advance(state: Task, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    """A clock that ran out ends the task, also when a poll is due as well: what it found would come too late."""
    telling, now = Telling(state, received, policy), received.now
    due = next_due(state, policy)
    if due is None or due > now:
        return ()
    if state.settled is not None:
        telling.about(contract.TaskForgotten, "kept_long_enough")
    elif state.deadline is not None and state.deadline <= now:
        settle(telling, failure("TIMEOUT", "the job had not ended at the deadline"), "deadline_passed")
    elif state.heartbeat_due is not None and state.heartbeat_due <= now:
        seconds = state.spec.heartbeat_ms / 1000
        settle(telling, failure("TIMEOUT", f"there was no sign of life for {seconds:g} s"), "heartbeat_missed")
    elif state.polling:
        task_polls.lost(telling)
    elif state.spec.poll is not None:
        task_polls.start(telling, state.spec.poll, "interval_over")
    return telling.facts


# --- no folding -----------------------------------------------------------------------------------------------------


def fold_key(fact: Fact) -> Hashable | None:
    return None


def fold(run: Sequence[Any]) -> Fact:
    raise NotImplementedError("no facts of tasks are folded")


TASKS: Final[Domain[Task, TasksPolicy]] = Domain(
    name=contract.DOMAIN,
    events=contract.EVENTS,
    facts=contract.FACTS,
    state_type=Task,
    policy=policy_of,
    decide=decide,
    advance=advance,
    evolve=evolve,
    next_due=next_due,
    fold_key=fold_key,
    fold=fold,
    effects=effects,
)
