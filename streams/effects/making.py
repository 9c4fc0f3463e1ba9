"""Makes one attempt of a delivery, whatever its kind, and says what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tocsin.events.deliveries import AttemptBegun, AttemptFinished, PollAnswer
from tocsin.events.times import rfc3339
from tocsin.streams.domain import poll_answer
from tocsin.streams.domain.delivery_outcome import outcome
from tocsin.streams.domain.delivery_state import DeliveryState
from tocsin.streams.effects.attempt import NotNow, Sender
from tocsin.streams.effects.aws import Aws
from tocsin.streams.effects.building import Builder, Unsendable
from tocsin.streams.effects.outbox import Outbox
from tocsin.streams.effects.request import AttemptResult

LOOK_AGAIN_SECONDS: Final = 0.05
_KEPT_OF_A_POLL: Final = 1024
"""Bytes of its answer: there may be thousands, and what they say is kept beside them."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What attempts are made with. ``aws``: None where none of them goes there."""

    sender: Sender
    builder: Builder
    outbox: Outbox
    aws: Aws | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """For whom an attempt is made: the key and partition of its delivery. ``clock``: Unix ms. ``may_act``: whether it
    is still the owner, asked right before anything leaves. ``dialling``: told when something is about to."""

    key: bytes
    partition: int
    clock: Callable[[], int]
    may_act: Callable[[], bool]
    dialling: Callable[[], None] = lambda: None

    @property
    def workspace(self) -> str:
        return self.key.decode().partition("/")[0]

    async def acting(self) -> None:
        """Until it may act: a heartbeat in another thread says so, so there is no event to wait for."""
        while not self.may_act():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def make(tools: Tools, state: DeliveryState, owner: Owner) -> AttemptFinished:
    """Raises payloads.NotYet and NotNow: then nothing was sent."""
    body = await tools.builder.body(state)
    started_at = owner.clock()
    try:
        result = await _made(tools, state, owner, body, started_at)
    except Unsendable as error:
        result = AttemptResult(started_at, 0, None, "request", str(error))
    answer = await _read(tools, state, result)
    if answer is not None:
        result = _shortened(result)
    return finished(state, result, answer)


async def _made(tools: Tools, state: DeliveryState, owner: Owner, body: bytes, started_at: int) -> AttemptResult:
    request = state.request
    if request.kind == "http":
        outgoing = tools.builder.request(state, owner.workspace, body, started_at)
        owner.dialling()
        return await tools.sender.send(outgoing, started_at, owner.may_act)
    if tools.aws is None:
        raise Unsendable("This worker makes no calls of AWS")
    if request.aws_task is not None:
        token = tools.builder.token(request.aws_task)
        # whoever takes over must know that this may have arrived: AWS refuses it a second time
        await tools.outbox.begun(
            owner.key, owner.partition, AttemptBegun(delivery_id=state.delivery_id, attempt=state.attempt)
        )
        _check(owner)
        return await tools.aws.task(request.aws_task, token, body.decode(), started_at)
    _check(owner)
    return await tools.aws.invoke(request.lambda_function, body, started_at, poll_answer.MAX_ANSWER_BYTES)


def _check(owner: Owner) -> None:
    if not owner.may_act():
        raise NotNow


async def _read(tools: Tools, state: DeliveryState, result: AttemptResult) -> PollAnswer | None:
    """What a poll's answer says, when there is one that counts; its result is kept first where it is large."""
    reading = state.request.reading
    if reading is None or outcome(result.status, result.error).verdict != "succeeded":
        return None
    answer, body = poll_answer.read(reading, result.body, cut=result.body_cut)
    if body:
        await tools.outbox.keep(body)
    return answer


def _shortened(result: AttemptResult) -> AttemptResult:
    encoded = result.body.encode()
    if len(encoded) <= _KEPT_OF_A_POLL:
        return result
    return replace(result, body=encoded[:_KEPT_OF_A_POLL].decode(errors="ignore"), body_cut=True)


def finished(state: DeliveryState, result: AttemptResult, answer: PollAnswer | None = None) -> AttemptFinished:
    return AttemptFinished(
        delivery_id=state.delivery_id,
        attempt=state.attempt,
        started_at=rfc3339(result.started_at),
        duration_ms=result.duration_ms,
        status=result.status,
        error=result.error or "",
        detail=result.detail,
        body=result.body,
        body_cut=result.body_cut,
        retry_after=result.retry_after,
        address=result.address or "",
        code=result.code,
        answer=answer,
    )
