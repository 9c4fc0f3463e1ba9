"""Plays one scenario: starts the workflow, invokes the poller as a schedule would, watches, and judges."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx

from waiting_workflows.scenarios import Scenario
from waiting_workflows.stacks import TOKENS, Stack
from waiting_workflows.view import Look, row_of, task_of

ENDED_WITHIN: Final = 40.0
RESUMED_WITHIN_MS: Final = 1_000
_CLOCK_MS: Final = 3_000  # the longest of the state machines' own timeouts, with what an emulator adds
_PAUSE: Final = 0.05


@dataclass(frozen=True)
class Check:
    """One thing that must be so, and what was seen."""

    name: str
    holds: bool
    seen: str


@dataclass
class Trial:
    scenario: Scenario
    stack: Stack
    say: Callable[[Look], None]
    tocsin: httpx.Client | None = None
    resumed_within_ms: int = RESUMED_WITHIN_MS
    execution: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    row: Mapping[str, Any] | None = None

    def run(self) -> list[Check]:
        """Raises TimeoutError when the workflow or the row does not end."""
        self._start()
        if self.stack.by_queue:
            hand_on(self.stack, 1)
        self._watch()
        states = self.stack.client("stepfunctions")
        self.events = list(history(states, self.execution))
        return list(self._checks())

    def _start(self) -> None:
        started = self.stack.client("stepfunctions").start_execution(
            stateMachineArn=self.stack.machine_arn(self.scenario.machine),
            name=f"{self.scenario.name}-{uuid.uuid4().hex[:12]}",
            input=json.dumps({"job": dict(self.scenario.job), "polling": dict(self.scenario.polling)}),
        )
        self.execution = started["executionArn"]

    def _watch(self) -> None:
        """Until the workflow has ended and nothing is left to tell Step Functions."""
        deadline, last, next_poll = time.monotonic() + ENDED_WITHIN, None, 0.0
        interval = self.scenario.polling.get("interval_ms", 1_000) / 1_000
        while True:
            look = self._look()
            if look != last:
                self.say(look)
                last = look
            if look.execution != "RUNNING" and not (self.row or {}).get("waiting"):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.scenario.name}: still {look} after {ENDED_WITHIN:.0f} s")
            late = self.scenario.polled_late and look.execution == "RUNNING"
            if not late and self._our_poller and time.monotonic() >= next_poll:
                next_poll = time.monotonic() + interval
                self.stack.invoke("poc-poller", {})
            time.sleep(_PAUSE)

    def _look(self) -> Look:
        status = self.stack.client("stepfunctions").describe_execution(executionArn=self.execution)["status"]
        self.row = row_of(self.stack, self.execution)
        if self.tocsin is not None and self.row and self.row.get("polled_by"):
            self.row = task_of(self.tocsin, str(self.row["job_id"])) or self.row
        return Look.of(status, self.row)

    @property
    def _our_poller(self) -> bool:
        return self.scenario.polling.get("by") in (None, "poc-poller")

    @property
    def _kept(self) -> str:
        return TOKENS if self._our_poller else "tocsin"

    # --- what must be so ---

    def _checks(self) -> Iterator[Check]:
        wanted, row = self.scenario.expected, self.row or {}
        scheduled = [one for one in self.events if one["type"] == "TaskScheduled"]
        resource = str(scheduled[0]["taskScheduledEventDetails"]["resource"]) if scheduled else "nothing scheduled"
        yield Check("token generated", "waitForTaskToken" in resource, resource)
        if wanted.status is None:
            yield Check("nothing persisted", self.row is None, f"no row in {TOKENS}" if self.row is None else str(row))
        else:
            yield Check("token persisted", bool(row.get("token_id")), f"{self._kept}/{row.get('token_id')}")
        attempts = int(row.get("attempts", 0))
        counted = attempts == wanted.polls if wanted.exact or wanted.status is None else attempts >= wanted.polls
        yield Check("external polling", counted, f"{attempts} polls, {wanted.polls} wanted")
        yield self._reconnected(row)
        yield self._entered(row)
        if wanted.status is not None:
            seen = f"{row.get('status')}, {row.get('confirmation')} {row.get('code', '')}".rstrip()
            yield Check(
                f"final state in {self._kept}",
                (row.get("status"), row.get("confirmation")) == (wanted.status, wanted.confirmation),
                seen,
            )

    def _reconnected(self, row: Mapping[str, Any]) -> Check:
        """How long after the poller saw the end the workflow had gone on; or which clock moved it on."""
        resumed = _milliseconds(entered(self.events, self.scenario.expected.state))
        if self.scenario.expected.clock:
            waited = resumed - _milliseconds(entered(self.events, "WaitForJob"))
            latest = _CLOCK_MS + self.resumed_within_ms
            return Check("workflow went on by its own clock", 1_500 <= waited <= latest, f"after {waited} ms")
        if "observed_at" not in row:
            waited = resumed - _milliseconds(entered(self.events, "WaitForJob"))
            return Check("workflow reconnected", 0 <= waited < 10_000, f"{waited} ms after it began to wait")
        took = resumed - int(row["observed_at"])
        return Check("workflow reconnected", took < self.resumed_within_ms, f"{took} ms after the end was observed")

    def _entered(self, row: Mapping[str, Any]) -> Check:
        wanted = self.scenario.expected
        event = entered(self.events, wanted.state)
        if event is None:
            names = [one["stateEnteredEventDetails"]["name"] for one in self.events if _is_entered(one)]
            return Check(f"final state {wanted.state}", False, f"went through {', '.join(names)}")
        given = json.loads(event["stateEnteredEventDetails"]["input"])
        if wanted.state == "UseResult":
            same = given.get("result") == json.loads(str(row.get("output", "null"))) is not None
            return Check(f"final state {wanted.state}", same, f"its input has result {json.dumps(given.get('result'))}")
        failure = given.get("failure") or {}
        holds = failure.get("Error") == wanted.error and wanted.cause in failure.get("Cause", "")
        return Check(f"final state {wanted.state}", holds, f"its input has {json.dumps(failure, ensure_ascii=False)}")


def hand_on(stack: Stack, count: int) -> None:
    """What AWS's event source mapping does: messages of the queue become invocations of ``poc-create-job``."""
    sqs, url = stack.client("sqs"), stack.queue_url()
    deadline = time.monotonic() + ENDED_WITHIN
    while count > 0:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for message in found:
            stack.invoke("poc-create-job", {"Records": [{"body": message["Body"]}]})
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        count -= len(found)
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} tokens did not come by the queue")


def history(states: Any, execution: str) -> Iterator[dict[str, Any]]:
    """All events of an execution, in order."""
    for page in states.get_paginator("get_execution_history").paginate(executionArn=execution):
        yield from page["events"]


def entered(events: list[dict[str, Any]], state: str) -> dict[str, Any] | None:
    """The event by which a state was entered."""
    return next((one for one in events if _is_entered(one) and one["stateEnteredEventDetails"]["name"] == state), None)


def _is_entered(event: Mapping[str, Any]) -> bool:
    return str(event["type"]).endswith("StateEntered")


def _milliseconds(event: Mapping[str, Any] | None) -> int:
    at = event["timestamp"] if event else None
    return round(at.timestamp() * 1_000) if isinstance(at, datetime) else 0
