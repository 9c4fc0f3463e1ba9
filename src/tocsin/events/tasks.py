"""Contracts of the tasks domain: tokens a workflow waits for, how the outside job is watched, and the one settlement.

The entity is the task, ``k_<32 hex>``: a keyed hash of workspace and token (``tocsin.task_tokens``), so whoever holds a
token finds its partition without a database. Tokens travel encrypted only. Times are RFC 3339 UTC, durations in ms.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from tocsin.events.commands import (
    CommandRefused,
    CommandUnchanged,
    Fact,
    PolicyActivated,
    PolicyApplied,
    TimerDue,
)
from tocsin.events.deliveries import PollAnswer, PollReading, Request
from tocsin.events.jobs import NO_PAYLOAD
from tocsin.events.vocabulary import Confirmation, PollVerdict, RunResult, TaskOutcome, TaskStatus

DOMAIN: Final = "tasks"

MAX_RESULT_BYTES: Final = 262_144
MAX_ERROR_BYTES: Final = 256
MAX_CAUSE_BYTES: Final = 32_768
"""All UTF-8. Source: AWS Step Functions API reference, SendTaskSuccess and SendTaskFailure."""
RESULT_TOO_LARGE: Final = "ResultTooLarge"


def too_large(size: int) -> str:
    """Why a result of ``size`` bytes is a failure."""
    return f"the result has {size} bytes; a workflow takes {MAX_RESULT_BYTES}"


class Poll(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """How the outside job is asked: at ``url``, or by invoking ``lambda_function``.

    headers: values that are secret are encrypted. payload: JSON of a POST or of the invocation, at most 4 KiB.
    backoff: factor from one interval to the next, up to ``max_interval_ms``. max_attempts: answers, errors included.
    """

    interval_ms: int
    url: str = ""
    lambda_function: str = ""
    method: Literal["GET", "POST"] = "GET"
    headers: dict[str, str] = {}
    payload: msgspec.Raw = NO_PAYLOAD
    backoff: float = 1.0
    max_interval_ms: int = 3_600_000
    max_attempts: int = 1_000
    reading: PollReading = PollReading()


class TaskSpec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``token``: encrypted. issued: tocsin made it; else it is a token of AWS Step Functions, which is told the end.

    timeout_ms: 0 only where ``allow_no_deadline`` was said. heartbeat_ms: 0 for no heartbeat clock. metadata: JSON, at
    most 4 KiB. on_settled_url: hears of the end by a webhook. execution_url: a link for people.
    """

    token: str
    issued: bool = False
    external_job_id: str = ""
    metadata: msgspec.Raw = NO_PAYLOAD
    poll: Poll | None = None
    timeout_ms: int = 0
    heartbeat_ms: int = 0
    owner: str = ""
    on_settled_url: str = ""
    execution_url: str = ""


# --- events: what people, workers and workflows ask ------------------------------------------------------------------


class TaskRegisterRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    task_id: str
    spec: TaskSpec
    actor: str


class SettleRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``result``: JSON; over 4 KiB it travels once through the payloads topic and only its SHA-256 is here.

    via: by hand, by the token (AWS protocol) or by the callback URL. idempotent: the same settlement once more is no
    error; AWS says TaskTimedOut.
    """

    task_id: str
    outcome: TaskOutcome
    actor: str
    via: Literal["hand", "token", "callback"] = "hand"
    result: msgspec.Raw = NO_PAYLOAD
    result_digest: str = ""
    error: str = ""
    cause: str = ""
    idempotent: bool = True


class HeartbeatReceived(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The worker lives: the heartbeat clock begins anew, the deadline stays."""

    task_id: str
    actor: str


class CancelRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Nobody is to wait any longer; whoever does hears of a failure."""

    task_id: str
    actor: str
    reason: str = ""
    if_version: int | None = None


class PollNowRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Ask the outside job now; the interval begins anew."""

    task_id: str
    actor: str
    if_version: int | None = None


class DeadlineExtensionRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``deadline``: the new one."""

    task_id: str
    deadline: str
    actor: str
    if_version: int | None = None


# --- events: from the deliveries domain ------------------------------------------------------------------------------


class PollFinished(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``run_id``: of the poll. answer: what was read, when there was an answer that counts as one."""

    task_id: str
    run_id: str
    result: RunResult
    finished_at: str
    status: int | None = None
    error: str = ""
    detail: str = ""
    answer: PollAnswer | None = None


