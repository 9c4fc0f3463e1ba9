"""What clients get to see, as OpenAPI describes it; the values themselves are written by the routes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tocsin.api.ticket_service_documents import Clock, SlaAlert, TicketNotification
from tocsin.events.vocabulary import Priority, Severity, SlaState, TicketStatus

TICKET_EXAMPLE: dict[str, Any] = {
    "id": "t_ldccopes6uacahgduvspztpl34-1",
    "workspace": "default",
    "workflow": "nightly-build",
    "identifier": "repo/main",
    "identity_reason": "given",
    "status": "open",
    "hidden": False,
    "severity": "error",
    "source": "github",
    "step": "tests",
    "message": "3 tests failed",
    "run_url": "https://ci.example/runs/17",
    "context": {"attempt": 1},
    "context_digest": None,
    "occurrences": 4,
    "deliveries": 5,
    "episode": 1,
    "previous_ticket_id": None,
    "first_seen_at": "2026-11-20T22:13:20.123Z",
    "last_seen_at": "2026-11-20T23:02:11.004Z",
    "created_at": "2026-11-20T22:13:20.140Z",
    "updated_at": "2026-11-20T23:02:11.020Z",
    "createdAt": "2026-11-20T22:13:20.140Z",
    "updatedAt": "2026-11-20T23:02:11.020Z",
    "resolved_at": None,
    "reopen_until": None,
    "priority": "high",
    "customer_tier": "default",
    "title": None,
    "url": None,
    "assignee": None,
    "requester": None,
    "tags": [],
    "source_updated_at": None,
    "escalation_level": 1,
    "sla_state": "breached",
    "next_due_at": "2026-11-21T22:13:20.140Z",
    "acknowledged_at": None,
    "snoozed_until": None,
    "version": 4711,
}


class Ticket(BaseModel):
    """A ticket. `context` is null in lists when it is over 4 KiB; the single ticket has all of it.

    One that was reported by another system has no `workflow`, the severity of its priority, and its own id.
    `sla_state` is null without clocks; `next_due_at` is the earliest due time still to come.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [TICKET_EXAMPLE]})

    id: str
    workspace: str
    workflow: str | None
    identifier: str
    identity_reason: str
    status: TicketStatus
    hidden: bool
    severity: Severity
    source: str
    step: str | None
    message: str
    run_url: str | None
    context: Any
    context_digest: str | None
    occurrences: int
    deliveries: int
    episode: int
    previous_ticket_id: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    created_at: datetime
    updated_at: datetime
    createdAt: datetime
    updatedAt: datetime
    resolved_at: datetime | None
    reopen_until: datetime | None
    priority: Priority
    customer_tier: str
    title: str | None
    url: str | None
    assignee: str | None
    requester: str | None
    tags: list[str]
    source_updated_at: datetime | None
    escalation_level: int
    sla_state: SlaState | None
    next_due_at: datetime | None
    acknowledged_at: datetime | None
    snoozed_until: datetime | None
    version: int


class TicketPage(BaseModel):
    """A page of tickets. `total` counts the whole list, exactly unless `total_exact` is there and false: then more than
    `total` have the words that were searched for."""

    items: list[Ticket]
    total: int
    total_exact: bool = Field(True, description="Only there when it is false: `total` of them were counted, not all")
    limit: int
    offset: int
    next_cursor: str | None


class HistoryEntry(BaseModel):
    """One thing that happened to a ticket, and the event and rule that caused it."""

    at: datetime
    kind: str
    from_status: TicketStatus | None
    status: TicketStatus | None
    actor: str | None
    reason: str | None
    cause: dict[str, Any]


class Hour(BaseModel):
    """What was accepted within the hour that begins here."""

    hour: datetime
    occurrences: int
    deliveries: int


class TicketDetail(Ticket):
    """A ticket with its newest 200 history entries and its last 168 hours with occurrences, both oldest first, its
    clocks as they stand now, and its newest 100 SLA alerts and messages, newest first.

    The ETag names all of what is shown, the time on running clocks too; `If-Match` looks at the version in it alone.
    """

    history: list[HistoryEntry]
    occurrences_by_hour: list[Hour]
    clocks: list[Clock]
    alerts: list[SlaAlert]
    notifications: list[TicketNotification]


class Answer(BaseModel):
    """What the waiting client was told, or would have been."""

    status: int
    body: Any


class CommandOutcome(BaseModel):
    """The decision on one event. `decision` names the fact, `subject_id` the entity it is about."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event_id": "0192d1f0-8a6e-7c3e-9d53-0a6f8f0c2b11",
                    "status": "decided",
                    "decision": "StatusChanged",
                    "subject_id": TICKET_EXAMPLE["id"],
                    "decided_at": "2026-11-20T23:02:11.031Z",
                    "answer": {"status": 200, "body": TICKET_EXAMPLE},
                }
            ]
        }
    )

    event_id: str
    status: str
    decision: str
    subject_id: str
    decided_at: datetime
    answer: Answer


class Health(BaseModel):
    """What was checked and how it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "ok", "checks": {"postgres": "ok", "kafka": "ok"}}]}
    )

    status: str
    checks: dict[str, str] = {}
