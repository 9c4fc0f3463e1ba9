"""What decisions remember of a ticket's SLA: priority and tier, its clocks, its level, where its ladders stand.

Small, encoded as arrays. A ticket without one has the priority of an ordinary failure (high), the tier ``default``, and
no clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

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


_INSTANTS: Final = (
    "started_at",
    "as_of",
    "due_at",
    "next_warning_at",
    "paused_at",
    "breached_at",
    "detected_at",
    "stopped_at",
)
_OTHERS: Final = tuple(name for name in Clock.__struct_fields__ if name not in _INSTANTS)


def told(clock: Clock) -> contract.Clock:
    """The clock as facts carry it."""
    values: dict[str, Any] = {name: getattr(clock, name) for name in _OTHERS}
    return contract.Clock(**values | {name: _text(getattr(clock, name)) for name in _INSTANTS})


def heard(clock: contract.Clock) -> Clock:
    """The clock of a fact."""
    values: dict[str, Any] = {name: getattr(clock, name) for name in _OTHERS}
    return Clock(**values | {name: _instant(getattr(clock, name)) for name in _INSTANTS})


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
        others = tuple(one for one in self.clocks if one.metric != changed.metric)
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
        """What a ticket that is closed for good needs: no clocks, no ladders, no texts."""
        return Sla(self.priority, self.customer_tier, self.level, reported_at=self.reported_at, report=self.report)


ORDINARY: Final = Sla()


def subject_of(text: str) -> str:
    """One line of a message, cut."""
    line = " ".join(text.split())
    return line if len(line) <= SUBJECT_LENGTH else line[: SUBJECT_LENGTH - 1] + "…"
