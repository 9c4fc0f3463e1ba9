"""Contracts of SLA clocks and escalation, version 1 of each; part of the tickets domain: same entity, same key.

Business time is the open time of a calendar; all ``*_ms`` of a clock but ``lateness_ms`` are business milliseconds.
Instants are RFC 3339 UTC with milliseconds, empty where there is none. A clock is told by (ticket_id, metric, cycle),
and every fact about one carries the whole of it as it is afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from tocsin.events.commands import Fact
from tocsin.events.vocabulary import (
    DEFAULT_TIER,
    ClockResult,
    ClockStage,
    EscalationReason,
    Metric,
    Priority,
    RunResult,
    SlaState,
    TicketStatus,
)

# --- events ---------------------------------------------------------------------------------------------------------


class TicketReported(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Another system says how one of its tickets stands (``POST /tickets``), or sets what a failure's ticket says.

    ticket_id: the reporter's own id, or ``t_<hash>-<episode>`` of a failure that is known.
    created_at: where the clocks of a new ticket start; of a failure's ticket it says nothing.
    updated_at: the reporter's; a report older than the last accepted one changes nothing.
    title, url, assignee, requester, tags: None = not said, the stored value stays.
    notify: False = nobody is told of what follows from this report at once; the level rises all the same.
    """

    ticket_id: str
    priority: Priority
    status: TicketStatus
    created_at: str
    updated_at: str
    customer_tier: str = DEFAULT_TIER
    title: str | None = None
    url: str | None = None
    assignee: str | None = None
    requester: str | None = None
    tags: tuple[str, ...] | None = None
    notify: bool = True


class TicketAcknowledgeRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Somebody has seen the ticket: its first response is given, its ladders stop (until their ack timeout)."""

    ticket_id: str
    actor: str
    reason: str = ""
    if_version: int | None = None


class TicketSnoozeRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Nobody is to be told of the ticket before ``until``; its clocks run on. A time that has passed is refused."""

    ticket_id: str
    until: str
    actor: str
    reason: str = ""
    if_version: int | None = None


class TicketEscalateRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Escalate now: the next step of the ticket's ladder, whatever it waits for."""

    ticket_id: str
    actor: str
    reason: str = ""
    if_version: int | None = None


