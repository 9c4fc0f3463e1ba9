"""GitHub ``workflow_run``: a failed run is a workflow failure and goes to its ticket.

Source: docs.github.com, Webhook events and payloads; Validating webhook deliveries. ``X-GitHub-Delivery`` is the same
on a redelivery. A re-run keeps the run's id and raises ``run_attempt``. A later success closes the ticket.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tocsin.events.tickets import FailureReported, SuccessReported
from tocsin.ingest.sources.signatures import Secret, Verdict, hmac_hex
from tocsin.ingest.sources.webhook import (
    MAX_NAME,
    Delivery,
    Reading,
    Unreadable,
    document,
    first,
    form,
    instant,
    link,
    mapping,
    text,
    verbatim,
)

SOURCE: Final = "github"
IDENTITY: Final = "repository, workflow and branch"
# Neither of cancelled, skipped, neutral, stale and action_required says that the workflow failed.
_FAILURES: Final = frozenset({"failure", "timed_out", "startup_failure"})
_SUCCESS: Final = "success"
_MAX_IDENTIFIER: Final = 500


def verify(delivery: Delivery, secrets: Sequence[Secret]) -> Verdict:
    """``X-Hub-Signature-256`` over the raw body, a form too."""
    return hmac_hex(delivery.header("x-hub-signature-256"), secrets, delivery.body, prefix="sha256=")


def parse(delivery: Delivery) -> Reading:
    """Raises Unreadable."""
    name = delivery.header("x-github-delivery")
    event = delivery.header("x-github-event")
    body = form(delivery.body).get("payload", "").encode() if delivery.is_form else delivery.body
    found = document(body)
    if event != "workflow_run":
        return Reading(reason=f"{text(event) or 'an event without X-GitHub-Event'} is no workflow run")
    action, run = text(found.get("action")), mapping(found.get("workflow_run"))
    conclusion = text(run.get("conclusion"))
    if action != "completed":
        return Reading(reason=f"a workflow run {action} has not ended")
    if conclusion == _SUCCESS:
        return Reading([_success(delivery, found, run)], delivery_id=name)
    if conclusion not in _FAILURES:
        return Reading(reason=f"a workflow run that ended with {conclusion or 'nothing'} is no failure")
    return Reading([_failure(delivery, body, found, run, conclusion)], delivery_id=name)


def _identity(found: dict[str, Any], run: dict[str, Any]) -> tuple[str, str]:
    """Workflow and identifier. Raises Unreadable."""
    repository = text(mapping(found.get("repository")).get("full_name"))
    workflow_id = text(run.get("workflow_id"))
    if not repository or not workflow_id:
        raise Unreadable("repository.full_name or workflow_run.workflow_id is missing")
    name = first(text(run.get("name")), text(mapping(found.get("workflow")).get("name")), workflow_id)
    identifier = f"{repository}/{workflow_id}/{text(run.get('head_branch'))}"
    return f"{repository}: {name}"[:MAX_NAME], identifier[:_MAX_IDENTIFIER]


def _success(delivery: Delivery, found: dict[str, Any], run: dict[str, Any]) -> SuccessReported:
    workflow, identifier = _identity(found, run)
    return SuccessReported(
        workflow=workflow,
        identifier=identifier,
        occurred_at=instant(run.get("updated_at"), delivery.now_ms),
        source=SOURCE,
        reason=f"run {text(run.get('run_number'))} succeeded",
    )


def _failure(
    delivery: Delivery, body: bytes, found: dict[str, Any], run: dict[str, Any], conclusion: str
) -> FailureReported:
    workflow, identifier = _identity(found, run)
    branch = text(run.get("head_branch"))
    number, attempt = text(run.get("run_number")), text(run.get("run_attempt"))
    title = text(run.get("display_title"), MAX_NAME)
    return FailureReported(
        workflow=workflow,
        identifier=identifier,
        identity_reason=IDENTITY,
        message=f"Run {number}, attempt {attempt or 1}, on {branch or 'no branch'} ended with {conclusion}"
        + (f": {title}" if title else ""),
        occurred_at=instant(run.get("updated_at"), delivery.now_ms),
        severity="error",
        source=SOURCE,
        run_url=link(run.get("html_url")),
        context=verbatim(body),
    )
