"""The JSON protocol of AWS Step Functions, as far as task tokens need it: requests read, answers and errors written.

Source: AWS Step Functions API reference 2016-11-23, SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat and Common
Errors; AWS JSON 1.0 protocol (Smithy): the error's name is the body's ``__type``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import Response

from tocsin.events import tasks as contract
from tocsin.events.tasks import MAX_CAUSE_BYTES, MAX_ERROR_BYTES, MAX_RESULT_BYTES
from tocsin.ingest.sources.json_text import one_line, too_deep
from tocsin.ingest.task_spec import Result
from tocsin.outcomes import Outcome
from tocsin.task_tokens import MAX_TOKEN

MEDIA_TYPE: Final = "application/x-amz-json-1.0"
TARGET_PREFIX: Final = "AWSStepFunctions."
CLOSED: Final = "Task Timed Out: 'Provided task does not exist anymore'"


class AwsError(Exception):
    """``code`` is the name that clients go by. status: 400 for what the client did, 503 for what it does again."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class SendTaskSuccess(msgspec.Struct, frozen=True):
    taskToken: str
    output: str


class SendTaskFailure(msgspec.Struct, frozen=True):
    taskToken: str
    error: str | None = None
    cause: str | None = None


class SendTaskHeartbeat(msgspec.Struct, frozen=True):
    taskToken: str


Call = SendTaskSuccess | SendTaskFailure | SendTaskHeartbeat
_CALLS: Final[dict[str, Any]] = {
    cls.__name__: msgspec.json.Decoder(cls) for cls in (SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat)
}


def read(target: str, body: bytes) -> Call:
    """Raises AwsError for anything that AWS would refuse by the request alone."""
    decoder = _CALLS.get(target.removeprefix(TARGET_PREFIX)) if target.startswith(TARGET_PREFIX) else None
    if decoder is None:
        raise AwsError("UnknownOperationException", "The operation is none of those that settle task tokens")
    try:
        call: Call = decoder.decode(body or b"{}")
    except msgspec.ValidationError as error:
        # a member that is missing or of another type; the message names it and nothing of its value
        raise AwsError("ValidationException", f"1 validation error detected: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AwsError("SerializationException", "The body is no JSON object") from None
    _check("taskToken", call.taskToken, MAX_TOKEN, least=1)
    if isinstance(call, SendTaskFailure):
        _check("error", call.error or "", MAX_ERROR_BYTES)
        _check("cause", call.cause or "", MAX_CAUSE_BYTES)
    if isinstance(call, SendTaskSuccess):
        _check("output", call.output, MAX_RESULT_BYTES)
    return call


def _check(name: str, value: str, most: int, *, least: int = 0) -> None:
    if not least <= (size := len(value.encode())) <= most:
        rule = f"Member must have length less than or equal to {most}" if size > most else "Member must not be empty"
        message = f"1 validation error detected: Value at '{name}' failed to satisfy constraint: {rule}"
        raise AwsError("ValidationException", message)


def output_of(call: SendTaskSuccess) -> Result:
    """The output is a text of JSON. Raises AwsError when it is not."""
    text = call.output.encode()
    try:
        if too_deep(text):
            raise AwsError("InvalidOutput", "Invalid Output: it is nested too deeply")
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AwsError("InvalidOutput", "Invalid Output: 'Output is not valid JSON'") from None
    return Result(one_line(text))


def event_of(call: Call, task_id: str, actor: str, output: Result, *, idempotent: bool) -> Any:
    """What is asked of the task. idempotent: the same settlement once more is taken, where AWS says TaskTimedOut."""
    if isinstance(call, SendTaskHeartbeat):
        return contract.HeartbeatReceived(task_id=task_id, actor=actor)
    fields: dict[str, Any] = {"outcome": "success"} | output.fields()
    if isinstance(call, SendTaskFailure):
        fields = {"outcome": "failure", "error": call.error or "", "cause": call.cause or ""}
    return contract.SettleRequested(task_id=task_id, actor=actor, via="token", idempotent=idempotent, **fields)


class _Refusal(msgspec.Struct):
    reason: str


def check_decided(outcome: Outcome | None, *, ours: bool) -> None:
    """``ours``: the token has the form of those issued here. Raises AwsError for a decision against the call."""
    if outcome is None:
        raise AwsError("ServiceUnavailable", "Not decided in time; the same call again gets the decision", 503)
    if outcome.fact_type.split(".")[-2] != "CommandRefused":
        return
    if msgspec.json.decode(outcome.fact, type=_Refusal).reason != "unknown":
        raise AwsError("TaskTimedOut", CLOSED)
    if ours:
        raise AwsError("TaskDoesNotExist", "Task does not exist")
    raise AwsError("InvalidToken", "Invalid Token: 'Invalid token'")


def answered(request_id: str) -> Response:
    return Response(b"{}", 200, headers={"x-amzn-RequestId": request_id}, media_type=MEDIA_TYPE)


def refused(error: AwsError, request_id: str) -> Response:
    body = msgspec.json.encode({"__type": error.code, "message": str(error)})
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": error.code}
    return Response(body, error.status, headers=headers, media_type=MEDIA_TYPE)
