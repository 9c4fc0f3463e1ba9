"""Bodies about tasks: what they may say, for OpenAPI and the routes. Values that are JSON are passed on as sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tocsin.events.vocabulary import TaskOutcome
from tocsin.ingest.routes.commanding import Actor, Reason, Words
from tocsin.problems import wrong_field
from tocsin.task_tokens import MAX_TOKEN

YEAR_SECONDS: Final = 366 * 86_400
MIN_INTERVAL_SECONDS: Final = 0.1
MAX_POLLS: Final = 100_000
_STRICT: Final = ConfigDict(extra="forbid", frozen=True)

Seconds = Annotated[float, Field(gt=0, le=YEAR_SECONDS, allow_inf_nan=False)]
Interval = Annotated[float, Field(ge=MIN_INTERVAL_SECONDS, le=86_400, allow_inf_nan=False)]
Value = Annotated[Words, StringConstraints(min_length=1, max_length=100)]
Values = Annotated[list[Value], Field(min_length=1, max_length=50)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
JsonPath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(description="`$` is the whole answer; then `.name`, `['any name']`, `[0]`, `[-1]`", examples=["$.job.state"]),
]


class ExternalJob(BaseModel):
    """The job outside that the task waits for. `metadata`: any JSON of at most 4 KiB."""

    model_config = _STRICT

    id: Annotated[Words, StringConstraints(max_length=200)] = ""
    metadata: Any = None


class PollBody(BaseModel):
    """How the outside job is asked: at `url`, or by invoking a Lambda function that the operator lets tasks invoke."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)

    url: Url | None = None
    lambda_function: Annotated[str, StringConstraints(min_length=1, max_length=170)] | None = Field(
        None, alias="lambda"
    )
    method: Literal["GET", "POST"] | None = Field(None, description="GET, or POST where there is a payload")
    headers: dict[str, Any] = Field({}, description="Secret ones are encrypted at rest and answered as `***`")
    payload: Any = Field(None, description="JSON of at most 4 KiB: the body of a POST, or the event of the function")
    interval_seconds: Interval
    backoff: float = Field(1.0, ge=1, le=10, allow_inf_nan=False, description="Factor from one interval to the next")
    max_interval_seconds: Interval = 3_600
    max_attempts: int = Field(1_000, ge=1, le=MAX_POLLS, description="Polls, those without an answer included")
    status_path: JsonPath = "$.status"
    result_path: JsonPath = "$"
    completed_values: Values = ["COMPLETED", "SUCCEEDED"]
    failed_values: Values = ["FAILED"]

    @model_validator(mode="after")
    def _asks_somebody(self) -> PollBody:
        if (self.url is None) == (self.lambda_function is None):
            raise wrong_field("url", "one_of", "url or lambda is needed, and only one of them", ("url", "lambda"))
        if self.payload is not None and self.method == "GET":
            raise wrong_field("payload", "payload_of_get", "a GET has no payload")
        if {value.casefold() for value in self.completed_values} & {value.casefold() for value in self.failed_values}:
            raise wrong_field("failed_values", "both", "a value cannot mean completed and failed")
        return self


class Registration(BaseModel):
    """A token that a workflow waits for. Without `task_token` tocsin issues one, and shows it once."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "external_job": {"id": "export-7", "metadata": {"tenant": "acme"}},
                    "poll": {
                        "url": "https://jobs.example.com/export-7",
                        "interval_seconds": 30,
                        "backoff": 2,
                        "max_interval_seconds": 300,
                        "max_attempts": 100,
                        "status_path": "$.state",
                        "result_path": "$.output",
                        "completed_values": ["DONE"],
                        "failed_values": ["ERROR", "CANCELLED"],
                    },
                    "timeout_seconds": 3600,
                    "owner": "data team",
                }
            ]
        },
    )

    task_token: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TOKEN, pattern=r"^[!-~]+$")] | None = None
    external_job: ExternalJob = ExternalJob()
    poll: PollBody | None = None
    timeout_seconds: Seconds | None = Field(
        None, description="From now to the deadline; needed unless allow_no_deadline"
    )
    allow_no_deadline: bool = False
    heartbeat_seconds: Seconds | None = Field(
        None, description="Without a sign of life for so long the task ends as TIMEOUT; it never moves the deadline"
    )
    owner: Annotated[Words, StringConstraints(max_length=200)] = ""
    on_settled_url: Url | None = Field(None, description="Hears of the end by a signed webhook")
    execution_url: Url | None = Field(None, description="A link for people, to the execution that waits")

    @model_validator(mode="after")
    def _clocks_agree(self) -> Registration:
        if self.timeout_seconds is None and not self.allow_no_deadline:
            message = "timeout_seconds is needed; allow_no_deadline says that a task may wait for ever"
            raise wrong_field("timeout_seconds", "no_deadline", message)
        if self.timeout_seconds is not None and self.allow_no_deadline:
            raise wrong_field(
                "allow_no_deadline", "deadline_twice", "timeout_seconds and allow_no_deadline exclude each other"
            )
        if self.heartbeat_seconds and self.poll and self.heartbeat_seconds < 2 * self.poll.interval_seconds:
            message = "heartbeat_seconds must be at least twice poll.interval_seconds: a poll is the sign of life"
            raise wrong_field("heartbeat_seconds", "heartbeat_too_short", message)
        return self


class Settle(BaseModel):
    """How the outside job ended: `result` of a success, at most 262,144 bytes; `error` and `cause` of a failure."""

    model_config = _STRICT

    outcome: TaskOutcome
    result: Any = None
    error: Words = Field("", description="At most 256 bytes", examples=["DiskFull"])
    cause: Words = Field("", description="At most 32,768 bytes")
    actor: Actor | None = None

    @model_validator(mode="after")
    def _of_its_outcome(self) -> Settle:
        if self.outcome == "success" and (self.error or self.cause):
            raise wrong_field(
                "error" if self.error else "cause", "error_of_success", "a success has no error and no cause"
            )
        if self.outcome == "failure" and self.result is not None:
            raise wrong_field("result", "result_of_failure", "a failure has no result")
        return self


class Callback(BaseModel):
    """What an outside job says of itself. RUNNING is a sign of life."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"status": "COMPLETED", "result": {"rows": 42}}]}
    )

    status: Literal["COMPLETED", "FAILED", "RUNNING"]
    result: Any = None
    error: Words = ""
    cause: Words = ""


class Cancel(BaseModel):
    """Why nobody is to wait any longer."""

    model_config = _STRICT

    reason: Reason | None = None
    actor: Actor | None = None


class Extension(BaseModel):
    """The new deadline: an instant, or so many seconds from now."""

    model_config = _STRICT

    deadline: AwareDatetime | None = None
    timeout_seconds: Seconds | None = None
    actor: Actor | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Extension:
        if (self.deadline is None) == (self.timeout_seconds is None):
            allowed = ("deadline", "timeout_seconds")
            raise wrong_field("deadline", "one_of", "deadline or timeout_seconds is needed, and only one", allowed)
        if self.deadline is not None and not _within_years(self.deadline):
            raise wrong_field("deadline", "out_of_range", "the deadline is within ten years")
        return self


def _within_years(moment: datetime) -> bool:
    now = datetime.now(moment.tzinfo)
    return abs(moment.year - now.year) <= 10
