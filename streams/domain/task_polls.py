"""Polls of a task as they come due, and what their answers mean for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.events import tasks as contract
from tocsin.events.commands import Answer, Fact
from tocsin.events.deliveries import PollAnswer, Request
from tocsin.events.tasks import RESULT_TOO_LARGE, Poll
from tocsin.events.vocabulary import PollVerdict
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.task_policy import TasksPolicy
from tocsin.streams.domain.task_settling import Settlement, failure, settle
from tocsin.streams.domain.task_state import Task
from tocsin.streams.domain.task_telling import LAMBDA_ENDPOINT, Telling


def start(telling: Telling, poll: Poll, rule: str, *, actor: str = "", answers: tuple[Answer, ...] = ()) -> None:
    task, received = telling.task, telling.received
    number = task.attempts + 1
    request = Request(
        url=poll.url or f"{LAMBDA_ENDPOINT}:{poll.lambda_function}",
        headers=poll.headers,
        payload=poll.payload,
        kind="lambda" if poll.lambda_function else "http",
        method=poll.method,
        lambda_function=poll.lambda_function,
        reading=poll.reading,
    )
    telling.about(
        contract.PollStarted,
        rule,
        status="POLLING",
        next_poll=None,
        poll=number,
        call=telling.http_call("poll", f"poll-{number}", request, received.now, 1),
        actor=actor,
        answers=answers,
        values={"attempts": task.attempts, "max_attempts": poll.max_attempts},
    )


def finished(state: Task | None, received: Received, policy: TasksPolicy) -> Sequence[Fact]:
    event: contract.PollFinished = received.event
    telling = Telling(state, received, policy)
    if state is None or state.polling != event.run_id:
        rule = "unknown_task" if state is None else "another_poll" if state.waiting else "settled_already"
        telling.plain(contract.WordIgnored, rule, task_id=event.task_id, run_id=event.run_id)
    else:
        _ended(telling, event)
    return telling.facts


def lost(telling: Telling) -> None:
    """The poll under way is counted as one without an answer; if it ends after all, nobody waits for it."""
    task = telling.task
    event = contract.PollFinished(
        task_id=telling.received.entity,
        run_id=task.polling,
        result="failed",
        finished_at=telling.received.at,
        error="lost",
        detail="its end was never told",
    )
    _ended(telling, event)


def _ended(telling: Telling, event: contract.PollFinished) -> None:
    task = telling.task
    poll = task.spec.poll
    assert poll is not None  # noqa: S101 - one is under way
    answer = event.answer if event.result == "succeeded" else None
    verdict: PollVerdict = answer.state if answer else "error"
    attempts = task.attempts + 1
    ends = verdict in ("completed", "failed", "oversize") or attempts >= poll.max_attempts
    _tell(telling, poll, event, verdict, goes_on=not ends)
    if ends:
        what, rule = _settlement(task, verdict, answer, event)
        settle(telling, what, rule, values={"attempts": attempts, "max_attempts": poll.max_attempts})


def _tell(telling: Telling, poll: Poll, event: contract.PollFinished, verdict: PollVerdict, *, goes_on: bool) -> None:
    task, now = telling.task, telling.received.now
    number, answer = task.attempts + 1, event.answer
    alive = verdict == "running" and task.spec.heartbeat_ms > 0
    later = task.interval_ms(poll, number)
    telling.about(
        contract.TaskPolled,
        _RULES[verdict],
        poll=number,
        run_id=event.run_id,
        verdict=verdict,
        finished_at=event.finished_at,
        external_status=answer.external_status if answer else "",
        http_status=event.status,
        error=event.error,
        detail=event.detail or (answer.detail if answer else ""),
        heartbeat_due=now + task.spec.heartbeat_ms if alive else task.heartbeat_due,
        next_poll=now + later if goes_on else None,
        call=telling.heartbeat() if alive and goes_on else None,
        values={"interval_ms": later} if goes_on else {},
    )


_RULES: Final[dict[PollVerdict, str]] = {
    "completed": "says_completed",
    "failed": "says_failed",
    "running": "still_running",
    "unreadable": "answer_unreadable",
    "oversize": "result_too_large",
    "error": "no_answer",
}


def _settlement(
    task: Task, verdict: PollVerdict, answer: PollAnswer | None, event: contract.PollFinished
) -> tuple[Settlement, str]:
    if verdict == "completed" and answer is not None:
        return Settlement("COMPLETED", "success", result=answer.result, result_digest=answer.result_digest), "polled"
    if verdict == "failed" and answer is not None:
        return failure("FAILED", answer.detail or f"the job is {answer.external_status}"), "polled"
    if verdict == "oversize" and answer is not None:
        return failure("FAILED", answer.detail, error=RESULT_TOO_LARGE), "result_too_large"
    return failure("MAX_ATTEMPTS", _exhausted(task, event)), "attempts_exhausted"


def _exhausted(task: Task, event: contract.PollFinished) -> str:
    """In words, with what the last answer said."""
    said = ""
    if event.answer is not None and event.answer.external_status:
        said = f"; the job is {event.answer.external_status}"
    elif event.error or event.status:
        said = f"; the last answer: {event.status or event.error}"
    return f"the job had not ended after {task.attempts + 1} polls{said}"
