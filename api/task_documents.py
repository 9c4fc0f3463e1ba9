"""Tasks and their polls as clients get to see them, for OpenAPI; routes write the values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tocsin.events.vocabulary import Confirmation, PollVerdict, TaskOutcome, TaskStatus

TASK_EXAMPLE: dict[str, Any] = {
    "id": "k_0f343b0931126a20f133d67c2b018a3b",
    "workspace": "default",
    "status": "COMPLETED",
    "task_token": "***",
    "token_of": "aws",
    "external_job": {"id": "export-7", "metadata": {"tenant": "acme"}},
    "owner": "data team",
    "poll": {
        "url": "https://jobs.example.com/export-7",
        "lambda": None,
        "method": "GET",
        "headers": {"Authorization": "***"},
        "payload": None,
        "interval_seconds": 30.0,
        "backoff": 2.0,
        "max_interval_seconds": 300.0,
        "max_attempts": 100,
        "status_path": "$.state",
        "result_path": "$.output",
        "completed_values": ["DONE"],
        "failed_values": ["ERROR"],
    },
    "attempts": 3,
    "last_poll": {"verdict": "completed", "external_status": "DONE", "finished_at": "2026-11-20T10:03:31.118Z"},
    "next_poll": None,
    "deadline": "2026-11-20T11:00:00.000Z",
    "heartbeat_seconds": 120.0,
    "heartbeat_due": None,
    "last_heartbeat": "2026-11-20T10:01:31.020Z",
    "on_settled_url": None,
    "execution_url": None,
    "settlement": {
        "outcome": "success",
        "result": {"rows": 42},
        "result_digest": None,
        "error": None,
        "cause": None,
        "settled_by": "tocsin",
        "reason": "polled",
        "settled_at": "2026-11-20T10:03:31.130Z",
        "confirmation": "confirmed",
        "confirmation_code": None,
        "confirmation_detail": None,
        "confirmation_attempts": 1,
        "confirmed_at": "2026-11-20T10:03:31.171Z",
    },
    "created_by": "workflow",
    "created_at": "2026-11-20T10:00:00.020Z",
    "updated_at": "2026-11-20T10:03:31.190Z",
    "version": 4711,
}


class ExternalJobShown(BaseModel):
    """The job outside."""

    id: str
    metadata: Any


class PollShown(BaseModel):
    """How it is asked. `max_attempts` counts polls without an answer, too."""

    url: str | None
    lambda_: str | None = Field(alias="lambda")
    method: Literal["GET", "POST"]
    headers: dict[str, str]
    payload: Any
    interval_seconds: float
    backoff: float
    max_interval_seconds: float
    max_attempts: int
    status_path: str
    result_path: str
    completed_values: list[str]
    failed_values: list[str]


class LastPoll(BaseModel):
    """The poll that ended last; `external_status` is the last word the job said of itself."""

    verdict: PollVerdict
    external_status: str | None
    finished_at: datetime


class Settlement(BaseModel):
    """How it ended. `result` is null in lists and answers of commands when it is over 4 KiB; the single task has it.

    `confirmation`: whether AWS took it. `unconfirmed`: AWS says the task is closed, and a try of ours may have closed
    it; `rejected_by_aws` and `undelivered` open a ticket; `not_needed`: the token is tocsin's own.
    """

    outcome: TaskOutcome
    result: Any
    result_digest: str | None
    error: str | None
    cause: str | None
    settled_by: str
    reason: str
    settled_at: datetime
    confirmation: Confirmation
    confirmation_code: str | None
    confirmation_detail: str | None
    confirmation_attempts: int | None
    confirmed_at: datetime | None


class Task(BaseModel):
    """A token that a workflow waits for. `attempts` counts polls that ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [TASK_EXAMPLE]})

    id: str
    workspace: str
    status: TaskStatus
    task_token: Literal["***"]
    token_of: Literal["tocsin", "aws"]
    external_job: ExternalJobShown
    owner: str
    poll: PollShown | None
    attempts: int
    last_poll: LastPoll | None
    next_poll: datetime | None
    deadline: datetime | None
    heartbeat_seconds: float | None
    heartbeat_due: datetime | None
    last_heartbeat: datetime | None
    on_settled_url: str | None
    execution_url: str | None
    settlement: Settlement | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int


class TaskPage(BaseModel):
    """A page of tasks. `total` counts the whole list."""

    items: list[Task]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


class PolledShown(BaseModel):
    """What a poll found; `poll` 1 is the first."""

    poll: int
    verdict: PollVerdict
    reason: str
    external_status: str | None
    http_status: int | None
    error: str | None
    detail: str | None
    finished_at: datetime
    decided_at: datetime


class PolledPage(BaseModel):
    """A page of polls. `total` counts the whole list."""

    items: list[PolledShown]
    total: int
    limit: int
    offset: int
    next_cursor: str | None
