"""Commands of every domain: publish what is asked for, wait for the decision, answer with it.

The gateway decides nothing. A repeated Idempotency-Key finds the first decision in the outcomes table and replays its
answer; the same key with another body is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from tocsin.ingest.publish import Publisher
from tocsin.ingest.records import Request, envelope, keyed_id, new_ids, record, spread
from tocsin.ingest.waiting import Outcomes
from tocsin.outcomes import Answered, Outcome, answer_of
from tocsin.problems import Problem


@dataclass(frozen=True, slots=True)
class Command:
    """One thing asked of one entity. ``event`` is a contract of ``domain``; the rest is the HTTP request.

    everywhere: what every other partition of the domain is to hear with it, when it concerns them all.
    """

    domain: str
    entity: str
    event: Any
    method: str
    path: str
    body: bytes = b""
    idempotency_key: str = ""
    everywhere: Any | None = None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def event_id(self, workspace: str) -> str:
        """The same for the same Idempotency-Key, else a new one."""
        if not self.idempotency_key:
            return new_ids(1)[0]
        return keyed_id(workspace, self.method, self.path, self.idempotency_key)


@dataclass(frozen=True, slots=True)
class Commands:
    """Publishes commands and answers them. ``wait_seconds``: how long a client is kept waiting for the decision."""

    publisher: Publisher
    outcomes: Outcomes
    partitions: int
    wait_seconds: float

    async def run(self, command: Command, request: Request) -> Answered:
        """The decision's answer, or 202 with a status link when it takes longer. Raises Problem 422, 503."""
        event_id = command.event_id(request.workspace)
        found = await self._decided(command, event_id, request)
        return answer_of(found) if found else _later(event_id)

    async def decided(self, command: Command, request: Request) -> Outcome | None:
        """The decision itself, or None when it takes longer. Raises Problem 422, 503."""
        return await self._decided(command, command.event_id(request.workspace), request)

    async def _decided(self, command: Command, event_id: str, request: Request) -> Outcome | None:
        if command.idempotency_key and (known := await self.outcomes.now(request.workspace, event_id)):
            return same(known, command.digest)
        attributes = envelope(
            command.domain,
            type(command.event),
            event_id,
            request,
            sender_given=bool(command.idempotency_key),
            outcome="wait",
            request_digest=command.digest,
        )
        with self.outcomes.expected(request.workspace, [event_id]) as woken:
            asked = record(command.domain, command.entity, command.event, attributes, self.partitions)
            if command.everywhere is None:
                await self.publisher.publish(asked)
            else:
                silent = msgspec.structs.replace(attributes, outcome="", request_digest="")
                await self.publisher.publish_all([asked, *spread(asked, command.everywhere, silent, self.partitions)])
            found = await self.outcomes.within(self.wait_seconds, woken, request.workspace, event_id)
        return same(found, command.digest) if found else None


def same(outcome: Outcome, digest: str) -> Outcome:
    """The outcome, when it is that of a request with this digest. Raises Problem 422 when another one was decided."""
    # two requests with one key may have been on their way at once; the first one decided was this
    if outcome.request_digest != digest:
        raise Problem(
            422,
            "idempotency-key-reused",
            "The Idempotency-Key was used for another request",
            "Repeat the request with the body it was first sent with, or use another key",
        )
    return outcome


def _later(event_id: str) -> Answered:
    found = undecided(event_id)
    return Answered(202, orjson.dumps(found), {"Location": found["status_url"], "Retry-After": "1"})


def undecided(event_id: str) -> dict[str, str]:
    """What stands in for an answer that is still to come."""
    return {"event_id": event_id, "status_url": f"/commands/{event_id}"}
