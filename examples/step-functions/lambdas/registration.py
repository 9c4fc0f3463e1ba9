"""Handing the token to tocsin as well, when ``TOCSIN_URL`` says where it is: it then settles it, or even polls the job.

``JOB_STATUS_URL``: where the outside job can be asked, with ``{job_id}`` in it; without it tocsin is told of the end by
``poc-poller``. ``TOCSIN_API_KEY``: key of the workspace.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any, Final

from lambdas.decisions import Waiting

_TIMEOUT_SECONDS: Final = 5
_MOST_SHOWN: Final = 500


class RegistrationRefused(Exception):
    """tocsin did not take the token; says what it answered."""


def wanted() -> bool:
    return bool(os.environ.get("TOCSIN_URL"))


def polls() -> bool:
    """Whether tocsin asks about the job itself."""
    return wanted() and bool(os.environ.get("JOB_STATUS_URL"))


def register(row: Waiting, job_id: str, execution: str, now: int) -> None:
    """Raises RegistrationRefused, or URLError when tocsin does not answer."""
    request = urllib.request.Request(  # noqa: S310 - the operator names it
        f"{os.environ['TOCSIN_URL']}/v1/tasks",
        data=json.dumps(body(row, job_id, execution, now)).encode(),
        headers={"content-type": "application/json", "x-api-key": os.environ["TOCSIN_API_KEY"]},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        said = error.read(_MOST_SHOWN).decode(errors="replace")
        raise RegistrationRefused(f"{error.code}: {said}") from None


def body(row: Waiting, job_id: str, execution: str, now: int) -> dict[str, Any]:
    """The task as tocsin's API takes it; durations in seconds."""
    task: dict[str, Any] = {
        "task_token": row.task_token,
        "external_job": {"id": job_id, "metadata": {"execution": execution}},
        "timeout_seconds": max(1, (row.deadline - now) // 1000),
        "owner": "poc-create-job",
    }
    if url := os.environ.get("JOB_STATUS_URL"):
        task["poll"] = {
            "url": url.replace("{job_id}", job_id),
            "interval_seconds": row.interval_ms / 1000,
            "max_attempts": row.max_attempts,
            "status_path": "$.status",
            "result_path": "$.result",
            "completed_values": ["COMPLETED"],
            "failed_values": ["FAILED"],
        }
    return task
