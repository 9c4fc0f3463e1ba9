"""Tells the facts of one event about a task in order, each on top of the state the one before left."""

from __future__ import annotations

from typing import Any, Final, Literal

from tocsin.events.commands import CommandRefused, CommandUnchanged, Fact, RefusalReason
from tocsin.events.deliveries import AwsTask, Request
from tocsin.events.identity import delivery_id
from tocsin.events.tasks import Call, TaskFact
from tocsin.events.times import rfc3339
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.job_telling import endpoint_of
from tocsin.streams.domain.task_policy import TasksPolicy
from tocsin.streams.domain.task_state import Task, evolve

STATES_ENDPOINT: Final = "aws:states"
"""Where calls of AWS Step Functions go: one endpoint of a workspace, whatever its address."""
LAMBDA_ENDPOINT: Final = "aws:lambda"


class Telling:
    """``facts``: what was decided so far; ``state``: after them."""

    def __init__(self, state: Task | None, received: Received, policy: TasksPolicy) -> None:
        self.state, self.received, self.policy = state, received, policy
        self.facts: list[Fact] = []

    @property
    def task(self) -> Task:
        """Only where there is one."""
        assert self.state is not None  # noqa: S101 - callers have looked
        return self.state

    def about(self, fact: type[TaskFact], rule: str, /, **fields: Any) -> None:
        """A fact about the task, with its columns after it unless they are among the fields. ``values`` are what the
        rule compared; times are Unix ms or None."""
        received, task, values = self.received, self.state, fields.pop("values", {})
        at = received.now if task is None else max(received.now, task.updated_at + 1)
        common: dict[str, Any] = {}
        if task is not None:
            common = {"status": task.status, "deadline": task.deadline}
            common |= {"heartbeat_due": task.heartbeat_due, "next_poll": task.next_poll}
        given = common | fields
        for name in ("deadline", "heartbeat_due", "next_poll"):
            given[name] = "" if given.get(name) is None else rfc3339(given[name])
        cause = received.cause(rule, **values)
        self.say(fact(entity=received.entity, at=rfc3339(at), cause=cause, task_id=received.entity, **given))

    def plain(self, fact: type[Fact], rule: str, /, **fields: Any) -> None:
        """A fact that changes no task."""
        received, values = self.received, fields.pop("values", {})
        self.say(fact(entity=received.entity, at=received.at, cause=received.cause(rule, **values), **fields))

    def say(self, fact: Fact) -> None:
        self.state = evolve(self.state, fact)
        self.facts.append(fact)

    # --- calls ---

    def aws_call(self, purpose: Literal["settlement", "heartbeat"], name: str, request: Request, tries: int) -> Call:
        return self._call(purpose, name, STATES_ENDPOINT, request, self.received.now, tries)

    def heartbeat(self) -> Call | None:
        """What AWS is told about a sign of life; None when it does not ask for any, or is being told of one."""
        spec, sent = self.task.spec, self.task.heartbeat_sent
        # while AWS cannot be reached they do not pile up; one whose end was lost holds nothing back for long
        under_way = sent is not None and self.received.now - sent < spec.heartbeat_ms
        if spec.issued or not spec.heartbeat_ms or under_way:
            return None
        told = AwsTask(action="heartbeat", token=spec.token)
        request = Request(url=STATES_ENDPOINT, kind="aws_task", aws_task=told)
        return self.aws_call("heartbeat", f"heartbeat-{self.received.offset}", request, 1)

    def http_call(self, purpose: Literal["poll", "notice"], name: str, request: Request, at: int, tries: int) -> Call:
        endpoint = LAMBDA_ENDPOINT if request.kind == "lambda" else endpoint_of(request.url)
        return self._call(purpose, name, endpoint, request, at, tries)

    def _call(self, purpose: Any, name: str, endpoint: str, request: Request, at: int, tries: int) -> Call:
        run_id = f"{self.received.entity}.{name}"
        where = delivery_id(self.received.envelope.workspace, endpoint, run_id)
        return Call(
            purpose=purpose,
            delivery_id=where,
            run_id=run_id,
            not_before=rfc3339(at),
            request=request,
            max_attempts=tries,
        )

    # --- answers ---

    def refused(self, command: str, reason: RefusalReason, detail: str, **more: Any) -> list[Fact]:
        fields = {"answers": self.received.answers(), "subject_id": self.received.entity} | more
        self.plain(CommandRefused, reason, command=command, reason=reason, detail=detail, **fields)
        return self.facts

    def unchanged(self, command: str, rule: str) -> list[Fact]:
        answers = self.received.answers()
        self.plain(CommandUnchanged, rule, command=command, subject_id=self.received.entity, answers=answers)
        return self.facts
