"""What decisions remember of a ticket's SLA: priority and tier, its clocks, its level, where its ladders stand.

Small, encoded as arrays. A ticket without one has the priority of an ordinary failure (high), the tier ``default``, and
no clocks.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from tocsin.events import sla as contract
from tocsin.events.times import rfc3339, unix_ms
from tocsin.events.vocabulary import DEFAULT_TIER, ClockResult, ClockStage, Metric, Priority

SUBJECT_LENGTH: Final = 150
TAGS_KEPT: Final = 10
TAG_LENGTH: Final = 64
OPEN: Final = ("in_progress", "paused")


class Clock(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``events.sla.Clock`` with instants in Unix ms, 0 = none."""

    metric: Metric
    cycle: int
    stage: ClockStage
    priority: Priority
    customer_tier: str
    target_ms: int
    calendar: str
    policy_version: str
    started_at: int
    elapsed_ms: int
    as_of: int
    calendar_version: str = ""
    due_at: int = 0
    warned_percent: int = 0
    next_warning_percent: int = 0
    next_warning_at: int = 0
    paused_at: int = 0
    pause_reason: str = ""
    paused_ms: int = 0
    breached_at: int = 0
    detected_at: int = 0
    stopped_at: int = 0
    result: ClockResult | None = None

    @property
    def open(self) -> bool:
        return self.stage in OPEN

    @property
    def next_due(self) -> int:
        """When it is at risk or missed, Unix ms; 0 = nothing to come."""
        if self.stage != "in_progress" or self.breached_at:
            return 0
        return self.next_warning_at or self.due_at


# field by field: a new ticket has two clocks, and a loop over names costs more than everything else about them
def told(clock: Clock) -> contract.Clock:
    """The clock as facts carry it."""
    return contract.Clock(
        metric=clock.metric,
        cycle=clock.cycle,
        stage=clock.stage,
        priority=clock.priority,
        customer_tier=clock.customer_tier,
        target_ms=clock.target_ms,
        calendar=clock.calendar,
        policy_version=clock.policy_version,
        started_at=rfc3339(clock.started_at),
        elapsed_ms=clock.elapsed_ms,
        as_of=rfc3339(clock.as_of),
        calendar_version=clock.calendar_version,
        due_at=_text(clock.due_at),
        warned_percent=clock.warned_percent,
        next_warning_percent=clock.next_warning_percent,
        next_warning_at=_text(clock.next_warning_at),
        paused_at=_text(clock.paused_at),
        pause_reason=clock.pause_reason,
        paused_ms=clock.paused_ms,
        breached_at=_text(clock.breached_at),
        detected_at=_text(clock.detected_at),
        stopped_at=_text(clock.stopped_at),
        result=clock.result,
    )


def heard(clock: contract.Clock) -> Clock:
    """The clock of a fact."""
    return Clock(
        clock.metric,
        clock.cycle,
        clock.stage,
        clock.priority,
        clock.customer_tier,
        clock.target_ms,
        clock.calendar,
        clock.policy_version,
        unix_ms(clock.started_at),
        clock.elapsed_ms,
        unix_ms(clock.as_of),
        clock.calendar_version,
        unix_ms(clock.due_at) if clock.due_at else 0,
        clock.warned_percent,
        clock.next_warning_percent,
        unix_ms(clock.next_warning_at) if clock.next_warning_at else 0,
        unix_ms(clock.paused_at) if clock.paused_at else 0,
        clock.pause_reason,
        clock.paused_ms,
        unix_ms(clock.breached_at) if clock.breached_at else 0,
        unix_ms(clock.detected_at) if clock.detected_at else 0,
        unix_ms(clock.stopped_at) if clock.stopped_at else 0,
        clock.result,
    )