class SlaPolicyActivated(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An SLA policy governs from here on; published to every partition. ``version``: digest of the file's content.

    body: as ``tocsin.sla_policy`` normalises it. The URLs of channels in it are sealed.
    """

    version: str
    body: dict[str, Any]


class NotificationFinished(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The last word on one message about a ticket, from the deliveries domain. ``status``: of the answer, if any."""

    ticket_id: str
    notification_id: str
    delivery_id: str
    result: RunResult
    attempts: int
    finished_at: str
    status: int | None = None
    error: str = ""
    detail: str = ""


# --- facts ----------------------------------------------------------------------------------------------------------


class SlaFact(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A fact about one ticket."""

    ticket_id: str


class Clock(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One clock of a ticket as it stands.

    cycle: 1, and one more each time it is started anew.
    target_ms: the goal. calendar: its name, calendar_version: digest of its hours, empty for ``24x7``; both as in the
    policy ``policy_version``, by which the clock was last set.
    started_at: may lie before the ticket was heard of. ``elapsed_ms``: consumed until ``as_of``; while in progress the
    open time since ``as_of`` comes on top (``tocsin.business_time``), so remaining = target - elapsed - that.
    due_at: while in progress: when the goal is or was missed. Empty while paused and when it has ended.
    warned_percent: the highest warning threshold that was reached, 0 = none; next_warning_*: the one to come.
    paused_at, pause_reason: of the present pause; the reason is the status. ``paused_ms``: of all pauses that ended.
    breached_at: the due time that passed, never undone. ``detected_at``: when it was noticed.
    stopped_at, result: once completed.
    """

    metric: Metric
    cycle: int
    stage: ClockStage
    priority: Priority
    customer_tier: str
    target_ms: int
    calendar: str
    policy_version: str
    started_at: str
    elapsed_ms: int
    as_of: str
    calendar_version: str = ""
    due_at: str = ""
    warned_percent: int = 0
    next_warning_percent: int = 0
    next_warning_at: str = ""
    paused_at: str = ""
    pause_reason: str = ""
    paused_ms: int = 0
    breached_at: str = ""
    detected_at: str = ""
    stopped_at: str = ""
    result: ClockResult | None = None


class StartedClock(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A clock that begins with its ticket, in the fact that says so: the first cycle, in progress, nothing consumed, of
    the priority and tier there. Otherwise as ``Clock``.

    started_at: empty: when the ticket was created.
    """

    metric: Metric
    target_ms: int
    calendar: str
    policy_version: str
    due_at: str
    started_at: str = ""
    calendar_version: str = ""
    next_warning_percent: int = 0
    next_warning_at: str = ""

    def whole(self, priority: Priority, customer_tier: str, created_at: str) -> Clock:
        """The clock itself; the rest is of its ticket."""
        started_at = self.started_at or created_at
        return Clock(
            metric=self.metric,
            cycle=1,
            stage="in_progress",
            priority=priority,
            customer_tier=customer_tier,
            target_ms=self.target_ms,
            calendar=self.calendar,
            policy_version=self.policy_version,
            started_at=started_at,
            elapsed_ms=0,
            as_of=started_at,
            calendar_version=self.calendar_version,
            due_at=self.due_at,
            next_warning_percent=self.next_warning_percent,
            next_warning_at=self.next_warning_at,
        )


class ClockFact(SlaFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A fact about one clock; ``clock``: after it."""

    clock: Clock


class ClockStarted(ClockFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Later than its ticket. Cause's rule: ``new_cycle`` after a re-open, or ``policy``, ``priority``, ``tier``: there
    is a goal now.

    Older logs begin the first clocks of a ticket so too, by the rule ``ticket_opened``; subject, tags: what messages
    about a failure's ticket say and are routed by, there.
    """

    subject: str = ""
    tags: tuple[str, ...] = ()


class ClockPaused(ClockFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The status is one of those in which the policy lets clocks rest."""


class ClockResumed(ClockFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Rule ``status_left`` after a pause, ``reopened`` with the old elapsed time. ``due_at`` has moved."""


class ClockStopped(ClockFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """It ended, met or breached. Rule: ``acknowledged``, ``status_left_open``, ``resolved``."""


class ClockCancelled(ClockFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """There is no target any more, by another policy or priority; a breach stays on record."""


class ClockRetargeted(ClockFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Another goal or calendar; the elapsed time is kept, a breach never undone. from_*: what was before."""

    why: Literal["priority", "tier", "policy"]
    from_target_ms: int
    from_calendar: str
    from_due_at: str = ""
    from_policy_version: str = ""


class ClockWarned(ClockFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """So much of the goal was consumed at ``warned_at``. Only the highest threshold reached at once is told, and none
    beside a breach. level: the ticket's escalation level."""

    percent: int
    warned_at: str
    level: int = 0


class ClockBreached(ClockFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Once per clock. ``clock.breached_at`` is the due time, ``clock.detected_at`` when this was decided.

    level: the ticket's escalation level with this breach; the fact that raised it follows.
    """

    lateness_ms: int
    level: int = 0


class Notification(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One message about a ticket to one channel of the policy. ``notification_id`` follows from what it tells of.

    known_as: how the deliverer knows the channel (``slack:default``); else url: sealed.
    """

    notification_id: str
    delivery_id: str
    channel: str
    kind: Literal["slack", "webhook"]
    known_as: str = ""
    url: str = ""
    rate_per_second: float = 0


class EscalationStep(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A breach, or one step of a ladder. ``step``: 1 is the first of the ladder, 0 the breach itself; ``loop``: 1 is
    the first pass. ``due_at``: when it was to happen."""

    reason: EscalationReason
    metric: Metric
    cycle: int
    due_at: str
    step: int = 0
    loop: int = 1


class LadderPosition(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Where the ladder of a missed clock stands. step: the one to come or to be told, 1 is the first; one more than the
    ladder has: it is at its end. next_at: when it goes on, empty at its end.

    waits_for: ``step``; ``telling``: the step has counted, its people may be told then; ``resolution``: acknowledged,
    and it goes on then unless the ticket is resolved.
    """

    metric: Metric
    cycle: int
    ladder: str
    step: int
    loop: int = 1
    next_at: str = ""
    waits_for: Literal["step", "telling", "resolution"] = "step"


class Escalated(SlaFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The level of a ticket rose, or at its cap its people were told again. One fact for all that was due at once.

    told: the newest of what was due, which the notifications speak of. coalesced: the others, oldest first.
    level: afterwards; from_level: before. It never falls, and ``cap`` is the most the ladders allow.
    lateness_ms: from ``told.due_at`` to the decision; late: more than a minute, or something was coalesced.
    held_until: nobody is told now, but then (snooze, support hours, quiet hours), if it is still needed; empty with
    notifications: they go out now. ``quiet_channels``: left out since it is their quiet time.
    ladders: all that have not been stopped, as they stand afterwards.
    subject, priority, customer_tier, clock, link: what the messages say.
    """

    level: int
    from_level: int
    cap: int
    told: EscalationStep
    ladder: str
    subject: str
    priority: Priority
    customer_tier: str
    clock: Clock | None = None
    lateness_ms: int = 0
    late: bool = False
    coalesced: tuple[EscalationStep, ...] = ()
    notifications: tuple[Notification, ...] = ()
    quiet_channels: tuple[str, ...] = ()
    held_until: str = ""
    ladders: tuple[LadderPosition, ...] = ()
    link: str = ""
    actor: str = ""
    remark: str = ""


class EscalationStopped(SlaFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A ladder is taken away. Rule ``clock_stopped``, ``clock_cancelled``, or ``ladder_gone`` from the policy."""

    metric: Metric
    cycle: int
    ladder: str


class TicketAcknowledged(SlaFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``rearmed_at``: when a ladder goes on unless the ticket is resolved; empty: none does. ladders: afterwards."""

    actor: str
    reason: str = ""
    rearmed_at: str = ""
    ladders: tuple[LadderPosition, ...] = ()


class TicketSnoozed(SlaFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Nobody is told of the ticket before ``until``."""

    until: str
    actor: str
    reason: str = ""


class NotificationRecorded(SlaFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What became of one message; ``cause.rule`` is the result. A failed one never opens a ticket."""

    notification_id: str
    delivery_id: str
    result: RunResult
    attempts: int
    finished_at: str
    status: int | None = None
    error: str = ""
    detail: str = ""


class SlaPolicyApplied(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``body`` without the URLs of channels. Once per partition; bodies of one version are equal."""

    policy_version: str
    body: dict[str, Any]


# --- how a ticket stands --------------------------------------------------------------------------------------------


def sla_state(clocks: Iterable[Clock]) -> SlaState | None:
    """How a ticket stands by its clocks; cancelled ones do not count. None: it has none.

    breached: one was missed, whenever; at_risk: one in progress has passed a warning; paused: all that have not ended
    rest; else on_track.
    """
    counted = [clock for clock in clocks if clock.stage != "cancelled"]
    if not counted:
        return None
    if any(clock.breached_at for clock in counted):
        return "breached"
    if any(clock.stage == "in_progress" and clock.warned_percent for clock in counted):
        return "at_risk"
    stages = {clock.stage for clock in counted}
    return "paused" if "paused" in stages and "in_progress" not in stages else "on_track"


EVENTS: Final[tuple[type[Any], ...]] = (
    TicketReported,
    TicketAcknowledgeRequested,
    TicketSnoozeRequested,
    TicketEscalateRequested,
    SlaPolicyActivated,
    NotificationFinished,
)
FACTS: Final[tuple[type[Any], ...]] = (
    ClockStarted,
    ClockPaused,
    ClockResumed,
    ClockStopped,
    ClockCancelled,
    ClockRetargeted,
    ClockWarned,
    ClockBreached,
    Escalated,
    EscalationStopped,
    TicketAcknowledged,
    TicketSnoozed,
    NotificationRecorded,
    SlaPolicyApplied,
)
