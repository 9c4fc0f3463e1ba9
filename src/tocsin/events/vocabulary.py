"""The words of the trade: statuses and their legal moves, severities, and the synonyms senders use for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Severity = Literal["critical", "error", "warning", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "error", "warning", "info")
SEVERITY_SYNONYMS: Final[Mapping[str, Severity]] = {
    **{severity: severity for severity in SEVERITIES},
    "fatal": "critical",
    "p1": "critical",
    "high": "error",
    "p2": "error",
    "medium": "warning",
    "p3": "warning",
    "low": "info",
    "p4": "info",
    "p5": "info",
    "debug": "info",
}

TicketStatus = Literal["open", "in_progress", "pending", "done", "closed"]
UNRESOLVED: Final[tuple[TicketStatus, ...]] = ("open", "in_progress", "pending")
RESOLVED: Final[tuple[TicketStatus, ...]] = ("done", "closed")
TICKET_STATUSES: Final[tuple[TicketStatus, ...]] = (*UNRESOLVED, *RESOLVED)
# Unresolved statuses move freely among each other; closed is final.
TICKET_MOVES: Final[Mapping[TicketStatus, tuple[TicketStatus, ...]]] = {
    "open": ("in_progress", "pending", "done"),
    "in_progress": ("open", "pending", "done"),
    "pending": ("open", "in_progress", "done"),
    "done": ("open", "closed"),
    "closed": (),
}
# In filters a synonym stands for several statuses, in bodies for one.
STATUS_FILTER_SYNONYMS: Final[Mapping[str, tuple[TicketStatus, ...]]] = {"to-do": UNRESOLVED, "resolved": RESOLVED}
STATUS_BODY_SYNONYMS: Final[Mapping[str, TicketStatus]] = {"to-do": "open", "resolved": "done"}

Priority = Literal["critical", "high", "medium", "low"]
PRIORITIES: Final[tuple[Priority, ...]] = ("critical", "high", "medium", "low")
PRIORITY_SYNONYMS: Final[Mapping[str, Priority]] = {
    **{priority: priority for priority in PRIORITIES},
    "urgent": "critical",
    "p1": "critical",
    "p2": "high",
    "normal": "medium",
    "p3": "medium",
    "p4": "low",
}
# A failure's ticket has the priority of its severity, in order.
PRIORITY_OF_SEVERITY: Final[Mapping[Severity, Priority]] = {
    "critical": "critical",
    "error": "high",
    "warning": "medium",
    "info": "low",
}
# Of failures, and of tiers the SLA policy does not know.
DEFAULT_TIER: Final = "default"

# What an SLA clock measures: until somebody answers (MTTA), until it is done (MTTR).
Metric = Literal["first_response", "resolution"]
METRICS: Final[tuple[Metric, ...]] = ("first_response", "resolution")
ClockStage = Literal["in_progress", "paused", "completed", "cancelled"]
CLOCK_STAGES: Final[tuple[ClockStage, ...]] = ("in_progress", "paused", "completed", "cancelled")
# How a clock ended. Breached is known as soon as the due time passes and is never undone.
ClockResult = Literal["met", "breached"]
SlaState = Literal["on_track", "at_risk", "breached", "paused"]
SLA_STATES: Final[tuple[SlaState, ...]] = ("on_track", "at_risk", "breached", "paused")
# Why a ticket's escalation level rose or its people were told again.
EscalationReason = Literal["breach", "ladder", "manual", "ack_timeout"]
ESCALATION_REASONS: Final[tuple[EscalationReason, ...]] = ("breach", "ladder", "manual", "ack_timeout")

# A failure report that says one of these in status, conclusion, outcome or result reports a success (W5).
SUCCESS_WORDS: Final = frozenset({"success", "succeeded", "successful", "ok", "passed", "completed_successfully"})
SUCCESS_FIELDS: Final = ("status", "conclusion", "outcome", "result")

# What a sender says of an alert; repeats (Datadog's Renotify, Alertmanager's repeat_interval) are no occurrences.
AlertTransition = Literal["triggered", "repeated", "acknowledged", "resolved"]
AlertStatus = Literal["firing", "acknowledged", "resolved"]
ALERT_STATUSES: Final[tuple[AlertStatus, ...]] = ("firing", "acknowledged", "resolved")

IncidentStatus = Literal["OPEN", "INVESTIGATING", "RESOLVED", "CLOSED"]
INCIDENT_STATUSES: Final[tuple[IncidentStatus, ...]] = ("OPEN", "INVESTIGATING", "RESOLVED", "CLOSED")
# People move an incident along this chain only; what policy may do besides is decided in the incidents domain.
INCIDENT_MOVES: Final[Mapping[IncidentStatus, tuple[IncidentStatus, ...]]] = {
    "OPEN": ("INVESTIGATING",),
    "INVESTIGATING": ("RESOLVED",),
    "RESOLVED": ("CLOSED",),
    "CLOSED": (),
}
# Who moves an incident when no person does.
POLICY_ACTOR: Final = "tocsin"
# Which clearing alert resolves the incident: the one that opened it, the one added last, or the last active one.
AutoResolve = Literal["first", "last", "all", "never"]
AUTO_RESOLVES: Final[tuple[AutoResolve, ...]] = ("first", "last", "all", "never")

# A job that runs once ends completed or failed; disabled is tocsin's own doing.
JobStatus = Literal["active", "paused", "completed", "failed", "disabled", "deleted"]
JOB_STATUSES: Final[tuple[JobStatus, ...]] = ("active", "paused", "completed", "failed", "disabled", "deleted")
# Statuses that count against the quota of a workspace.
COUNTED_JOB_STATUSES: Final[tuple[JobStatus, ...]] = ("active", "paused", "disabled")
# What becomes of slots that were missed: only the newest, none, only the oldest, all of them (bounded).
Catchup = Literal["last", "none", "first", "all"]
CATCHUPS: Final[tuple[Catchup, ...]] = ("last", "none", "first", "all")
# What a slot does while an earlier run has not ended.
Overlap = Literal["allow", "skip", "queue_one", "cancel_retries"]
OVERLAPS: Final[tuple[Overlap, ...]] = ("allow", "skip", "queue_one", "cancel_retries")
# late: fired more than a minute after its time. coalesced: a later one stands for it. missed: nothing does.
SlotVerdict = Literal["fired", "late", "coalesced", "skipped", "missed"]
SLOT_VERDICTS: Final[tuple[SlotVerdict, ...]] = ("fired", "late", "coalesced", "skipped", "missed")
RunResult = Literal["succeeded", "failed", "gone", "cancelled"]
RUN_RESULTS: Final[tuple[RunResult, ...]] = ("succeeded", "failed", "gone", "cancelled")

# A task waits (PENDING, POLLING once the outside job was asked) until it is settled, once.
TaskStatus = Literal["PENDING", "POLLING", "COMPLETED", "FAILED", "TIMEOUT", "MAX_ATTEMPTS", "CANCELLED"]
TASK_STATUSES: Final[tuple[TaskStatus, ...]] = (
    "PENDING",
    "POLLING",
    "COMPLETED",
    "FAILED",
    "TIMEOUT",
    "MAX_ATTEMPTS",
    "CANCELLED",
)
WAITING_TASKS: Final[tuple[TaskStatus, ...]] = ("PENDING", "POLLING")
SETTLED_TASKS: Final[tuple[TaskStatus, ...]] = ("COMPLETED", "FAILED", "TIMEOUT", "MAX_ATTEMPTS", "CANCELLED")
TaskOutcome = Literal["success", "failure"]
# What an answer says of the outside job. oversize: done, but its result is more than a workflow takes.
PollState = Literal["completed", "failed", "running", "unreadable", "oversize"]
# error: there was no answer, or not one that counts.
PollVerdict = Literal["completed", "failed", "running", "unreadable", "oversize", "error"]
POLL_VERDICTS: Final[tuple[PollVerdict, ...]] = ("completed", "failed", "running", "unreadable", "oversize", "error")
# Whether AWS took the settlement. unconfirmed: it says the task is closed, and a try before may have closed it.
# closed_elsewhere: it had ended before anything was settled here. undelivered: given up.
Confirmation = Literal[
    "not_needed", "pending", "confirmed", "unconfirmed", "rejected_by_aws", "closed_elsewhere", "undelivered"
]
CONFIRMATIONS: Final[tuple[Confirmation, ...]] = (
    "not_needed",
    "pending",
    "confirmed",
    "unconfirmed",
    "rejected_by_aws",
    "closed_elsewhere",
    "undelivered",
)
