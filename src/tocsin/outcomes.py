"""What became of a request: the decision projected for it, and the HTTP answer that follows from the decision.

One row of ``tocsin.outcomes`` per (workspace, event id), written by the projector in the transaction that moves the
read models, so whoever sees the outcome also sees its effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import msgspec
from fastapi import Response

from tocsin import problems
from tocsin.problems import Problem

CHANNEL: Final = "tocsin_outcomes"
"""NOTIFY channel; the payload is a list of ``workspace/event_id`` separated by spaces."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``fact`` and ``document`` are JSON as stored; the document is the entity right after the decision."""

    workspace: str
    event_id: str
    fact_type: str
    subject_id: str
    request_digest: str
    fact: bytes
    document: bytes | None
    decided_at: datetime


class Answered(NamedTuple):
    """``body``: JSON bytes, a problem, or nothing (204)."""

    status: int
    body: bytes | Problem | None
    headers: Mapping[str, str]


class Queryable(Protocol):
    """An asyncpg connection or pool."""

    async def fetchrow(self, query: str, *arguments: Any) -> Any: ...


class QueryableAll(Protocol):
    """The same for many rows."""

    async def fetch(self, query: str, *arguments: Any) -> Any: ...


_SELECT: Final = """
SELECT workspace, event_id, fact_type, subject_id, request_digest, fact::text, document::text, decided_at
  FROM tocsin.outcomes WHERE workspace = $1 AND event_id ="""
_FIND: Final = f"{_SELECT} $2"
_FIND_ALL: Final = f"{_SELECT} ANY ($2::text[])"


async def find(connection: Queryable, workspace: str, event_id: str) -> Outcome | None:
    """The outcome of one request, or None while it is undecided or not projected yet."""
    row = await connection.fetchrow(_FIND, workspace, event_id)
    return None if row is None else _outcome(row)


async def find_all(connection: QueryableAll, workspace: str, event_ids: Sequence[str]) -> dict[str, Outcome]:
    """The outcomes that are there, by event id."""
    return {row["event_id"]: _outcome(row) for row in await connection.fetch(_FIND_ALL, workspace, event_ids)}


def _outcome(row: Any) -> Outcome:
    document = row["document"]
    return Outcome(
        row["workspace"],
        row["event_id"],
        row["fact_type"],
        row["subject_id"],
        row["request_digest"] or "",
        row["fact"].encode(),
        None if document is None else document.encode(),
        row["decided_at"],
    )


# --- answers --------------------------------------------------------------------------------------------------------


class _Refusal(msgspec.Struct):
    reason: str
    detail: str
    allowed: list[str] = []
    open_ticket_id: str = ""
    current_version: int | None = None


class _Command(msgspec.Struct):
    command: str = ""


class _Version(msgspec.Struct):
    version: int | None = None


class _Silenced(msgspec.Struct):
    class Silence(msgspec.Struct):
        silence_id: str

    silence: Silence


class _Adopted(msgspec.Struct):
    how: str
    incident_id: str


class _OfJob(msgspec.Struct):
    job_id: str


class _RunStarted(msgspec.Struct):
    class Request(msgspec.Struct):
        delivery_id: str

    job_id: str
    run_id: str
    request: Request


class _Caused(msgspec.Struct):
    class Cause(msgspec.Struct):
        offset: int

    cause: Cause


def _answer_document(outcome: Outcome) -> Answered:
    if outcome.document is None:
        return Answered(200, _bare(outcome), {})
    version = msgspec.json.decode(outcome.document, type=_Version).version
    if version is None:
        version = msgspec.json.decode(outcome.fact, type=_Caused).cause.offset
    return Answered(200, outcome.document, {"ETag": f'"{version}"'})


def _bare(outcome: Outcome) -> bytes:
    """The fact itself; of jobs and tasks only the id, since they have encrypted values that are never shown."""
    if outcome.fact_type.startswith(("tocsin.jobs.", "tocsin.tasks.")):
        return msgspec.json.encode({"id": outcome.subject_id})
    return outcome.fact


def _created(outcome: Outcome, location: str) -> Answered:
    answered = _answer_document(outcome)
    return Answered(201, answered.body, {**answered.headers, "Location": location})


def _answer_silence(outcome: Outcome) -> Answered:
    fact = msgspec.json.decode(outcome.fact, type=_Silenced)
    return _created(outcome, f"/silences/{fact.silence.silence_id}")


