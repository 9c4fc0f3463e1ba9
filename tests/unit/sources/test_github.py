"""GitHub's workflow_run: failures become tickets."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.unit.sources.given import body, delivery
from tocsin.events.tickets import FailureReported, SuccessReported
from tocsin.ingest.sources.github import parse
from tocsin.ingest.sources.webhook import Delivery, Unreadable

COMPLETED = body("github/workflow_run_completed.json")


def sent(content: dict[str, Any], event: str = "workflow_run") -> Delivery:
    return delivery(content, x_github_event=event, x_github_delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958")


def run(**changes: Any) -> dict[str, Any]:
    return COMPLETED | {"workflow_run": COMPLETED["workflow_run"] | changes}


@pytest.mark.parametrize("conclusion", ["failure", "timed_out", "startup_failure"])
def test_I1_a_failed_run_is_a_failure_of_its_workflow_and_branch(conclusion: str) -> None:
    reading = parse(sent(run(conclusion=conclusion)))
    [found] = reading.events
    assert isinstance(found, FailureReported)
    assert found.workflow == "octo-org/octo-repo: Build"
    assert found.identifier == "octo-org/octo-repo/159038/main"
    assert found.message == f"Run 562, attempt 2, on main ended with {conclusion}: Update README.md"
    assert found.occurred_at == "2020-01-22T19:40:08.000Z"
    assert found.run_url == "https://github.com/octo-org/octo-repo/actions/runs/30433642"
    assert json.loads(bytes(found.context)) == run(conclusion=conclusion)
    assert reading.delivery_id == "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def test_I1_a_later_success_closes_the_ticket_of_its_failures() -> None:
    [failed], [succeeded] = (parse(sent(run(conclusion=one))).events for one in ("failure", "success"))
    assert isinstance(failed, FailureReported)
    assert isinstance(succeeded, SuccessReported)
    assert (succeeded.workflow, succeeded.identifier) == (failed.workflow, failed.identifier)
    assert (succeeded.reason, succeeded.source) == ("run 562 succeeded", "github")


@pytest.mark.parametrize(
    ("content", "event", "reason"),
    [
        (run(conclusion="skipped"), "workflow_run", "a workflow run that ended with skipped is no failure"),
        (run(conclusion="cancelled"), "workflow_run", "a workflow run that ended with cancelled is no failure"),
        (run(conclusion=None), "workflow_run", "a workflow run that ended with nothing is no failure"),
        (COMPLETED | {"action": "requested"}, "workflow_run", "a workflow run requested has not ended"),
        ({"zen": "Keep it logically awesome."}, "ping", "ping is no workflow run"),
        ({}, "", "an event without X-GitHub-Event is no workflow run"),
    ],
)
def test_I1_everything_else_is_accepted(content: dict[str, Any], event: str, reason: str) -> None:
    reading = parse(sent(content, event))
    assert (list(reading.events), reading.reason) == ([], reason)


def test_I1_the_form_of_the_same_event() -> None:
    text = urlencode({"payload": json.dumps(COMPLETED)}).encode()
    form = delivery(text, content_type="application/x-www-form-urlencoded", x_github_event="workflow_run")
    [found] = parse(form).events
    assert isinstance(found, FailureReported)
    assert found.identifier == "octo-org/octo-repo/159038/main"


@pytest.mark.parametrize("content", [COMPLETED | {"repository": None}, run(workflow_id=None)])
def test_I2_a_run_without_identity_is_unreadable(content: dict[str, Any]) -> None:
    with pytest.raises(Unreadable, match="is missing"):
        parse(sent(content))
