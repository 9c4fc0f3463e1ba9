"""``poc-simulated-api``: an outside service with slow jobs, in table ``poc-jobs``.

A job ends when it was asked about ``complete_after_polls`` times, so a test needs no clock; 0 means that it never ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from lambdas.clients import table

DEFAULT_POLLS: Final = 3
_OUTCOMES: Final = ("COMPLETED", "FAILED")


class JobNotFound(Exception):
    """No such job."""


class JobRefused(Exception):
    """The service does not take this job."""


def handle(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """``{"action": "CREATE_JOB", "job": …, "idempotency_key": …}`` or ``{"action": "CHECK_STATUS", "job_id": …}``."""
    action = event.get("action")
    if action == "CREATE_JOB":
        return create_job(event.get("job") or {}, str(event["idempotency_key"]))
    if action == "CHECK_STATUS":
        return check_status(str(event["job_id"]))
    raise ValueError(f"action is CREATE_JOB or CHECK_STATUS, not {action!r}")


def create_job(job: Mapping[str, Any], idempotency_key: str) -> dict[str, Any]:
    """The same key gives the same job. Raises JobRefused when the job cannot be run."""
    outcome = str(job.get("outcome", "COMPLETED"))
    if outcome not in _OUTCOMES:
        raise JobRefused(f"outcome is one of {', '.join(_OUTCOMES)}, not {outcome!r}")
    job_id = f"job-{idempotency_key[:16]}"
    item = {
        "job_id": job_id,
        "name": str(job.get("name", "")),
        "outcome": outcome,
        "complete_after_polls": int(
            job.get("complete_after_polls", os.environ.get("COMPLETE_AFTER_POLLS", DEFAULT_POLLS))
        ),
        "polls": 0,
        "status": "RUNNING",
        "created_at": time.time_ns() // 1_000_000,
    }
    try:
        _jobs().put_item(Item=item, ConditionExpression="attribute_not_exists(job_id)")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
    return {"job_id": job_id, "status": "RUNNING"}


def check_status(job_id: str) -> dict[str, Any]:
    """Counts the poll. Raises JobNotFound."""
    try:
        job = _jobs().update_item(
            Key={"job_id": job_id},
            UpdateExpression="ADD polls :one",
            ConditionExpression="attribute_exists(job_id)",
            ExpressionAttributeValues={":one": 1},
            ReturnValues="ALL_NEW",
        )["Attributes"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            raise JobNotFound(job_id) from None
        raise
    polls, wanted = int(job["polls"]), int(job["complete_after_polls"])
    if wanted == 0 or polls < wanted:
        return {"job_id": job_id, "status": "RUNNING", "polls": polls}
    _jobs().update_item(
        Key={"job_id": job_id},
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": job["outcome"]},
    )
    ended = {"job_id": job_id, "status": str(job["outcome"]), "polls": polls}
    if job["outcome"] == "FAILED":
        return {**ended, "reason": f"job {job['name'] or job_id} failed at poll {polls}"}
    return {**ended, "result": {"job_id": job_id, "name": job["name"], "rows": 1234, "polls": polls}}


def _jobs() -> Any:
    return table("JOBS_TABLE", "poc-jobs")
