"""A log of facts as the decide stage would write it, for tests: one partition, offsets with holes."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tocsin.events import tickets as contract
from tocsin.events.commands import Answer, Cause, CommandRefused, CommandUnchanged, Fact
from tocsin.events.identity import failure_entity, record_key
from tocsin.events.times import rfc3339
from tocsin.events.topics import PAYLOADS, facts_topic
from tocsin.events.vocabulary import SEVERITIES
from tocsin.projections.projection import Record

START_MS = 1_760_000_000_000
TOPIC = facts_topic("tickets")
TYPES = {cls: name for name, cls in contract.FACTS.items()}


def latest(message: str = "connection refused", **more: Any) -> contract.Latest:
    return contract.Latest(**{"message": message, "severity": "error", "source": "api", **more})


@dataclass
class Ticket:
    """What a ticket must remember so that its next fact is a possible one."""

    entity: str
    ticket_id: str
    workflow: str
    identifier: str
    episode: int = 1
    occurrences: int = 1
    deliveries: int = 1
    status: str = "open"


@dataclass
class FactLog:
    """Writes facts; ``records`` is what a consumer of the topic would read."""

    workspace: str = "default"
    partition: int = 0
    now: int = START_MS
    records: list[Record] = field(default_factory=list)
    version: int = 0
    offset: int = 0

    def write(self, fact: Fact, *, workspace: str | None = None) -> Record:
        where = workspace or self.workspace
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_type", TYPES[type(fact)].encode()),
            ("ce_workspace", where.encode()),
        ]
        value = msgspec.json.encode(fact)
        return self.append(TOPIC, record_key(where, fact.entity), value, headers)

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Record:
        record = Record(topic, self.partition, self.offset, self.now, key, value, headers)
        self.records.append(record)
        self.offset += 1 if self.offset % 3 else 2  # commit markers take offsets too
        return record

    def cause(self, rule: str, *, same_event: bool = False) -> Cause:
        if not same_event:
            self.version += 1
            self.now += 40
        return Cause(f"event-{self.partition}-{self.version}", "tocsin.tickets.FailureReported.v1", self.partition,
                     self.version, rule, {"seen": self.version}, (self.version,), "correlated")  # fmt: skip

    @property
    def at(self) -> str:
        return rfc3339(self.now)

    def opened(self, workflow: str = "deploy", identifier: str = "run-1", **more: Any) -> Ticket:
        entity = failure_entity(self.workspace, workflow, identifier)
        episode = more.pop("episode", 1)
        answers = more.pop("answers", ())
        previous = more.pop("previous_ticket_id", "")
        clocks = more.pop("clocks", ())
        cause = self.cause("new_identity")
        ticket = Ticket(entity, f"{entity}-{episode}", workflow, identifier, episode)
        fact = contract.TicketOpened(
            entity=entity,
            at=self.at,
            cause=cause,
            answers=answers,
            ticket_id=ticket.ticket_id,
            episode=episode,
            workflow=workflow,
            identifier=identifier,
            identity_reason="given",
            first_seen_at=self.at,
            latest=latest(**more),
            previous_ticket_id=previous,
            clocks=clocks,
        )
        self.write(fact)
        return ticket

    def counted(self, ticket: Ticket, occurrences: int = 1, deliveries: int = 1, **more: Any) -> None:
        ticket.occurrences += occurrences
        ticket.deliveries += deliveries
        cause = self.cause("unresolved_ticket")
        self.write(
            contract.OccurrencesCounted(
                entity=ticket.entity,
                at=self.at,
                cause=cause,
                ticket_id=ticket.ticket_id,
                occurrences=ticket.occurrences,
                deliveries=ticket.deliveries,
                occurrences_added=occurrences,
                deliveries_added=deliveries,
                last_seen_at=self.at,
                latest=latest(**more) if occurrences else None,
            )
        )

    def changed(self, ticket: Ticket, status: Any, *, answers: tuple[Answer, ...] = (), reason: str = "") -> None:
        cause = self.cause("legal_move")
        resolved = status in ("done", "closed")
        self.write(
            contract.StatusChanged(
                entity=ticket.entity,
                at=self.at,
                cause=cause,
                answers=answers,
                ticket_id=ticket.ticket_id,
                from_status=ticket.status,  # type: ignore[arg-type]
                status=status,
                actor="ada",
                reason=reason,
                resolved_at=self.at if resolved else "",
                reopen_until=rfc3339(self.now + 86_400_000) if status == "done" else "",
            )
        )
        ticket.status = status

    def reopened(self, ticket: Ticket, **more: Any) -> None:
        ticket.occurrences += 1
        ticket.deliveries += 1
        cause = self.cause("resolved_within_window")
        self.write(
            contract.TicketReopened(
                entity=ticket.entity,
                at=self.at,
                cause=cause,
                ticket_id=ticket.ticket_id,
                from_status=ticket.status,  # type: ignore[arg-type]
                occurrences=ticket.occurrences,
                deliveries=ticket.deliveries,
                last_seen_at=self.at,
                latest=latest(**more),
            )
        )
        ticket.status = "open"

    def hidden(self, ticket: Ticket) -> None:
        cause = self.cause("resolved")
        self.write(
            contract.TicketHidden(
                entity=ticket.entity, at=self.at, cause=cause, ticket_id=ticket.ticket_id, actor="ada"
            )
        )

    def window_ended(self, ticket: Ticket, *, same_event: bool = False) -> None:
        cause = self.cause("reopen_window_passed", same_event=same_event)
        self.write(
            contract.ReopenWindowEnded(entity=ticket.entity, at=self.at, cause=cause, ticket_id=ticket.ticket_id)
        )

    def refused(self, subject_id: str, *, answers: tuple[Answer, ...] = (), reason: Any = "final") -> None:
        cause = self.cause(reason)
        self.write(
            CommandRefused(
                entity=subject_id.rpartition("-")[0] or subject_id,
                at=self.at,
                cause=cause,
                answers=answers,
                subject_id=subject_id,
                command="change_status",
                reason=reason,
                detail="no",
            )
        )

    def unchanged(self, ticket: Ticket, *, answers: tuple[Answer, ...] = ()) -> None:
        cause = self.cause("same_status")
        self.write(
            CommandUnchanged(
                entity=ticket.entity,
                at=self.at,
                cause=cause,
                answers=answers,
                subject_id=ticket.ticket_id,
                command="change_status",
            )
        )

    def payload(self, body: object) -> str:
        value = json.dumps(body).encode()
        digest = hashlib.sha256(value).hexdigest()
        self.records.append(Record(PAYLOADS, self.partition, self.offset, self.now, digest.encode(), value, ()))
        self.offset += 1
        return digest


def random_step(log: FactLog, tickets: list[Ticket], choose: random.Random) -> None:
    """One more possible fact about a few tickets."""
    if not tickets or choose.random() < 0.15:
        number = len(tickets)
        tickets.append(
            log.opened(
                f"workflow-{number % 3}",
                f"run-{number}",
                severity=choose.choice(SEVERITIES),
                source=choose.choice(("api", "github")),
                context=msgspec.Raw(b'{"n":' + str(number).encode() + b"}"),
            )
        )
        return
    ticket = choose.choice(tickets)
    if ticket.status in ("done", "closed"):
        _after_resolution(log, ticket, choose)
    elif choose.random() < 0.6:
        message = f"failed in step {choose.randrange(3)}"
        log.counted(ticket, choose.choice((0, 1, 5)), choose.choice((1, 2)), message=message,
                    severity=choose.choice(SEVERITIES))  # fmt: skip
    else:
        log.changed(ticket, choose.choice(("in_progress", "pending", "done")))
    if choose.random() < 0.05:
        log.now += 3_600_000


def _after_resolution(log: FactLog, ticket: Ticket, choose: random.Random) -> None:
    what = choose.randrange(6)
    if what == 0:
        log.hidden(ticket)
    elif what == 1:
        log.window_ended(ticket)
    elif what == 2 and ticket.status == "done":
        log.changed(ticket, "closed")
    elif what == 3 and ticket.status == "done":
        log.changed(ticket, "open")
    elif what == 4 and ticket.status == "done":
        log.reopened(ticket, message="again")
    else:
        log.refused(ticket.ticket_id)


def random_log(steps: int, seed: int, *, partition: int = 0, workspace: str = "default") -> FactLog:
    choose = random.Random(seed)
    log = FactLog(workspace, partition)
    tickets: list[Ticket] = []
    for _ in range(steps):
        random_step(log, tickets, choose)
    return log
