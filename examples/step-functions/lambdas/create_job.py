"""``poc-create-job``: keeps the workflow's token, then starts the outside job.

In that order: a job whose token is lost could never wake its workflow. The workflow hears of a failure by its token, at
once and with a cause, not only by the failing function: then it does not matter whether whoever invoked the function
(a queue, an emulator) reports that on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final, cast

from lambdas import registration, token_table
from lambdas.clients import client
from lambdas.decisions import Waiting, failure
from lambdas.settling import tell

_MAX_ATTEMPTS: Final = 1_000
_MAX_MS: Final = 365 * 86_400_000
"""An execution lasts at most a year. Source: AWS Step Functions quotas."""


class InvalidJob(Exception):
    """The request cannot become a job; says which field and what is allowed."""


class ServiceRefused(Exception):
    """The outside service did not take the job."""


def handle(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """A request, or SQS records whose bodies are requests."""
    if "Records" not in event:
        return start(event)
    return {"started": [start(json.loads(record["body"])) for record in event["Records"]]}


def start(request: Mapping[str, Any]) -> dict[str, Any]:
    """``{task_token, execution, job: {name, …}, polling: {interval_ms, max_attempts, timeout_ms, heartbeat, by}}``.

    Raises what stopped it, after the workflow was told.
    """
    now = time.time_ns() // 1_000_000
    token = str(request.get("task_token") or "")
    if not token:
        raise InvalidJob("task_token: required")
    stored = False
    try:
        row, polled_by = _row(token, request, now), _polled_by(request)
        stored = token_table.store(row, str(request.get("execution", "")), now)
        job_id = _create(dict(request["job"]), row.token_id)
        if registration.configured():
            registration.register(row, job_id, str(request.get("execution", "")), polled_by, now)
        if polled_by == "poc-poller":
            token_table.name_job(row, job_id, now)
        else:
            token_table.hand_over(row.token_id, job_id, polled_by, now)
    except Exception as error:
        _give_up(token, error, stored=stored)
        raise
    return {"token_id": row.token_id, "job_id": job_id}


def _row(token: str, request: Mapping[str, Any], now: int) -> Waiting:
    job, polling = request.get("job"), request.get("polling") or {}
    if not isinstance(job, Mapping) or not job.get("name"):
        raise InvalidJob("job.name: required, a text that is not empty")
    if not isinstance(polling, Mapping):
        raise InvalidJob("polling: an object")
    deadline = now + _whole(polling, "timeout_ms", 3_600_000, _MAX_MS)
    return Waiting(
        token_id=token_table.token_id(token),
        task_token=token,
        status="PENDING",
        attempts=0,
        max_attempts=_whole(polling, "max_attempts", 60, _MAX_ATTEMPTS),
        interval_ms=_whole(polling, "interval_ms", 60_000, _MAX_MS),
        deadline=deadline,
        next_poll=deadline,  # until the job has a name there is nothing to ask; the deadline holds all the same
        heartbeat=bool(polling.get("heartbeat", False)),
    )


def _polled_by(request: Mapping[str, Any]) -> registration.PolledBy:
    who = (request.get("polling") or {}).get("by", "poc-poller")
    allowed = registration.POLLED_BY if registration.configured() else ("poc-poller",)
    if who not in allowed:
        raise InvalidJob(f"polling.by: one of {', '.join(allowed)} here, not {who!r}")
    return cast(registration.PolledBy, who)


def _whole(polling: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = polling.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidJob(f"polling.{name}: a whole number from 1 to {most}, not {value!r}")
    return value


def _create(job: dict[str, Any], row_id: str) -> str:
    event = {"action": "CREATE_JOB", "job": job, "idempotency_key": row_id}
    function = os.environ.get("SIMULATED_API_FUNCTION", "poc-simulated-api")
    answer = client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    body = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise ServiceRefused(str(body.get("errorMessage", body)))
    return str(body["job_id"])


def _give_up(token: str, error: Exception, *, stored: bool) -> None:
    """The workflow hears of it; when the token was kept, the table shows it as well."""
    what, now = failure("FAILED", str(error), error=type(error).__name__), time.time_ns() // 1_000_000
    row_id = token_table.token_id(token)
    if stored and not token_table.settle(row_id, what, "", now, now):
        return
    word, code = tell(token, what)
    if stored and word != "pending":
        token_table.conclude(row_id, word, code, now)
