"""What an attempt that is over means for its delivery: done, once more later, or given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from tocsin.events import deliveries as contract
from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339, unix_ms
from tocsin.events.vocabulary import RunResult
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.delivery_outcome import ErrorClass, Outcome, outcome
from tocsin.streams.domain.delivery_policy import DeliveriesPolicy
from tocsin.streams.domain.delivery_retry import RetryPolicy, retry_in_ms
from tocsin.streams.domain.delivery_state import UNANSWERED, DeliveryState


def begun(state: DeliveryState | None, received: Received, policy: DeliveriesPolicy) -> Sequence[Fact]:
    """Before an attempt whose repetition would be refused.

    One that was noted before was cut, or is made twice. One whose number is over was begun by an owner who had not
    heard of that yet.
    """
    event: contract.AttemptBegun = received.event
    if state is None:
        return ()
    late = event.attempt != state.attempt
    noted = contract.AttemptNoted(
        entity=received.entity,
        at=received.at,
        cause=received.cause("begins_late" if late else "begins_again" if state.begun else "begins"),
        delivery_id=state.delivery_id,
        origin=state.origin,
        attempt=event.attempt,
        begun=1 if late else state.begun + 1,
    )
    return (noted,)


def finished(state: DeliveryState | None, received: Received, policy: DeliveriesPolicy) -> Sequence[Fact]:
    """Raises ValueError for an attempt without a status and without an error, or a time that is none."""
    event: contract.AttemptFinished = received.event
    if state is None:
        return (_ignored(received, "delivery_over"),)
    if event.attempt != state.attempt:
        return (_ignored(received, "another_attempt", expected=state.attempt),)
    found = outcome(event.status, _error(event.error), state.request.expected_status or None)
    over = unix_ms(event.started_at) + event.duration_ms
    delay = retry_in(state, event, policy) if found.verdict == "retry" else None
    if delay is not None:
        return (_recorded(state, received, found, "retry", rfc3339(over + delay)),)
    result: RunResult = "failed" if found.verdict == "retry" else found.verdict
    return _recorded(state, received, found, result, ""), _ended(state, received, found, result, rfc3339(over))


def retry_in(state: DeliveryState, event: contract.AttemptFinished, policy: DeliveriesPolicy) -> int | None:
    """Milliseconds from the end of this attempt to the next one; None when it was the last."""
    attempt_id = f"{state.origin.run_id}:{event.attempt}"
    delays = state.request.retry_delays_ms or policy.retry_delays_ms
    return retry_in_ms(event.attempt, attempt_id, event.retry_after, RetryPolicy(state.max_attempts, delays))


def _error(text: str) -> ErrorClass | None:
    # a class this version does not know is tried again, like any failure of the way there
    return cast(ErrorClass, text) if text else None


def _ignored(received: Received, rule: str, **values: Any) -> Fact:
    event: contract.AttemptFinished = received.event
    return contract.AttemptIgnored(
        entity=received.entity,
        at=received.at,
        cause=received.cause(rule, **values),
        delivery_id=event.delivery_id,
        attempt=event.attempt,
    )


def _recorded(state: DeliveryState, received: Received, found: Outcome, verdict: str, next_at: str) -> Fact:
    event: contract.AttemptFinished = received.event
    values: dict[str, Any] = {"attempt": event.attempt, "max_attempts": state.max_attempts}
    if state.request.expected_status:
        values["expected_status"] = state.request.expected_status
    if event.retry_after is not None:
        values["retry_after"] = event.retry_after
    return contract.AttemptRecorded(
        entity=received.entity,
        at=received.at,
        cause=received.cause(found.reason, **values),
        delivery_id=state.delivery_id,
        origin=state.origin,
        attempt=event.attempt,
        outcome=verdict,
        scheduled_for=state.scheduled_for,
        started_at=event.started_at,
        duration_ms=event.duration_ms,
        lateness_ms=max(0, unix_ms(event.started_at) - state.not_before),
        status=event.status,
        error=event.error,
        detail=event.detail,
        body=event.body,
        body_cut=event.body_cut,
        address=event.address,
        next_attempt_at=next_at,
        code=event.code,
    )


def _ended(state: DeliveryState, received: Received, found: Outcome, result: RunResult, finished_at: str) -> Fact:
    event: contract.AttemptFinished = received.event
    rule = "attempts_exhausted" if found.verdict == "retry" else found.reason
    return contract.DeliveryEnded(
        entity=received.entity,
        at=received.at,
        cause=received.cause(rule, attempt=event.attempt, max_attempts=state.max_attempts),
        delivery_id=state.delivery_id,
        origin=state.origin,
        result=result,
        attempts=event.attempt,
        finished_at=finished_at,
        status=event.status,
        error="" if result == "succeeded" else event.error or found.reason,
        detail=event.detail,
        code=event.code,
        answer=event.answer,
        uncertain=state.may_have_arrived or event.error == UNANSWERED,
    )
