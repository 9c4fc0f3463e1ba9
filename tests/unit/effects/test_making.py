"""Attempts that are not plain webhooks: polls that are read, and calls of AWS that are announced first."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.unit.effects.deliveries import Bodies, MemorySecrets
from tocsin import secret_headers
from tocsin.encryption import Cipher
from tocsin.events.deliveries import AttemptBegun, AttemptFinished, AwsTask, Origin, PollReading, Request
from tocsin.events.times import rfc3339
from tocsin.streams.domain.delivery_state import DeliveryState
from tocsin.streams.effects.attempt import NotNow
from tocsin.streams.effects.building import Builder
from tocsin.streams.effects.making import Owner, Tools, make
from tocsin.streams.effects.request import AttemptResult, OutgoingRequest

NOW = 1_700_000_000_123
KEY = "ZmFrZS1rZXktZm9yLXRlc3RzLW9ubHktMTIzNDU2Nzg="
CIPHER = Cipher(KEY)


def state(**request: Any) -> DeliveryState:
    origin = Origin(domain="tasks", entity="k_1", run_id="k_1.poll-1", purpose="poll")
    asked = Request(**({"url": "https://jobs.example/7"} | request))
    return DeliveryState("d_x-1", origin, asked, NOW, rfc3339(NOW), 1)


class Recorder:
    """A sender, an outbox and AWS in memory; ``order``: what happened in turn."""

    def __init__(self, body: str = "", status: int = 200) -> None:
        self.order: list[Any] = []
        self.body, self.status = body, status
        self.may_act, self.lost_when_begun = True, False

    async def send(self, request: OutgoingRequest, started_at: int, may_dial: Any) -> AttemptResult:
        self.order.append(request)
        return AttemptResult(started_at, 5, self.status, body=self.body)

    async def begun(self, key: bytes, partition: int, event: AttemptBegun) -> None:
        self.order.append(event)
        self.may_act = self.may_act and not self.lost_when_begun

    async def keep(self, body: bytes) -> None:
        self.order.append(body)

    async def task(self, told: AwsTask, token: str, output: str, started_at: int) -> AttemptResult:
        self.order.append((told.action, token, output))
        return AttemptResult(started_at, 7, 400, "aws_refused", "why", code="TaskTimedOut")

    async def invoke(self, function: str, payload: bytes, started_at: int, most_bytes: int) -> AttemptResult:
        self.order.append((function, payload))
        return AttemptResult(started_at, 7, 200, body=self.body)

    async def made(self, what: DeliveryState, *, aws: bool = True) -> AttemptFinished:
        me: Any = self
        tools = Tools(me, Builder(Bodies(), MemorySecrets(), CIPHER, {}), me, me if aws else None)
        return await make(tools, what, Owner(b"default/d_x-1", 0, lambda: NOW, lambda: self.may_act))


async def test_T2_a_poll_is_read_where_its_answer_arrives() -> None:
    there = Recorder(json.dumps({"status": "RUNNING", "noise": "x" * 3000}))
    event = await there.made(state(method="GET", reading=PollReading()))
    (request,) = there.order
    assert (request.method, request.body, request.most_bytes) == ("GET", b"", 1024 * 1024)
    assert event.answer is not None
    assert event.answer.state == "running"
    assert (len(event.body), event.body_cut) == (1024, True)


async def test_T2_a_large_result_is_kept_before_it_is_told() -> None:
    result = {"status": "COMPLETED", "text": "x" * 5000}
    there = Recorder(json.dumps(result))
    event = await there.made(state(method="GET", reading=PollReading()))
    assert json.loads(there.order[1]) == result
    assert event.answer is not None
    assert event.answer.result_digest


async def test_T2_an_answer_that_is_no_success_is_not_read() -> None:
    event = await Recorder('{"status":"COMPLETED"}', 500).made(state(reading=PollReading()))
    assert (event.answer, event.status) == (None, 500)


async def test_T2_a_poll_may_be_the_invocation_of_a_function() -> None:
    there = Recorder('{"status":"COMPLETED"}')
    asked = state(kind="lambda", lambda_function="check", payload=msgspec.Raw(b'{"id":7}'), reading=PollReading())
    event = await there.made(asked)
    assert there.order == [("check", b'{"id":7}')]
    assert event.answer is not None


def settling(token: str = "") -> DeliveryState:
    sealed = token or secret_headers.seal("AQC", CIPHER)
    told = AwsTask(action="success", token=sealed)
    return state(url="aws:states", kind="aws_task", aws_task=told, payload=msgspec.Raw(b'{"a":1}'))


async def test_T3_that_aws_is_about_to_be_told_is_in_the_log_first() -> None:
    there = Recorder()
    event = await there.made(settling())
    assert there.order == [AttemptBegun(delivery_id="d_x-1", attempt=1), ("success", "AQC", '{"a":1}')]
    assert (event.error, event.code, event.status) == ("aws_refused", "TaskTimedOut", 400)


async def test_T3_who_is_no_owner_any_more_tells_aws_nothing() -> None:
    there = Recorder()
    there.lost_when_begun = True
    with pytest.raises(NotNow):
        await there.made(settling())
    assert there.order == [AttemptBegun(delivery_id="d_x-1", attempt=1)]


@pytest.mark.parametrize("token", ["sealed:v1:gAAAAA", "sealed:v1:é"])
async def test_T3_a_token_of_other_keys_is_told_as_what_it_is(token: str) -> None:
    event = await Recorder().made(settling(token))
    assert event.error == "request"
    assert "cannot be decrypted" in event.detail


async def test_a_worker_without_aws_says_so() -> None:
    assert (await Recorder().made(settling(), aws=False)).error == "request"
