"""What lists of jobs, of their slots and of their attempts can be asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tocsin.api.queries.parameters import Filter, Instant, Paging, Text, listed
from tocsin.events.vocabulary import JOB_STATUSES, SLOT_VERDICTS, JobStatus, SlotVerdict

JobSort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "next_run", "-next_run"]


def _words_of(what: str, *allowed: str) -> BeforeValidator:
    def read(value: Any) -> list[str]:
        found = dict.fromkeys(listed(value))
        for word in found:
            if word not in allowed:
                context = {"word": word, "what": what, "allowed": allowed}
                raise PydanticCustomError(f"unknown_{what}", "{word} is no {what} here", context)
        return list(found)

    return BeforeValidator(read)


class Deleted(Filter):
    """Whether a deleted job is shown."""

    include_deleted: bool = Field(False, description="Deleted jobs too")


class JobFilter(Deleted):
    """Which jobs a list has."""

    status: Annotated[list[JobStatus], _words_of("status", *JOB_STATUSES)] = Field(
        [], description="Comma list, any case; `deleted` shows deleted ones", examples=["active,paused"]
    )
    name: Text | None = Field(None, description="Exactly this name")
    q: Text | None = Field(None, description="Its name or its URL contains this, in any case")
    tag: Text | None = Field(None, description="It has this tag")
    created_from: Instant | None = None
    created_to: Instant | None = None
    updated_from: Instant | None = None
    updated_to: Instant | None = None


class JobQuery(JobFilter, Paging):
    """A page of a filtered list."""

    sort: JobSort = Field("-created_at", description="By next_run, jobs without one come last")


class SlotQuery(Filter, Paging):
    """A page of what became of the slots of a job."""

    verdict: Annotated[list[SlotVerdict], _words_of("verdict", *SLOT_VERDICTS)] = Field(
        [], description="Comma list", examples=["late,missed"]
    )
    sort: Literal["slot", "-slot"] = Field("-slot", description="Newest first unless asked otherwise")


class LogQuery(Filter, Paging):
    """A page of the attempts of a job."""

    run_id: Text | None = Field(None, description="Of this run alone")
    outcome: Text | None = Field(None, description="Exactly this outcome", examples=["failed"])
    sort: Literal["started_at", "-started_at"] = Field("-started_at", description="Newest first unless asked otherwise")
