"""How OpenAPI describes the commands on jobs. The models say what the readers hold; a test compares the two."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.json_schema import models_json_schema

from tocsin.cron import CronFormat, DstPolicy
from tocsin.events.vocabulary import Catchup, Overlap
from tocsin.ingest import job_fields
from tocsin.ingest.routes.commanding import ACTOR, HEADERS, LATER
from tocsin.ingest.routes.failures_documentation import IDEMPOTENCY_KEY
from tocsin.problems import responses

EXAMPLE: Final[dict[str, Any]] = {
    "name": "nightly report",
    "cron": "30 2 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "callback_url": "https://hooks.example.com/nightly",
    "payload": {"report": "sales"},
    "headers": {"Authorization": "Bearer s3cr3t"},
}
_EXACTLY: Final = "Exactly one of cron and run_at is needed"


class JobChange(BaseModel):
    """Any fields of a job. null puts the default back; `cron` and `run_at` take the place of each other.

    A header whose value is `***` keeps the value it has.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=job_fields.MAX_NAME)] | None = None
    callback_url: str | None = Field(None, description="http(s); a public address unless the operator allows others")
    cron: str | None = Field(None, max_length=256, description=f"docs/howto/cron.md. {_EXACTLY}")
    cron_format: CronFormat | None = Field(None, description="How an expression of six fields is written")
    run_at: str | None = Field(
        None, description=f"ISO 8601; without offset by the clock of timezone, which then is needed. {_EXACTLY}"
    )
    timezone: str | None = Field("UTC", description="IANA name", examples=["Europe/Berlin"])
    dst: DstPolicy | None = Field("vixie", description="What clock changes do to a fixed time")
    payload: JsonValue = Field(None, description="Any JSON, sent verbatim")
    headers: dict[str, str] | None = Field(
        None, description="Authorization, Cookie, *-key, *-token and *-secret are encrypted and answered as ***"
    )
    max_attempts: Annotated[int, Field(ge=1, le=job_fields.MAX_ATTEMPTS)] | None = Field(
        4, description="With the first"
    )
    catchup: Catchup | None = Field("last", description="Which of the slots that were missed runs")
    catchup_window: Annotated[int, Field(ge=0, le=job_fields.MAX_CATCHUP_WINDOW_SECONDS)] | None = Field(
        86_400, description="Seconds; what was missed longer ago never runs"
    )
    catchup_on_resume: bool | None = Field(False, description="Slots of a pause count as missed")
    overlap: Overlap | None = Field("allow", description="What a slot does while an earlier run has not ended")
    jitter_seconds: Annotated[int, Field(ge=0, le=job_fields.MAX_JITTER_SECONDS)] | None = 0
    expected_status: (
        Annotated[list[Annotated[int, Field(ge=200, le=599)]], Field(max_length=job_fields.MAX_STATUSES)] | None
    ) = Field(None, description="What counts as success; none: every 2xx")
    tags: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=job_fields.MAX_TAG)]],
            Field(max_length=job_fields.MAX_TAGS),
        ]
        | None
    ) = None
    resolve_on_success: bool | None = Field(True, description="The next success resolves the ticket of a final failure")


class JobRequest(JobChange):
    """A job to be. Exactly one of `cron` and `run_at`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    name: Annotated[str, Field(min_length=1, max_length=job_fields.MAX_NAME)]
    callback_url: str = Field(description="http(s); a public address unless the operator allows others")


class PreviewRun(BaseModel):
    """A time: in UTC, and by the clock of the zone with its offset."""

    at: str
    local: str
    offset: str


class PreviewWarning(BaseModel):
    """What may surprise."""

    code: str
    message: str


class PreviewSchedule(BaseModel):
    """`run_at` is the instant that was understood."""

    type: Literal["cron", "once"]
    cron: str | None
    run_at: str | None


class JobPreview(BaseModel):
    """What a schedule will do. `tzdata`: the release of the rules by which it was computed."""

    schedule: PreviewSchedule
    timezone: str
    dst: DstPolicy
    sentence: str
    next_runs: list[PreviewRun]
    warnings: list[PreviewWarning]
    tzdata: str


class JobRunStarted(BaseModel):
    """A run beside the schedule; `logs` (also Location) shows its attempts."""

    job_id: str
    run_id: str
    delivery_id: str
    logs: str


MODELS: Final[tuple[type[BaseModel], ...]] = (JobChange, JobRequest, JobPreview, JobRunStarted)


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}


def _body(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": _reference(model)}}


_CHANGED: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "The job after it"}}
_CREATED: Final[dict[int | str, dict[str, Any]]] = {201: {"description": "The job; Location names it"}}
_QUOTA: Final[dict[int | str, dict[str, Any]]] = {
    429: responses(429)[429] | {"description": "The workspace has as many jobs as it may have (`quota-exceeded`)"}
}
_RUN: Final[dict[int | str, dict[str, Any]]] = {
    201: {"description": "The run; Location shows its attempts", "content": _reference(JobRunStarted)}
}
_PREVIEWED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "What will happen", "content": _reference(JobPreview)}
}
_WITHOUT_VERSION: Final[dict[str, Any]] = {"parameters": [IDEMPOTENCY_KEY, ACTOR]}

CREATE: Final[dict[str, Any]] = {
    "operation_id": "create_job",
    "summary": "Schedule a webhook, by cron or once",
    "responses": _CREATED | LATER | responses(400, 403, 409, 413, 422) | _QUOTA,
    "openapi_extra": _WITHOUT_VERSION | _body(JobRequest),
}
PREVIEW: Final[dict[str, Any]] = {
    "operation_id": "preview_job",
    "summary": "Explain a schedule without saving it",
    "description": "Takes the body of a job; only the schedule is needed. Every wrong field is named.",
    "responses": _PREVIEWED | responses(400, 403, 413),
    "openapi_extra": _body(JobChange),
}
CHANGE: Final[dict[str, Any]] = {
    "operation_id": "change_job",
    "summary": "Change some fields of a job",
    "description": "Slots before the change never run under the new schedule.",
    "responses": _CHANGED | LATER | responses(400, 403, 404, 409, 412, 413, 422) | _QUOTA,
    "openapi_extra": HEADERS | _body(JobChange),
}
DELETE: Final[dict[str, Any]] = {
    "operation_id": "delete_job",
    "summary": "Delete a job: it never runs again, waiting retries included",
    "responses": LATER | responses(403, 404, 412, 422),
    "openapi_extra": HEADERS,
}
PAUSE: Final[dict[str, Any]] = {
    "operation_id": "pause_job",
    "summary": "Let no slot run until it is resumed",
    "responses": _CHANGED | LATER | responses(403, 404, 409, 412, 422),
    "openapi_extra": HEADERS,
}
RESUME: Final[dict[str, Any]] = {
    "operation_id": "resume_job",
    "summary": "Let slots run again; also a job that tocsin disabled",
    "responses": _CHANGED | LATER | responses(403, 404, 409, 412, 422) | _QUOTA,
    "openapi_extra": HEADERS,
}
RUN: Final[dict[str, Any]] = {
    "operation_id": "run_job",
    "summary": "Run it now, beside its schedule",
    "responses": _RUN | LATER | responses(403, 404, 409, 422),
    "openapi_extra": _WITHOUT_VERSION,
}


def component_schemas() -> dict[str, Any]:
    """The schemas that the descriptions refer to; that of a job is the API's."""
    _, found = models_json_schema(
        [(model, "validation") for model in MODELS], ref_template="#/components/schemas/{model}"
    )
    return dict(found["$defs"])
