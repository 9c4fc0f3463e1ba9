"""What lists of tasks and of their polls can be asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tocsin.api.queries.parameters import Filter, Instant, Paging, Text, listed
from tocsin.events.vocabulary import (
    CONFIRMATIONS,
    SETTLED_TASKS,
    TASK_STATUSES,
    WAITING_TASKS,
    Confirmation,
    TaskStatus,
)

MAX_WAIT_SECONDS = 20.0
_SYNONYMS: dict[str, tuple[TaskStatus, ...]] = {"WAITING": WAITING_TASKS, "SETTLED": SETTLED_TASKS}


def _statuses(value: Any) -> list[str]:
    found: dict[str, None] = {}
    for word in listed(value):
        wanted = _SYNONYMS.get(word.upper(), (word.upper(),))
        if any(one not in TASK_STATUSES for one in wanted):
            allowed = (*TASK_STATUSES, *map(str.lower, _SYNONYMS))
            raise PydanticCustomError("unknown_status", "{word} is no status here", {"word": word, "allowed": allowed})
        found |= dict.fromkeys(wanted)
    return list(found)


def _confirmations(value: Any) -> list[str]:
    found = list(dict.fromkeys(listed(value)))
    if unknown := [word for word in found if word not in CONFIRMATIONS]:
        context = {"word": unknown[0], "allowed": CONFIRMATIONS}
        raise PydanticCustomError("unknown_confirmation", "{word} is no confirmation", context)
    return found


class TaskFilter(Filter):
    """Which tasks a list has."""

    status: Annotated[list[TaskStatus], BeforeValidator(_statuses)] = Field(
        [], description="Comma list, any case; `waiting` = PENDING and POLLING, `settled` = the others"
    )
    confirmation: Annotated[list[Confirmation], BeforeValidator(_confirmations)] = Field([], description="Comma list")
    owner: Text | None = Field(None, description="Exactly this owner")
    external_job_id: Text | None = Field(None, description="Exactly this job")
    has_deadline: bool | None = None
    min_age_seconds: float | None = Field(
        None, ge=0, le=10 * 366 * 86_400, allow_inf_nan=False, description="Registered at least so long ago"
    )
    created_from: Instant | None = None
    created_to: Instant | None = None
    updated_from: Instant | None = None
    updated_to: Instant | None = None


class TaskQuery(TaskFilter, Paging):
    """A page of a filtered list."""

    sort: Literal["created_at", "-created_at", "updated_at", "-updated_at", "deadline", "-deadline"] = Field(
        "-created_at", description="By deadline, tasks without one come last"
    )


class Waiting(Filter):
    """How long to wait for the end of a task."""

    wait_seconds: float = Field(
        0, ge=0, le=MAX_WAIT_SECONDS, allow_inf_nan=False, description="Answers at once when the task is settled"
    )


class PolledQuery(Filter, Paging):
    """A page of what the polls of a task found."""

    sort: Literal["poll", "-poll"] = Field("-poll", description="Newest first unless asked otherwise")
