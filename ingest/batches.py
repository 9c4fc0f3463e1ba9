"""Many commands in one request: published together, waited for together, answered in their order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tocsin.ingest.commands import Commands, same, undecided
from tocsin.ingest.publish import Record
from tocsin.ingest.records import Request, envelope, keyed_id, new_ids, record
from tocsin.outcomes import Answered, Outcome, answer_of
from tocsin.problems import Problem


@dataclass(frozen=True, slots=True)
class Batch:
    """``events``: the entity each is about, and the event; all of one type. The rest is the HTTP request.

    said: what of the request besides its body makes it another one.
    """

    domain: str
    events: Sequence[tuple[str, Any]]
    method: str
    path: str
    body: bytes
    idempotency_key: str = ""
    said: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body + self.said.encode()).hexdigest()


async def run(commands: Commands, batch: Batch, request: Request) -> Answered:
    """200 with every decision's document or problem, in order; 202 when some of them take longer.

    A repeated Idempotency-Key finds the decisions there are and asks for the others only. Raises Problem 422, 503.
    """
    workspace, digest = request.workspace, batch.digest
    ids = _ids(batch, request)
    known = await commands.outcomes.all_now(workspace, ids) if batch.idempotency_key and ids else {}
    for outcome in known.values():
        same(outcome, digest)
    missing = [number for number, event_id in enumerate(ids) if event_id not in known]
    with commands.outcomes.expected(workspace, [ids[number] for number in missing]) as woken:
        if missing:
            await commands.publisher.publish_all(
                [_record(commands, batch, number, ids[number], digest, request) for number in missing]
            )
            waited = [ids[number] for number in missing]
            known |= await commands.outcomes.all_within(commands.wait_seconds, woken, workspace, waited)
    return _answer(ids, known, digest)


def _ids(batch: Batch, request: Request) -> list[str]:
    if not batch.idempotency_key:
        return new_ids(len(batch.events))
    key, workspace = batch.idempotency_key, request.workspace
    return [keyed_id(workspace, batch.method, batch.path, key, index) for index in range(len(batch.events))]


def _record(commands: Commands, batch: Batch, number: int, event_id: str, digest: str, request: Request) -> Record:
    entity, event = batch.events[number]
    attributes = envelope(
        batch.domain,
        type(event),
        event_id,
        request,
        sender_given=bool(batch.idempotency_key),
        outcome="wait",
        request_digest=digest,
    )
    return record(batch.domain, entity, event, attributes, commands.partitions)


def _answer(ids: Sequence[str], found: dict[str, Outcome], digest: str) -> Answered:
    parts = [_part(event_id, found.get(event_id), digest) for event_id in ids]
    body = b"[" + b",".join(parts) + b"]"
    return Answered(200, body, {}) if len(found) == len(ids) else Answered(202, body, {"Retry-After": "1"})


def _part(event_id: str, outcome: Outcome | None, digest: str) -> bytes:
    if outcome is None:
        return orjson.dumps(undecided(event_id))
    body = answer_of(same(outcome, digest)).body
    if isinstance(body, Problem):
        return body.body()
    return body or b"null"
