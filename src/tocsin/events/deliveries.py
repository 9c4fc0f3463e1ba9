"""Contracts of the deliveries domain: outgoing HTTP requests with their attempts, version 1 of each.

The entity is the delivery, ``d_<hash of workspace and endpoint>-<n>``; all of an endpoint (scheme, host, port) share a
partition, so that one owner keeps their limits. A delivery that ended leaves no state behind.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from tocsin.events.commands import Fact, PolicyActivated, PolicyApplied, TimerDue
from tocsin.events.jobs import NO_PAYLOAD
from tocsin.events.vocabulary import PollState, RunResult

DOMAIN: Final = "deliveries"


class Origin(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Who asked: an entity of another domain, which hears of the end. ``run_id`` is also the ``webhook-id``.

    purpose: what it is for, where an entity asks for several things.
    """

    domain: Literal["jobs", "tickets", "tasks"]
    entity: str
    run_id: str
    purpose: str = ""


class PollReading(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """How an answer about an outside job is read. Paths: ``tocsin.events.json_path``; words are compared without case.

    A status that is in neither list means that it goes on.
    """

    status_path: str = "$.status"
    result_path: str = "$"
    completed_values: tuple[str, ...] = ("COMPLETED", "SUCCEEDED")
    failed_values: tuple[str, ...] = ("FAILED",)


class PollAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What was read. ``result``: JSON, of one that is completed; over 4 KiB it travels by its SHA-256. detail: what was
    wrong with the answer, or the answer itself of one that failed, cut."""

    state: PollState
    external_status: str = ""
    result: msgspec.Raw = NO_PAYLOAD
    result_digest: str = ""
    detail: str = ""


class AwsTask(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A call of AWS Step Functions about a task token (encrypted); the output of a success is the request's payload."""

    action: Literal["success", "failure", "heartbeat"]
    token: str
    error: str = ""
    cause: str = ""


class Request(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What is sent. Headers and payload as in a job's spec. by_operator: the URL is the configuration's own.

    url: of the operator's own destinations it is sealed (``secret_headers``).
    kind: ``lambda`` invokes ``lambda_function`` with the payload, ``aws_task`` makes the call of ``aws_task``; their
    ``url`` only names where that goes. reading: the answer is read by it. retry_delays_ms: instead of the policy's.
    channel: ``slack:<name>``, with an empty ``url``; its own URL, a secret, is looked up by whoever dials.
    rate_key: requests of a workspace that share it start in order, at most ``rate_per_second``; 0 = no limit.
    """

    url: str
    headers: dict[str, str] = {}
    payload: msgspec.Raw = NO_PAYLOAD
    payload_digest: str = ""
    expected_status: tuple[int, ...] = ()
    by_operator: bool = False
    kind: Literal["http", "lambda", "aws_task"] = "http"
    method: Literal["POST", "GET"] = "POST"
    reading: PollReading | None = None
    lambda_function: str = ""
    aws_task: AwsTask | None = None
    retry_delays_ms: tuple[int, ...] = ()
    channel: str = ""
    rate_key: str = ""
    rate_per_second: float = 0


# --- events ---------------------------------------------------------------------------------------------------------


class DeliveryRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``not_before``: when the first attempt starts; ``scheduled_for``: the nominal time, sent as a header."""

    delivery_id: str
    origin: Origin
    request: Request
    not_before: str
    scheduled_for: str
    max_attempts: int = 4


class AttemptBegun(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """From the owner that is about to make an attempt whose repetition the receiver would refuse (``aws_task``)."""

    delivery_id: str
    attempt: int


class AttemptFinished(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """From the owner that made the attempt. ``attempt``: 1 = the first try. status: of the answer, if there was one.

    error: class of what went wrong; see ``streams.domain.delivery_outcome``. body: the first 16 KiB as text.
    retry_after: seconds the receiver asked for. address: the one that was dialled. code: AWS's error. answer: what was
    read where the request says how.
    """

    delivery_id: str
    attempt: int
    started_at: str
    duration_ms: int
    status: int | None = None
    error: str = ""
    detail: str = ""
    body: str = ""
    body_cut: bool = False
    retry_after: int | None = None
    address: str = ""
    code: str = ""
    answer: PollAnswer | None = None


class CancelDelivery(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """No further attempt starts; the origin hears of it also when the delivery is over or was never heard of."""

    delivery_id: str
    origin: Origin
    reason: str = ""


# --- facts ----------------------------------------------------------------------------------------------------------


class DeliveryFact(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A fact about one delivery."""

    delivery_id: str
    origin: Origin


class DeliveryAccepted(DeliveryFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Its first attempt starts at ``not_before``, as soon as limits allow."""

    request: Request
    not_before: str
    scheduled_for: str
    max_attempts: int


class AttemptNoted(DeliveryFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An attempt begins. ``begun``: how often this one has; more than once: it was cut before its end was told.

    One whose number is over already was made once more by a new owner, and nobody will hear of its end.
    """

    attempt: int
    begun: int


class AttemptRecorded(DeliveryFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One attempt. ``outcome``: ``succeeded, retry, failed, gone``; ``cause.rule`` says why.

    next_attempt_at: of the retry. lateness_ms: how long after ``not_before`` it started.
    """

    attempt: int
    outcome: str
    scheduled_for: str
    started_at: str
    duration_ms: int
    lateness_ms: int
    status: int | None = None
    error: str = ""
    detail: str = ""
    body: str = ""
    body_cut: bool = False
    address: str = ""
    next_attempt_at: str = ""
    code: str = ""


class DeliveryEnded(DeliveryFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Beside the AttemptRecorded of the last attempt, or after a cancellation; the origin hears of it.

    uncertain: before the last one there was an attempt that may have arrived, though nothing is known of it.
    """

    result: RunResult
    attempts: int
    finished_at: str
    status: int | None = None
    error: str = ""
    detail: str = ""
    code: str = ""
    answer: PollAnswer | None = None
    uncertain: bool = False


class AttemptIgnored(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The same attempt told again, or of a delivery that is over."""

    delivery_id: str
    attempt: int


class CancellationConfirmed(DeliveryFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Nothing was left to cancel; the origin hears of it as well."""


EVENTS: Final[dict[str, type[Any]]] = {
    f"tocsin.deliveries.{cls.__name__}.v1": cls
    for cls in (DeliveryRequested, AttemptBegun, AttemptFinished, CancelDelivery, TimerDue, PolicyActivated)
}
FACTS: Final[dict[str, type[Any]]] = {
    f"tocsin.deliveries.{cls.__name__}.v1": cls
    for cls in (
        DeliveryAccepted,
        AttemptNoted,
        AttemptRecorded,
        DeliveryEnded,
        AttemptIgnored,
        CancellationConfirmed,
        PolicyApplied,
    )
}
