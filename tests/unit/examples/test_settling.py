"""What Step Functions answers to a settlement, and what that means for the row."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from lambdas import registration, settling
from lambdas.decisions import Settlement, Waiting, failure

DONE = Settlement("COMPLETED", output="1")


class States:
    """Takes settlements, or answers each with an error."""

    def __init__(self, code: str = "") -> None:
        self.code = code
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, call: str) -> Any:
        def answer(**arguments: Any) -> None:
            self.heard.append((call, arguments))
            if self.code:
                raise ClientError({"Error": {"Code": self.code}}, call)

        return answer


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> States:
    found = States()
    monkeypatch.setattr(settling, "states", lambda: found)
    return found


@pytest.mark.parametrize(
    ("code", "told_before", "word"),
    [
        ("", False, "confirmed"),
        ("", True, "confirmed"),
        ("TaskTimedOut", False, "rejected_by_aws"),
        ("TaskTimedOut", True, "unconfirmed"),
        ("TaskDoesNotExist", True, "unconfirmed"),
        ("InvalidToken", False, "rejected_by_aws"),
        ("InvalidOutput", True, "rejected_by_aws"),
        ("ThrottlingException", False, "pending"),
        ("InternalServerError", True, "pending"),
        ("AccessDeniedException", False, "pending"),
        ("UnrecognizedClientException", False, "pending"),
    ],
)
def test_what_an_answer_to_a_settlement_means(states: States, code: str, told_before: bool, word: str) -> None:
    states.code = code
    assert settling.tell("secret", DONE, told_before=told_before) == (word, code)


def test_a_success_and_a_failure_are_told_as_such(states: States) -> None:
    settling.tell("secret", DONE)
    settling.tell("secret", failure("MAX_ATTEMPTS", "after 3 polls"))
    assert states.heard == [
        ("send_task_success", {"taskToken": "secret", "output": "1"}),
        ("send_task_failure", {"taskToken": "secret", "error": "MAX_ATTEMPTS", "cause": "after 3 polls"}),
    ]


def test_a_heartbeat_says_whether_the_workflow_still_waits(states: States) -> None:
    assert settling.heartbeat("secret") == ""
    states.code = "TaskTimedOut"
    assert settling.heartbeat("secret") == "TaskTimedOut"
    states.code = "ThrottlingException"
    with pytest.raises(ClientError):
        settling.heartbeat("secret")


ROW = Waiting("id", "secret", "PENDING", 0, 9, 500, 90_000, 90_000)
ARN = "arn:aws:states:eu-west-1:123456789012:execution:wait:one"


def test_what_tocsin_is_told_of_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_STATUS_URL", "https://jobs.example.com/{job_id}")
    body = registration.body(ROW, "job-1", ARN, "tocsin", 30_000)
    assert (body["task_token"], body["timeout_seconds"]) == ("secret", 60)
    assert body["execution_url"].startswith(
        "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/"
    )
    assert body["poll"]["url"] == "https://jobs.example.com/job-1"
    assert (body["poll"]["interval_seconds"], body["poll"]["max_attempts"]) == (0.5, 9)
    invoked = registration.body(ROW, "job-1", ARN, "tocsin-lambda", 30_000)["poll"]
    assert (invoked["lambda"], invoked["payload"]) == (
        "poc-simulated-api",
        {"action": "CHECK_STATUS", "job_id": "job-1"},
    )
    assert "poll" not in registration.body(ROW, "job-1", ARN, "poc-poller", 30_000)


def test_what_tocsin_is_told_is_what_its_api_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    from tocsin.ingest.task_bodies import Registration

    monkeypatch.setenv("JOB_STATUS_URL", "https://jobs.example.com/{job_id}")
    for polled_by in registration.POLLED_BY:
        told = registration.body(ROW, "job-1", ARN, polled_by, 30_000)
        read = Registration.model_validate(told)
        assert (read.external_job.id, read.timeout_seconds) == ("job-1", told["timeout_seconds"])
