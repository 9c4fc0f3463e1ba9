"""From a decision to its HTTP answer."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.events import jobs
from tocsin.events.commands import Cause, CommandRefused, CommandUnchanged, RefusalReason
from tocsin.events.tickets import StatusChanged, TicketHidden
from tocsin.outcomes import Outcome, answer_of, response
from tocsin.problems import Problem

CAUSE = Cause("e1", "tocsin.tickets.StatusChangeRequested.v1", 0, 41, "rule")
COMMON: dict[str, Any] = {"entity": "t_x", "at": "2026-01-01T00:00:00.000Z", "cause": CAUSE}


def outcome(fact: Any, document: bytes | None = b'{"id":"t_x-1","version":41}') -> Outcome:
    name = f"tocsin.tickets.{type(fact).__name__}.v1"
    return Outcome("default", "e1", name, "t_x-1", "", msgspec.json.encode(fact), document, datetime.now(UTC))


def refused(reason: RefusalReason, **more: Any) -> Problem:
    fact = CommandRefused(**COMMON, subject_id="t_x-1", command="change_status", reason=reason, detail="why", **more)
    answered = answer_of(outcome(fact, None))
    assert isinstance(answered.body, Problem)
    assert answered.status == answered.body.status
    return answered.body


def test_a_changed_status_answers_the_ticket_and_its_version() -> None:
    fact = StatusChanged(**COMMON, ticket_id="t_x-1", from_status="open", status="done", actor="a")
    answered = answer_of(outcome(fact))
    assert tuple(answered) == (200, b'{"id":"t_x-1","version":41}', {"ETag": '"41"'})
    assert response(answered).headers["etag"] == '"41"'


def test_the_version_of_an_unchanged_ticket_is_its_own_not_the_commands() -> None:
    fact = CommandUnchanged(**COMMON, subject_id="t_x-1", command="change_status")
    assert answer_of(outcome(fact, b'{"version":7,"n":1e999}')).headers == {"ETag": '"7"'}


@pytest.mark.parametrize(
    "fact",
    [
        TicketHidden(**COMMON, ticket_id="t_x-1", actor="a"),
        CommandUnchanged(**COMMON, subject_id="t_x-1", command="hide"),
    ],
)
def test_hiding_answers_nothing(fact: Any) -> None:
    answered = answer_of(outcome(fact))
    assert (answered.status, answered.body) == (204, None)
    assert response(answered).body == b""


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("unknown", 404),
        ("final", 409),
        ("illegal_move", 409),
        ("newer_episode_unresolved", 409),
        ("unresolved", 409),
        ("version_mismatch", 412),
    ],
)
def test_a_refusal_is_a_problem_of_its_own(reason: RefusalReason, status: int) -> None:
    problem = refused(reason, current_version=9)
    assert (problem.status, problem.detail) == (status, "why")
    assert problem.document()["current_version"] == 9


def test_a_refused_move_lists_what_would_be_allowed() -> None:
    assert refused("illegal_move", allowed=("open", "closed")).document()["allowed"] == ["open", "closed"]
    assert refused("final").document()["allowed"] == []
    assert refused("newer_episode_unresolved", open_ticket_id="t_x-2").document()["open_ticket_id"] == "t_x-2"


def test_J3_without_its_document_a_job_answers_its_id_alone() -> None:
    """The fact has the spec, and the spec has encrypted headers."""
    spec = jobs.JobSpec(name="x", callback_url="https://example.com", headers={"X-Key": "sealed:v1:abc"})
    said: dict[str, Any] = {"job_id": "j_x-1", "status": "active", "spec": spec, "actor": "a", "cursor": COMMON["at"]}
    created = jobs.JobCreated(**COMMON, **said)
    updated = jobs.JobUpdated(**COMMON, **said, spec_version=2, changed=("name",))
    for fact, status in ((created, 201), (updated, 200)):
        stored = dataclasses.replace(
            outcome(fact, None), fact_type=f"tocsin.jobs.{type(fact).__name__}.v1", subject_id="j_x-1"
        )
        assert answer_of(stored)[:2] == (status, b'{"id":"j_x-1"}')