class SettlementFinished(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The last word on what AWS was told. code: AWS's error. uncertain: an earlier try may have arrived."""

    task_id: str
    run_id: str
    result: RunResult
    attempts: int
    finished_at: str
    error: str = ""
    detail: str = ""
    code: str = ""
    uncertain: bool = False


class HeartbeatForwarded(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The last word on a heartbeat for AWS; ``code``: AWS's error."""

    task_id: str
    run_id: str
    result: RunResult
    code: str = ""
    detail: str = ""


# --- facts ----------------------------------------------------------------------------------------------------------


class Call(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What the deliveries domain is asked to do. ``purpose`` tells what its end means for the task."""

    purpose: Literal["poll", "settlement", "heartbeat", "notice"]
    delivery_id: str
    run_id: str
    not_before: str
    request: Request
    max_attempts: int = 1


class TaskFact(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A fact about one task, with its columns after it; ``at`` is its ``updated_at`` and strictly increases.

    deadline, heartbeat_due, next_poll: empty when there is none.
    """

    task_id: str
    status: TaskStatus
    deadline: str = ""
    heartbeat_due: str = ""
    next_poll: str = ""


class TaskRegistered(TaskFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``at`` is also its ``created_at``. digest: SHA-256 of the request, by which the same one is known again."""

    spec: TaskSpec
    actor: str
    digest: str = ""


class PollStarted(TaskFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``poll``: 1 is the first. Its answer counts while no other poll was started."""

    poll: int
    call: Call
    actor: str = ""


class TaskPolled(TaskFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What a poll found. ``external_status``: the outside job's own word. call: the heartbeat AWS is told, if any."""

    poll: int
    run_id: str
    verdict: PollVerdict
    finished_at: str
    external_status: str = ""
    http_status: int | None = None
    error: str = ""
    detail: str = ""
    call: Call | None = None


class HeartbeatAccepted(TaskFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``call``: what AWS is told, when the token is its own."""

    actor: str
    call: Call | None = None


class HeartbeatTold(TaskFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """AWS heard of a heartbeat, or could not be told; the next sign of life is told again. code: AWS's error."""

    run_id: str
    result: RunResult
    code: str = ""


class DeadlineExtended(TaskFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``before``: the deadline until now; empty when there was none."""

    actor: str
    before: str = ""


class TaskSettled(TaskFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The one settlement; nothing after it changes its outcome. ``cause_text`` is the failure's cause in words.

    calls: who is told. cancelled: (run id, delivery id) of the poll that nobody waits for any more. digest: SHA-256 of
    outcome and contents, by which the same settlement is known again.
    """

    outcome: TaskOutcome
    actor: str
    digest: str
    result: msgspec.Raw = NO_PAYLOAD
    result_digest: str = ""
    error: str = ""
    cause_text: str = ""
    confirmation: Confirmation = "not_needed"
    calls: tuple[Call, ...] = ()
    cancelled: tuple[tuple[str, str], ...] = ()


class SettlementConcluded(TaskFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What became of telling AWS. ``ticket_entity``: the ticket that is to hear of a refusal."""

    confirmation: Confirmation
    attempts: int
    finished_at: str
    error: str = ""
    detail: str = ""
    code: str = ""
    external_job_id: str = ""
    ticket_entity: str = ""


class TaskForgotten(TaskFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """So long after its settlement nobody is answered that it was settled; the read models keep it."""


class WordIgnored(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A word about a poll, a settlement or a heartbeat that nobody waits for; ``cause.rule`` says why."""

    task_id: str
    run_id: str


EVENTS: Final[dict[str, type[Any]]] = {
    f"tocsin.tasks.{cls.__name__}.v1": cls
    for cls in (
        TaskRegisterRequested,
        SettleRequested,
        HeartbeatReceived,
        CancelRequested,
        PollNowRequested,
        DeadlineExtensionRequested,
        PollFinished,
        SettlementFinished,
        HeartbeatForwarded,
        TimerDue,
        PolicyActivated,
    )
}
FACTS: Final[dict[str, type[Any]]] = {
    f"tocsin.tasks.{cls.__name__}.v1": cls
    for cls in (
        TaskRegistered,
        PollStarted,
        TaskPolled,
        HeartbeatAccepted,
        HeartbeatTold,
        DeadlineExtended,
        TaskSettled,
        SettlementConcluded,
        TaskForgotten,
        WordIgnored,
        PolicyApplied,
        CommandUnchanged,
        CommandRefused,
    )
}
