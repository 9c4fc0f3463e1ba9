"""Where the emulators answer otherwise than AWS, measured: one workflow a question, on both.

What AWS does is from its API reference (SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat) and the Amazon States
Language specification.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from waiting_workflows.stacks import Stack
from waiting_workflows.trial import entered, history

TABLE: Final = "probe"
_ENDS_WITHIN: Final = 20.0


@dataclass(frozen=True)
class Question:
    asked: str
    aws: str
    ask: Callable[[Probe], str]
    timeout_seconds: int = 30
    heartbeat_seconds: int | None = None


class Probe:
    """A workflow that waits, and its token."""

    def __init__(self, stack: Stack, question: Question) -> None:
        self.stack = stack
        self.states = stack.client("stepfunctions")
        name = f"probe-{uuid.uuid4().hex[:12]}"
        arn = self.states.create_state_machine(
            name=name,
            definition=json.dumps(_definition(name, question)),
            roleArn="arn:aws:iam::000000000000:role/probe",
        )["stateMachineArn"]
        self.execution = self.states.start_execution(stateMachineArn=arn, name=name, input="{}")["executionArn"]
        self.token = self._token(name)
        self.began = time.monotonic()

    def _token(self, name: str) -> str:
        database = self.stack.other_client("dynamodb", self.stack.states)
        while not (item := database.get_item(TableName=TABLE, Key={"id": {"S": name}}).get("Item")):
            time.sleep(0.02)
        return str(item["token"]["S"])

    def success(self, output: str = '{"a": 1}') -> str:
        return _code(lambda: self.states.send_task_success(taskToken=self.token, output=output))

    def failure(self) -> str:
        return _code(lambda: self.states.send_task_failure(taskToken=self.token, error="Broken", cause="disk full"))

    def heartbeat(self) -> str:
        return _code(lambda: self.states.send_task_heartbeat(taskToken=self.token))

    def running(self) -> bool:
        return bool(self.states.describe_execution(executionArn=self.execution)["status"] == "RUNNING")

    def ended(self, meanwhile: Callable[[], object] = lambda: None) -> float:
        """Seconds from having the token to the end."""
        while self.running():
            if time.monotonic() - self.began > _ENDS_WITHIN:
                raise TimeoutError(f"still running after {_ENDS_WITHIN:.0f} s")
            meanwhile()
            time.sleep(0.1)
        return time.monotonic() - self.began

    def caught(self) -> dict[str, Any]:
        self.ended()
        event = entered(list(history(self.states, self.execution)), "Caught")
        return dict(json.loads(event["stateEnteredEventDetails"]["input"])) if event else {}


def _twice(probe: Probe) -> str:
    probe.success()
    probe.ended()
    return probe.success()


def _failure_afterwards(probe: Probe) -> str:
    probe.success()
    probe.ended()
    return probe.failure()


def _too_late(probe: Probe) -> str:
    probe.ended()
    return probe.success()


def _made_up(probe: Probe) -> str:
    probe.token = "made up"  # noqa: S105
    return probe.success()


def _no_json(probe: Probe) -> str:
    return probe.success("{not JSON")


def _caught(probe: Probe) -> str:
    probe.failure()
    return ", ".join(f"{name} {value}" for name, value in sorted(probe.caught().items()) if value)


def _seconds(probe: Probe) -> str:
    return f"ends after {probe.ended():.0f} s"


def _heartbeats(probe: Probe) -> str:
    def meanwhile() -> None:
        if time.monotonic() - probe.began < 4:
            probe.heartbeat()

    return "ends in time" if probe.ended(meanwhile) < 3 else "ends when heartbeats end"


QUESTIONS: Final = (
    Question("success sent a second time", "TaskTimedOut", _twice),
    Question("failure sent after a success", "TaskTimedOut", _failure_afterwards),
    Question("success sent after TimeoutSeconds", "TaskTimedOut", _too_late, timeout_seconds=1),
    Question("success for a made-up token", "InvalidToken", _made_up),
    Question("success whose output is no JSON", "InvalidOutput", _no_json),
    Question("what Catch gets of a failure", "Cause disk full, Error Broken", _caught),
    Question("TimeoutSeconds 1, nothing sent", "ends after 1 s", _seconds, timeout_seconds=1),
    Question("HeartbeatSeconds 1, TimeoutSeconds 3", "ends after 1 s", _seconds, 3, 1),
    Question("TimeoutSeconds 2 with heartbeats every 0.1 s", "ends in time", _heartbeats, 2, 1),
)


def measured(stack: Stack) -> dict[str, str]:
    """Question → what this emulator does. Deploys what it needs."""
    with suppress(stack.other_client("dynamodb", stack.states).exceptions.ResourceInUseException):
        stack.other_client("dynamodb", stack.states).create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )
    return {question.asked: question.ask(Probe(stack, question)) for question in QUESTIONS}


def markdown(ministack: Mapping[str, str], moto: Mapping[str, str]) -> str:
    """The table of ``docs/step-functions.md``; what differs from AWS is in bold."""
    lines = ["| question | AWS | MiniStack | moto |", "|---|---|---|---|"]
    for one in QUESTIONS:
        seen = [found if found == one.aws else f"**{found}**" for found in (ministack[one.asked], moto[one.asked])]
        lines.append(f"| {one.asked} | {one.aws} | {seen[0]} | {seen[1]} |")
    return "\n".join(lines) + "\n"


def _code(call: Callable[[], object]) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "taken"


def _definition(name: str, question: Question) -> dict[str, Any]:
    waiting: dict[str, Any] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:dynamodb:putItem.waitForTaskToken",
        "Parameters": {"TableName": TABLE, "Item": {"id": {"S": name}, "token": {"S.$": "$$.Task.Token"}}},
        "TimeoutSeconds": question.timeout_seconds,
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
        "End": True,
    }
    if question.heartbeat_seconds:
        waiting["HeartbeatSeconds"] = question.heartbeat_seconds
    return {"StartAt": "Wait", "States": {"Wait": waiting, "Caught": {"Type": "Succeed"}}}
