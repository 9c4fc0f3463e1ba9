"""The service level of tickets as clients get to see it, for OpenAPI; routes write the values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from tocsin.events.vocabulary import ClockResult, ClockStage, EscalationReason, Metric, Priority, SlaState, TicketStatus


class Clock(BaseModel):
    """An SLA clock as it stands now. All `*_ms` are open time of its calendar; `remaining_ms` is negative when it was
    missed. `breached` stays, whatever becomes of it."""

    metric: Metric
    cycle: int
    stage: ClockStage
    priority: Priority
    customer_tier: str
    goal_ms: int
    elapsed_ms: int
    remaining_ms: int
    percent: float
    started_at: datetime
    due_at: datetime | None
    warned_percent: int
    next_warning_percent: int | None
    next_warning_at: datetime | None
    breached: bool
    breached_at: datetime | None
    detected_at: datetime | None
    paused: bool
    paused_at: datetime | None
    pause_reason: str | None
    paused_ms: int
    stopped_at: datetime | None
    result: ClockResult | None
    calendar: str
    within_calendar_hours: bool | None
    policy_version: str
    as_of: datetime


class SlaAlert(BaseModel):
    """A warning, a breach or an escalation, with what explains it: the clock as it was, and the cause with its values.

    `late`: noticed more than a minute after `due_at`, or together with the steps in `coalesced`, which told nobody.
    """

    id: str
    ticket_id: str
    kind: Literal["warning", "breach", "escalation"]
    reason: EscalationReason | str
    metric: Metric
    cycle: int
    percent: int | None
    level: int | None
    from_level: int | None
    step: int | None
    loop: int | None
    due_at: datetime
    detected_at: datetime
    lateness_ms: int
    late: bool
    coalesced: list[dict[str, Any]]
    notifications: list[dict[str, Any]]
    details: dict[str, Any]
    clock: dict[str, Any] | None
    cause: dict[str, Any]


class TicketNotification(BaseModel):
    """A message about the ticket: requested, then what became of it."""

    notification_id: str
    delivery_id: str
    channel: str
    kind: Literal["slack", "webhook"]
    reason: EscalationReason
    level: int
    state: Literal["requested", "succeeded", "failed", "gone", "cancelled"]
    requested_at: datetime
    attempts: int
    status: int | None
    error: str | None
    detail: str | None
    finished_at: datetime | None


class DashboardCounts(BaseModel):
    """All tickets of the workspace that are not hidden."""

    status: dict[TicketStatus, int]
    priority: dict[Priority, int]
    sla_state: dict[SlaState, int]


class AttainmentRow(BaseModel):
    """One group. `breached` counts what is `overdue` and still open too; `attainment_percent` is null without any.

    MTTA (first_response) and MTTR (resolution): of clocks that ended in the range, in open time and by the wall clock.
    """

    metric: Metric
    priority: Priority | None = None
    customer_tier: str | None = None
    workflow: str | None = None
    met: int
    breached: int
    overdue: int
    attainment_percent: float | None
    ended: int
    business_p50_ms: int | None
    business_p90_ms: int | None
    wall_p50_ms: int | None
    wall_p90_ms: int | None


class AttainmentReport(BaseModel):
    """`from` is inclusive, `to` exclusive."""

    group_by: str
    items: list[AttainmentRow]


class SlaPolicy(BaseModel):
    """The policy that governs, without secrets. `active` is null while there is none; `in_step` says whether every
    partition has gone over to it. `activations`: the newest of each partition, newest first."""

    active: dict[str, Any] | None
    in_step: bool
    activations: list[dict[str, Any]]
