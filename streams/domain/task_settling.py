"""The one settlement of a task: decided here first, then told to whoever waits."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.events import tasks as contract
from tocsin.events.deliveries import AwsTask, Request
from tocsin.events.jobs import NO_PAYLOAD
from tocsin.events.tasks import Call
from tocsin.events.vocabulary import Confirmation, TaskOutcome, TaskStatus
from tocsin.streams.domain.task_telling import STATES_ENDPOINT, Telling

POLICY_ACTOR: Final = "tocsin"
_NULL: Final = msgspec.Raw(b"null")
_SEPARATOR: Final = b"\x00"


class Settlement(NamedTuple):
    """What is decided. ``result``: JSON of a success, empty for null; error and cause: of a failure."""

    status: TaskStatus
    outcome: TaskOutcome
    actor: str = POLICY_ACTOR
    result: msgspec.Raw = NO_PAYLOAD
    result_digest: str = ""
    error: str = ""
    cause: str = ""

    @property
    def digest(self) -> str:
        """By which the same settlement is known again, whoever asks for it."""
        result = self.result_digest.encode() or hashlib.sha256(bytes(self.result)).hexdigest().encode()
        parts = (self.outcome.encode(), result, self.error.encode(), self.cause.encode())
        return hashlib.sha256(_SEPARATOR.join(parts)).hexdigest()


def failure(status: TaskStatus, cause: str, *, error: str = "", actor: str = POLICY_ACTOR) -> Settlement:
    """``error``: what a Catch of the workflow goes by; the status unless something more precise is known."""
    return Settlement(
        status,
        "failure",
        actor,
        error=cut(error or status, contract.MAX_ERROR_BYTES),
        cause=cut(cause, contract.MAX_CAUSE_BYTES),
    )


def cut(text: str, most_bytes: int) -> str:
    """The text, or as much of it as fits in UTF-8."""
    return text.encode(errors="replace")[:most_bytes].decode(errors="ignore")


def settle(telling: Telling, what: Settlement, rule: str, /, *, closed: bool = False, **more: Any) -> None:
    """``closed``: AWS has ended the task itself, so it is not told."""
    spec = telling.task.spec
    tell_aws = not spec.issued and not closed
    confirmation: Confirmation = "pending" if tell_aws else "closed_elsewhere" if closed else "not_needed"
    calls = ((_for_aws(telling, what),) if tell_aws else ()) + (
        (_notice(telling, what),) if spec.on_settled_url else ()
    )
    in_flight = ((telling.task.polling, telling.task.polled_by),) if telling.task.polling else ()
    telling.about(
        contract.TaskSettled,
        rule,
        status=what.status,
        outcome=what.outcome,
        actor=what.actor,
        digest=what.digest,
        result=what.result,
        result_digest=what.result_digest,
        error=what.error,
        cause_text=what.cause,
        confirmation=confirmation,
        calls=calls,
        cancelled=in_flight,
        heartbeat_due=None,
        next_poll=None,
        **more,
    )


def _for_aws(telling: Telling, what: Settlement) -> Call:
    spec, policy = telling.task.spec, telling.policy
    told = AwsTask(action=what.outcome, token=spec.token, error=what.error, cause=what.cause)
    output = NO_PAYLOAD
    if what.outcome == "success" and not what.result_digest:
        output = what.result if bytes(what.result) else _NULL
    request = Request(
        url=STATES_ENDPOINT,
        kind="aws_task",
        payload=output,
        payload_digest=what.result_digest,
        aws_task=told,
        retry_delays_ms=policy.settlement_retry_delays_ms,
    )
    return telling.aws_call("settlement", "settlement", request, policy.settlement_max_attempts)


def _notice(telling: Telling, what: Settlement) -> Call:
    """The webhook to ``on_settled_url``. A result over 4 KiB is named by its digest; the task itself has it."""
    spec, task_id = telling.task.spec, telling.received.entity
    body = {
        "task_id": task_id,
        "status": what.status,
        "outcome": what.outcome,
        "result": what.result if bytes(what.result) else None,
        "result_digest": what.result_digest or None,
        "error": what.error or None,
        "cause": what.cause or None,
        "external_job_id": spec.external_job_id or None,
        "settled_at": telling.received.at,
    }
    request = Request(url=spec.on_settled_url, payload=msgspec.Raw(msgspec.json.encode(body)))
    return telling.http_call("notice", "notice", request, telling.received.now, telling.policy.notice_max_attempts)
