"""The scenarios, as values: what goes in, who polls, and what has to come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

FinalState = Literal["UseResult", "TimeoutState", "FailedState"]
NEVER_ENDS: Final = 0


@dataclass(frozen=True)
class Expected:
    """``state``: where the workflow goes after waiting. error: of the failure there; cause: words in it.

    status: of the row; None when there must be none. confirmation: what became of telling Step Functions. polls: at
    least; exactly when ``exact``. clock: ended by a clock of the workflow, so nobody resumes it.
    """

    state: FinalState
    status: str | None
    polls: int = 0
    exact: bool = False
    error: str = ""
    cause: str = ""
    confirmation: str = "confirmed"
    clock: bool = False


@dataclass(frozen=True)
class Scenario:
    """``where``: the stack. polled_late: the poller comes only when the workflow has ended."""

    name: str
    title: str
    where: Literal["ministack", "moto", "tocsin"]
    expected: Expected
    job: Mapping[str, Any]
    polling: Mapping[str, Any] = field(default_factory=dict)
    machine: str = "poc-wait-for-job"
    polled_late: bool = False


def scenarios(polls: int) -> tuple[Scenario, ...]:
    """``polls``: how often a job is asked about before it ends."""
    return (*_on_emulators(polls), *_with_tocsin(polls))


def _with_tocsin(polls: int) -> tuple[Scenario, ...]:
    """The same workflows: settled through tocsin's endpoint by ``poc-poller``, and asked about by tocsin itself."""
    found = {one.name: one for one in _on_emulators(polls)}

    def like(name: str, new: str, title: str, by: str, cause: str | None = None) -> Scenario:
        one = found[name]
        expected = one.expected if cause is None else replace(one.expected, cause=cause)
        return replace(one, name=new, title=title, where="tocsin", polling={**one.polling, "by": by}, expected=expected)

    return (
        like("happy", "settled-by-tocsin", "poc-poller polls and tells tocsin, which tells the workflow", "poc-poller"),
        like("failed", "failure-by-tocsin", "the same for a job that fails", "poc-poller"),
        like("happy", "polled-by-tocsin", "tocsin asks about the job and settles", "tocsin"),
        like("happy", "invoked-by-tocsin", "tocsin asks by invoking poc-simulated-api", "tocsin-lambda"),
        like("failed", "polled-failed", "tocsin finds that the job failed", "tocsin"),
        like("timeout", "polled-timeout", "tocsin waits no longer than the deadline", "tocsin", cause=""),
        like("max-attempts", "polled-max-attempts", "tocsin asks no more often than it may", "tocsin"),
    )


def _on_emulators(polls: int) -> tuple[Scenario, ...]:
    patient = {"interval_ms": 200, "max_attempts": polls + 20, "timeout_ms": 30_000}
    return (
        Scenario(
            "happy",
            "the job completes and its result reaches the next state",
            "ministack",
            Expected("UseResult", "COMPLETED", polls, exact=True),
            {"name": "nightly report", "complete_after_polls": polls},
            patient,
        ),
        Scenario(
            "failed",
            "the job fails",
            "ministack",
            Expected("FailedState", "FAILED", polls, exact=True, error="FAILED", cause="failed at poll"),
            {"name": "nightly report", "complete_after_polls": polls, "outcome": "FAILED"},
            patient,
        ),
        Scenario(
            "timeout",
            "the job does not end before its deadline",
            "ministack",
            Expected("TimeoutState", "TIMEOUT", polls, error="TIMEOUT", cause="by its deadline"),
            {"name": "nightly report", "complete_after_polls": NEVER_ENDS},
            {**patient, "max_attempts": 1_000, "timeout_ms": 1_500 + 800 * polls},
        ),
        Scenario(
            "max-attempts",
            "the job has not ended after the last poll it is given",
            "ministack",
            Expected(
                "FailedState",
                "MAX_ATTEMPTS",
                polls + 1,
                exact=True,
                error="MAX_ATTEMPTS",
                cause=f"after {polls + 1} polls",
            ),
            {"name": "nightly report", "complete_after_polls": NEVER_ENDS},
            {**patient, "max_attempts": polls + 1},
        ),
        Scenario(
            "create-fails",
            "poc-create-job fails before the token is kept",
            "ministack",
            Expected("FailedState", None, error="InvalidJob", cause="job.name"),
            {"outcome": "COMPLETED"},
            patient,
        ),
        Scenario(
            "create-refused",
            "the outside service refuses the job after the token is kept",
            "ministack",
            Expected("FailedState", "FAILED", exact=True, error="ServiceRefused", cause="outcome is one of"),
            {"name": "nightly report", "outcome": "EXPLODED"},
            patient,
        ),
        Scenario(
            "task-timeout",
            "TimeoutSeconds passes: the workflow goes on by itself, the poller learns it",
            "moto",
            Expected("TimeoutState", "TIMEOUT", 1, error="States.Timeout", confirmation="closed_elsewhere", clock=True),
            {"name": "nightly report", "complete_after_polls": NEVER_ENDS},
            {**patient, "heartbeat": True},
            machine="poc-two-seconds",
            polled_late=True,
        ),
        Scenario(
            "late",
            "the job completes after the workflow has gone on: its result is refused",
            "moto",
            Expected(
                "TimeoutState", "COMPLETED", 1, error="States.Timeout", confirmation="rejected_by_aws", clock=True
            ),
            {"name": "nightly report", "complete_after_polls": 1},
            patient,
            machine="poc-two-seconds",
            polled_late=True,
        ),
        Scenario(
            "heartbeat-missed",
            "HeartbeatSeconds passes without a heartbeat",
            "moto",
            Expected("TimeoutState", "TIMEOUT", 1, error="States.Timeout", confirmation="closed_elsewhere", clock=True),
            {"name": "nightly report", "complete_after_polls": NEVER_ENDS},
            {**patient, "heartbeat": True},
            machine="poc-heartbeat",
            polled_late=True,
        ),
        Scenario(
            "heartbeat-kept",
            "heartbeats of the poller keep the workflow waiting longer than HeartbeatSeconds",
            "moto",
            Expected("UseResult", "COMPLETED", polls + 3, exact=True),
            {"name": "nightly report", "complete_after_polls": polls + 3},
            {**patient, "interval_ms": 600, "heartbeat": True},
            machine="poc-heartbeat",
        ),
    )