def _answer_adopted(outcome: Outcome) -> Answered:
    """A merge changed an incident, a split made one."""
    fact = msgspec.json.decode(outcome.fact, type=_Adopted)
    return _created(outcome, f"/incidents/{fact.incident_id}") if fact.how == "split" else _answer_document(outcome)


def _answer_job(outcome: Outcome) -> Answered:
    return _created(outcome, f"/v1/jobs/{msgspec.json.decode(outcome.fact, type=_OfJob).job_id}")


def _answer_task(outcome: Outcome) -> Answered:
    return _created(outcome, f"/v1/tasks/{outcome.subject_id}")


def _answer_run(outcome: Outcome) -> Answered:
    fact = msgspec.json.decode(outcome.fact, type=_RunStarted)
    logs = f"/v1/jobs/{fact.job_id}/logs?run_id={fact.run_id}"
    found = {"job_id": fact.job_id, "run_id": fact.run_id, "delivery_id": fact.request.delivery_id, "logs": logs}
    return Answered(201, msgspec.json.encode(found), {"Location": logs})


def _answer_nothing(_: Outcome) -> Answered:
    return Answered(204, None, {})


def _answer_unchanged(outcome: Outcome) -> Answered:
    command = msgspec.json.decode(outcome.fact, type=_Command).command
    return _answer_nothing(outcome) if command in ("hide", "delete") else _answer_document(outcome)


_REFUSALS: Final[Mapping[str, tuple[int, str, str]]] = {
    "unknown": (404, "not-found", "Not found"),
    "final": (409, "final-status", "The status is final"),
    "illegal_move": (409, "illegal-move", "The status cannot move there"),
    "newer_episode_unresolved": (409, "newer-episode-unresolved", "A newer ticket of this failure is unresolved"),
    "unresolved": (409, "unresolved", "The ticket is unresolved"),
    "version_mismatch": (412, "version-mismatch", "It changed meanwhile"),
    "merged": (409, "merged", "The incident was merged into another one"),
    "merging": (409, "merging", "A merge is under way"),
    "same_incident": (409, "same-incident", "It is the same incident"),
    "not_a_member": (409, "not-a-member", "An alert does not belong to the incident"),
    "nothing_left": (409, "nothing-left", "A split needs alerts on both sides"),
    "quota_exceeded": (429, "quota-exceeded", "The quota is used up"),
    "over": (409, "over", "It has run, and runs once"),
    "too_many": (409, "too-many", "There are too many already"),
    "resolved": (409, "resolved", "The ticket is resolved"),
    "past": (422, "past", "The time has passed"),
    "no_ladder": (409, "no-ladder", "No escalation ladder governs the ticket"),
    "settled": (409, "settled", "The task was settled"),
    "registered_otherwise": (409, "registered-otherwise", "The token was registered with another body"),
    "nothing_to_poll": (409, "nothing-to-poll", "The task names nobody to ask"),
}


def _answer_refusal(outcome: Outcome) -> Answered:
    refusal = msgspec.json.decode(outcome.fact, type=_Refusal)
    status, code, title = _REFUSALS.get(refusal.reason, (409, refusal.reason.replace("_", "-"), "Refused"))
    problem = Problem(
        status,
        code,
        title,
        refusal.detail,
        # an empty list is an answer for a refused move: nothing would be allowed
        allowed=refusal.allowed if status == 409 else None,
        open_ticket_id=refusal.open_ticket_id or None,
        current_version=refusal.current_version,
    )
    return Answered(status, problem, {})


# By the name of the fact: commands refused or unchanged are answered alike in every domain.
_ANSWERS: Final[Mapping[str, Callable[[Outcome], Answered]]] = {
    "CommandRefused": _answer_refusal,
    "CommandUnchanged": _answer_unchanged,
    "TicketHidden": _answer_nothing,
    "SilenceCreated": _answer_silence,
    "SilenceEnded": _answer_nothing,
    "AlertsAdopted": _answer_adopted,
    "JobCreated": _answer_job,
    "TaskRegistered": _answer_task,
    "RunStarted": _answer_run,
    "JobDeleted": _answer_nothing,
}


def answer_of(outcome: Outcome) -> Answered:
    """The HTTP answer that follows from a decision; any fact without a rule of its own answers with the document."""
    name = outcome.fact_type.split(".")[-2]
    return _ANSWERS.get(name, _answer_document)(outcome)


def response(answered: Answered) -> Response:
    """The answer as a Starlette response."""
    if isinstance(answered.body, Problem):
        return problems.response(answered.body)
    media_type = None if answered.body is None else "application/json"
    return Response(answered.body, answered.status, headers=dict(answered.headers), media_type=media_type)
