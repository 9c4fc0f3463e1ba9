"""How OpenAPI describes the failure routes. The models say what the parser holds; a test compares the two."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from pydantic.json_schema import models_json_schema

from tocsin.ingest.sources.failure_fields import MAX_LENGTHS
from tocsin.problems import ProblemModel, responses


def _text(name: str, description: str) -> Any:
    return Field(max_length=MAX_LENGTHS[name], description=description)


class FailureReport(BaseModel):
    """A failed run. Unknown fields are kept in `context`."""

    model_config = ConfigDict(extra="allow")

    workflow: Annotated[str, _text("workflow", "The workflow that failed; part of the identity")]
    message: Annotated[str, _text("message", "What went wrong")]
    identifier: Annotated[str, _text("identifier", "What makes two failures the same")] | None = Field(
        None, description="Absent: derived from step and message, without numbers, ids and times"
    )
    step: Annotated[str, _text("step", "Where in the workflow")] | None = None
    severity: str | None = Field("error", description="critical, error, warning, info, or a synonym (P1…P5, high…)")
    context: JsonValue = Field(None, description="Any JSON, kept verbatim")
    occurred_at: AwareDatetime | None = Field(None, description="RFC 3339 with offset; absent: now")
    run_url: Annotated[str, _text("run_url", "http(s) link to the run")] | None = None
    source: Annotated[str, _text("source", "Who reports; re-open policies go by it")] | None = Field("api")
    event_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._:-]{1,128}$",
        description="Reports with the same id count once; the header Idempotency-Key wins over it",
    )


class FailureAccepted(BaseModel):
    """The report is stored. Its ticket is `<ticket_entity>-<episode>`; `status_url` tells which, once decided."""

    event_id: str
    identifier: str
    identity_reason: str
    status_url: str
    ticket_entity: str


class BatchItem(BaseModel):
    """202 with the event id, or the problem of this item."""

    index: int
    status: int
    event_id: str | None = None
    problem: ProblemModel | None = None


class BatchAccepted(BaseModel):
    """What became of each item, in order."""

    accepted: int
    rejected: int
    items: list[BatchItem]


MODELS: Final[tuple[type[BaseModel], ...]] = (FailureReport, FailureAccepted, BatchAccepted, ProblemModel)

_EXAMPLE: Final = {
    "workflow": "nightly-backup",
    "identifier": "backup/db-7",
    "step": "upload",
    "message": "upload failed after 3 attempts: connection reset",
    "severity": "error",
    "run_url": "https://ci.example.com/runs/4711",
    "context": {"host": "db-7", "attempts": 3},
}
_EVENT_ID: Final = "3f2c9a4be0b14b0d8d8c3c1d2e4f5a6b"
_ACCEPTED: Final = {
    "event_id": _EVENT_ID,
    "identifier": "backup/db-7",
    "identity_reason": "given by the sender",
    "status_url": f"/commands/{_EVENT_ID}",
    "ticket_entity": "t_ldccopes6uacahgduvspztpl34",
}
_BATCH_ACCEPTED: Final = {"accepted": 1, "rejected": 0, "items": [{"index": 0, "status": 202, "event_id": _EVENT_ID}]}
IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Makes a repeat safe: the same key counts once. After a 503 only a request that had one is exact.",
}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _accepted(model: type[BaseModel], example: object) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": _reference(model), "example": example}}
    return {202: {"description": "Stored durably", "content": content}}


_NONE_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    422: {
        "description": "Every item is wrong, each with its problem; or the body is no list of reports",
        "content": responses(422)[422]["content"] | {"application/json": {"schema": _reference(BatchAccepted)}},
    }
}

REPORT: Final[dict[str, Any]] = {
    "operation_id": "report_failure",
    "summary": "Report a failed run",
    "description": "Answered once Kafka has it. The same identity adds to its unresolved ticket, else opens one.",
    "responses": _accepted(FailureAccepted, _ACCEPTED) | responses(400, 403, 413, 415, 422, 429),
    "openapi_extra": {
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _reference(FailureReport), "example": _EXAMPLE}},
        },
    },
}

REPORT_ALL: Final[dict[str, Any]] = {
    "operation_id": "report_failures",
    "summary": "Report many failed runs",
    "description": "Up to 5,000 items in 8 MiB. Items stand alone: 422 only when every one is wrong.",
    "responses": _accepted(BatchAccepted, _BATCH_ACCEPTED) | responses(400, 403, 413, 415, 429) | _NONE_ACCEPTED,
    "openapi_extra": {
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "array", "items": _reference(FailureReport), "minItems": 1, "maxItems": 5000},
                    "example": [_EXAMPLE],
                },
                "application/x-ndjson": {"schema": {"type": "string", "description": "One report a line"}},
            },
        },
    },
}


def component_schemas() -> dict[str, Any]:
    """The schemas that the descriptions refer to."""
    _, found = models_json_schema(
        [(model, "serialization") for model in MODELS], ref_template="#/components/schemas/{model}"
    )
    return dict(found["$defs"])
