"""What an answer about an outside job means for the workflow that waits for it: values in, one settlement out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

Status = Literal["PENDING", "POLLING", "COMPLETED", "FAILED", "TIMEOUT", "MAX_ATTEMPTS"]
WAITING: Final = ("PENDING", "POLLING")

MAX_OUTPUT_BYTES: Final = 262_144
MAX_ERROR_BYTES: Final = 256
MAX_CAUSE_BYTES: Final = 32_768
"""Source of all three: AWS Step Functions API reference, SendTaskSuccess and SendTaskFailure; UTF-8."""


@dataclass(frozen=True)
class Waiting:
    """A row of ``poc-task-tokens``. Times in ms since 1970, UTC. ``attempts``: polls claimed, this one included."""

    token_id: str
    task_token: str
    status: Status
    attempts: int
    max_attempts: int
    interval_ms: int
    deadline: int
    next_poll: int
    job_id: str = ""
    heartbeat: bool = False
    confirmation: str = ""


@dataclass(frozen=True)
class Answer:
    """What the outside service said of its job; ``status`` is empty when it did not answer."""

    status: str
    result: Any = None
    reason: str = ""


@dataclass(frozen=True)
class Settlement:
    """``output``: JSON of a success; error and cause: of a failure."""

    status: Status
    output: str = ""
    error: str = ""
    cause: str = ""


def decide(row: Waiting, answer: Answer, now: int) -> Settlement | None:
    """None while there is to be waited. What the job says goes before the clock and the count."""
    if answer.status == "COMPLETED":
        output = json.dumps(answer.result)
        if len(output.encode()) > MAX_OUTPUT_BYTES:
            return failure("FAILED", f"the result has {len(output.encode())} bytes", error="ResultTooLarge")
        return Settlement("COMPLETED", output=output)
    if answer.status == "FAILED":
        return failure("FAILED", answer.reason or f"job {row.job_id} failed")
    if now >= row.deadline:
        return failure("TIMEOUT", f"job {row.job_id} had not ended by its deadline, after {row.attempts} polls")
    if row.attempts >= row.max_attempts:
        return failure("MAX_ATTEMPTS", f"job {row.job_id} had not ended after {row.attempts} polls")
    return None


def failure(status: Status, cause: str, *, error: str = "") -> Settlement:
    """``error``: what a Catch goes by; the status unless something more precise is known."""
    return Settlement(status, error=cut(error or status, MAX_ERROR_BYTES), cause=cut(cause, MAX_CAUSE_BYTES))


def cut(text: str, most_bytes: int) -> str:
    """As much of the text as fits in UTF-8."""
    return text.encode(errors="replace")[:most_bytes].decode(errors="ignore")
