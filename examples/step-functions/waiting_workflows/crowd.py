"""Many workflows that wait at once, and how fast each goes on when its job is seen to have ended."""

from __future__ import annotations

import functools
import json
import time
import uuid
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from waiting_workflows.stacks import Stack
from waiting_workflows.trial import entered, history
from waiting_workflows.view import rows

_AT_A_TIME: Final = 4
"""MiniStack gives each concurrent invocation a process of its own, which costs half a second of a core."""
_WITHIN: Final = 120.0
_POLLING: Final = {"interval_ms": 1_000, "max_attempts": 1_000, "timeout_ms": 600_000}


class Crowd(NamedTuple):
    """``resumed_ms``: from the end observed by the poller to the next state, sorted."""

    waited_at_once: int
    polls: int
    resumed_ms: list[int]

    @property
    def p99(self) -> int:
        return self.resumed_ms[max(0, -(-len(self.resumed_ms) * 99 // 100) - 1)]


def run(stack: Stack, count: int, polls: int, say: Callable[[str], None]) -> Crowd:
    """Raises TimeoutError when they do not all begin to wait, or go on; RuntimeError when one does not succeed."""
    states = stack.client("stepfunctions")
    executions = _waiting(stack, count, polls, say)
    waiting = sum(states.describe_execution(executionArn=one)["status"] == "RUNNING" for one in executions)
    _poll_all(stack, set(executions), say)
    by_execution = {str(row["execution"]): row for row in rows(stack)}
    found = [_resumed_after(states, one, by_execution[one]) for one in executions]
    polled = sum(int(by_execution[one]["attempts"]) for one in executions)
    return Crowd(waiting, polled, sorted(found))


def _waiting(stack: Stack, count: int, polls: int, say: Callable[[str], None]) -> list[str]:
    """Executions whose jobs run; a few are started at a time."""
    found: list[str] = []
    while len(found) < count:
        found += [_start(stack, polls) for _ in range(min(_AT_A_TIME, count - len(found)))]
        _until(functools.partial(_have_jobs, stack, frozenset(found)), "jobs started")
        say(f"{len(found)} of {count} workflows wait")
    return found


def _start(stack: Stack, polls: int) -> str:
    started = stack.client("stepfunctions").start_execution(
        stateMachineArn=stack.machine_arn("poc-wait-for-job"),
        name=f"crowd-{uuid.uuid4().hex[:12]}",
        input=json.dumps({"job": {"name": "crowd", "complete_after_polls": polls}, "polling": _POLLING}),
    )
    return str(started["executionArn"])


def _have_jobs(stack: Stack, executions: frozenset[str]) -> bool:
    return executions <= {row["execution"] for row in rows(stack) if row.get("job_id")}


def _poll_all(stack: Stack, executions: set[str], say: Callable[[str], None]) -> None:
    def settled() -> bool:
        say(f"poc-poller: {json.dumps(stack.invoke('poc-poller', {'now': True}))}")
        return not any(row.get("waiting") for row in rows(stack) if row["execution"] in executions)

    _until(settled, "settled")


def _resumed_after(states: Any, execution: str, row: dict[str, Any]) -> int:
    event = entered(list(history(states, execution)), "UseResult")
    if event is None or row["status"] != "COMPLETED":
        raise RuntimeError(f"{execution} did not succeed: {row['status']}")
    return round(float(event["timestamp"].timestamp()) * 1_000) - int(row["observed_at"])


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _WITHIN
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all {what} within {_WITHIN:.0f} s")
        time.sleep(0.05)
