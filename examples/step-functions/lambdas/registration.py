"""Handing the token to tocsin, where ``TOCSIN_URL`` names one: it settles the workflow, or even asks about the job.

``TOCSIN_API_KEY``: key of the workspace, with scope ``write``. ``JOB_STATUS_URL``: where tocsin can ask about a job,
with ``{job_id}`` in it.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any, Final, Literal, get_args
from urllib.parse import quote

from lambdas.decisions import Waiting

PolledBy = Literal["poc-poller", "tocsin", "tocsin-lambda"]
"""Who asks about the job: our function; tocsin at a URL; tocsin by invoking ``poc-simulated-api``."""
POLLED_BY: Final = get_args(PolledBy)
_TIMEOUT_SECONDS: Final = 5
_MOST_SHOWN: Final = 500


class RegistrationRefused(Exception):
    """tocsin did not take the token; says what it answered."""


def configured() -> bool:
    return bool(os.environ.get("TOCSIN_URL"))


def register(row: Waiting, job_id: str, execution: str, polled_by: PolledBy, now: int) -> None:
    """Raises RegistrationRefused, or URLError when tocsin does not answer."""
    request = urllib.request.Request(  # noqa: S310 - the operator names it
        f"{os.environ['TOCSIN_URL']}/v1/tasks",
        data=json.dumps(body(row, job_id, execution, polled_by, now)).encode(),
        headers={"content-type": "application/json", "x-api-key": os.environ["TOCSIN_API_KEY"]},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        said = error.read(_MOST_SHOWN).decode(errors="replace")
        raise RegistrationRefused(f"{error.code}: {said}") from None


def body(row: Waiting, job_id: str, execution: str, polled_by: PolledBy, now: int) -> dict[str, Any]:
    """The task as tocsin's API takes it; durations in seconds."""
    task: dict[str, Any] = {
        "task_token": row.task_token,
        "external_job": {"id": job_id, "metadata": {"execution": execution}},
        "timeout_seconds": max(0.1, (row.deadline - now) / 1000),
        "owner": "poc-create-job",
    }
    if execution.startswith("arn:"):
        task["execution_url"] = console(execution)
    if polled_by != "poc-poller":
        task["poll"] = _asked(polled_by, job_id) | {
            "interval_seconds": row.interval_ms / 1000,
            "max_attempts": row.max_attempts,
            "status_path": "$.status",
            "result_path": "$.result",
            "completed_values": ["COMPLETED"],
            "failed_values": ["FAILED"],
        }
    return task


def console(execution: str) -> str:
    """Where AWS shows an execution, by its ARN."""
    region = execution.split(":")[3]
    host = f"https://{region}.console.aws.amazon.com/states/home?region={region}"
    return f"{host}#/v2/executions/details/{quote(execution, safe='')}"


def _asked(polled_by: PolledBy, job_id: str) -> dict[str, Any]:
    if polled_by == "tocsin":
        return {"url": os.environ["JOB_STATUS_URL"].replace("{job_id}", job_id)}
    function = os.environ.get("SIMULATED_API_FUNCTION", "poc-simulated-api")
    return {"lambda": function, "payload": {"action": "CHECK_STATUS", "job_id": job_id}}