@functools.lru_cache(1024)  # many tickets of a batch begin at one instant, with the same clocks
def heard_first(
    clocks: tuple[contract.StartedClock, ...], priority: Priority, customer_tier: str, created_at: str
) -> tuple[Clock, ...]:
    """The clocks of the fact that began their ticket: ``heard`` of each of them as a whole, without the way there."""
    created, found = unix_ms(created_at), []
    for clock in clocks:
        started_at = unix_ms(clock.started_at) if clock.started_at else created
        found.append(
            Clock(
                clock.metric,
                1,
                "in_progress",
                priority,
                customer_tier,
                clock.target_ms,
                clock.calendar,
                clock.policy_version,
                started_at,
                0,
                started_at,
                clock.calendar_version,
                unix_ms(clock.due_at),
                0,
                clock.next_warning_percent,
                unix_ms(clock.next_warning_at) if clock.next_warning_at else 0,
            )
        )
    return tuple(found)


def _text(instant: int) -> str:
    return rfc3339(instant) if instant else ""


def _instant(text: str) -> int:
    return unix_ms(text) if text else 0


class Climb(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``events.sla.LadderPosition`` with its instant in Unix ms, 0 = at its end."""

    metric: Metric
    cycle: int
    ladder: str
    step: int
    loop: int = 1
    next_at: int = 0
    waits_for: Literal["step", "telling", "resolution"] = "step"


def positions(climbs: Sequence[Climb]) -> tuple[contract.LadderPosition, ...]:
    return tuple(
        contract.LadderPosition(
            metric=one.metric,
            cycle=one.cycle,
            ladder=one.ladder,
            step=one.step,
            loop=one.loop,
            next_at=_text(one.next_at),
            waits_for=one.waits_for,
        )
        for one in climbs
    )


def climbs_of(told_positions: Sequence[contract.LadderPosition]) -> tuple[Climb, ...]:
    return tuple(
        Climb(one.metric, one.cycle, one.ladder, one.step, one.loop, _instant(one.next_at), one.waits_for)
        for one in told_positions
    )


class Sla(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Everything of one ticket. Instants in Unix ms, 0 = none.

    reported_at: ``updated_at`` of the last accepted report; report: its digest. subject, tags: for messages.
    forgotten: the last cycle of clocks that are remembered no more.
    """

    priority: Priority = "high"
    customer_tier: str = DEFAULT_TIER
    level: int = 0
    clocks: tuple[Clock, ...] = ()
    climbs: tuple[Climb, ...] = ()
    acknowledged_at: int = 0
    snoozed_until: int = 0
    reported_at: int = 0
    report: str = ""
    subject: str = ""
    tags: tuple[str, ...] = ()
    forgotten: int = 0

    def latest(self, metric: Metric) -> Clock | None:
        """The clock of the newest cycle."""
        for clock in reversed(self.clocks):
            if clock.metric == metric:
                return clock
        return None

    def clock(self, metric: Metric, cycle: int) -> Clock | None:
        for clock in self.clocks:
            if clock.metric == metric and clock.cycle == cycle:
                return clock
        return None

    def with_clock(self, changed: Clock) -> Sla:
        """Only the newest cycle of each metric is remembered: those before it have ended."""
        others = tuple([one for one in self.clocks if one.metric != changed.metric])
        return msgspec.structs.replace(self, clocks=(*others, changed))

    def without_climb(self, metric: Metric, cycle: int) -> Sla:
        kept = tuple(one for one in self.climbs if (one.metric, one.cycle) != (metric, cycle))
        return msgspec.structs.replace(self, climbs=kept)

    @property
    def next_due(self) -> int | None:
        """When a clock or a ladder of an unresolved ticket is due, Unix ms."""
        earliest: int | None = None
        for clock in self.clocks:
            if (due := clock.next_due) and (earliest is None or due < earliest):
                earliest = due
        for climb in self.climbs:
            if climb.next_at:
                due = max(climb.next_at, self.snoozed_until)
                if earliest is None or due < earliest:
                    earliest = due
        return earliest

    def ended(self) -> Sla:
        """What a ticket that is over needs: no clocks, no ladders, no texts."""
        return Sla(
            self.priority,
            self.customer_tier,
            self.level,
            reported_at=self.reported_at,
            report=self.report,
            forgotten=max((clock.cycle for clock in self.clocks), default=self.forgotten),
        )


ORDINARY: Final = Sla()


def subject_of(text: str) -> str:
    """One line of a message, cut."""
    line = " ".join(text.split())
    return line if len(line) <= SUBJECT_LENGTH else line[: SUBJECT_LENGTH - 1] + "…"
