"""Jobs, their slots and their attempts as clients get to see them, for OpenAPI; routes write the values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tocsin.cron import CronFormat, DstPolicy
from tocsin.events.vocabulary import Catchup, JobStatus, Overlap, SlotVerdict

JOB_EXAMPLE: dict[str, Any] = {
    "id": "j_mzxw6ytboi5dcmrtgq2tmnzyha-1",
    "workspace": "default",
    "name": "nightly report",
    "status": "active",
    "schedule": {"type": "cron", "cron": "30 2 * * MON-FRI", "run_at": None},
    "cron": "30 2 * * MON-FRI",
    "run_at": None,
    "timezone": "Europe/Berlin",
    "cron_format": None,
    "dst": "vixie",
    "callback_url": "https://hooks.example.com/nightly",
    "payload": {"report": "sales"},
    "payload_digest": None,
    "headers": {"Authorization": "***"},
    "next_run": "2026-11-23T01:30:00.000Z",
    "last_run": {
        "run_id": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "slot": "2026-11-20T01:30:00.000Z",
        "status": "succeeded",
        "finished_at": "2026-11-20T01:30:00.412Z",
    },
    "last_run_status": "succeeded",
    "max_attempts": 4,
    "catchup": "last",
    "catchup_window": 86400,
    "catchup_on_resume": False,
    "overlap": "allow",
    "jitter_seconds": 0,
    "expected_status": [],
    "tags": ["reports"],
    "resolve_on_success": True,
    "spec_version": 1,
    "created_by": "ana",
    "created_at": "2026-11-19T10:02:11.020Z",
    "updated_at": "2026-11-20T01:30:00.431Z",
    "version": 4711,
}


class Schedule(BaseModel):
    """When it runs: by cron, or once."""

    type: Literal["cron", "once"]
    cron: str | None
    run_at: datetime | None


class LastRun(BaseModel):
    """The run that began last. `gone`: the endpoint wants no more (410); `cancelled`: by a pause, a deletion or a
    newer slot."""

    run_id: str
    slot: datetime
    status: Literal["running", "succeeded", "failed", "gone", "cancelled"]
    finished_at: datetime | None


class Job(BaseModel):
    """A webhook with a schedule. `payload` is null in lists and answers of commands when it is over 4 KiB; the single
    job has all of it. Secret headers are answered as `***`. `catchup_window` in seconds."""

    model_config = ConfigDict(json_schema_extra={"examples": [JOB_EXAMPLE]})

    id: str
    workspace: str
    name: str
    status: JobStatus
    schedule: Schedule
    cron: str | None
    run_at: datetime | None
    timezone: str
    cron_format: CronFormat | None
    dst: DstPolicy
    callback_url: str
    payload: Any
    payload_digest: str | None
    headers: dict[str, str]
    next_run: datetime | None
    last_run: LastRun | None
    last_run_status: Literal["succeeded", "failed", "running"] | None
    max_attempts: int
    catchup: Catchup
    catchup_window: int
    catchup_on_resume: bool
    overlap: Overlap
    jitter_seconds: int
    expected_status: list[int]
    tags: list[str]
    resolve_on_success: bool
    spec_version: int
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int


class JobPage(BaseModel):
    """A page of jobs. `total` counts the whole list."""

    items: list[Job]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


class Slot(BaseModel):
    """What became of a slot. `more`: so many older slots, from `first` on, share the verdict and have no entry."""

    slot: datetime
    spec_version: int
    verdict: SlotVerdict
    reason: str
    run_id: str | None
    lateness_ms: int | None
    decided_at: datetime
    more: int
    first: datetime | None


class SlotPage(BaseModel):
    """A page of slots. `total` counts the whole list."""

    items: list[Slot]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


class Log(BaseModel):
    """One attempt of a run. `attempt` 1 is the first try; `body` is the first 16 KiB of the answer."""

    job_id: str
    delivery_id: str
    run_id: str
    attempt: int
    outcome: str
    reason: str
    status: int | None
    error: str | None
    detail: str | None
    body: str
    body_cut: bool
    duration_ms: int
    lateness_ms: int
    address: str | None
    scheduled_for: datetime
    started_at: datetime
    next_attempt_at: datetime | None


class LogPage(BaseModel):
    """A page of attempts. `total` counts the whole list."""

    items: list[Log]
    total: int
    limit: int
    offset: int
    next_cursor: str | None
