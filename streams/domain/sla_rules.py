"""The SLA policy as decisions ask it: goals, calendars, ladders, channels; made once of the body that was activated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import msgspec

from tocsin.business_time import ALWAYS, ALWAYS_OPEN, Calendar, CalendarHours
from tocsin.events.vocabulary import (
    DEFAULT_TIER,
    METRICS,
    PRIORITIES,
    Metric,
    Priority,
    TicketStatus,
)

TEAM: Final = "team"
"""The channel that stands for a ticket's own, by its tags."""


class GoalBody(msgspec.Struct, frozen=True):
    target_ms: int
    calendar: str


class QuietHours(msgspec.Struct, frozen=True):
    hours: CalendarHours
    except_for: tuple[Priority, ...] = ()


class Channel(msgspec.Struct, frozen=True):
    """known_as: the name by which the deliverer knows it (``slack:default``); else url: sealed, and its endpoint."""

    kind: Literal["slack", "webhook"] = "slack"
    known_as: str = ""
    url: str = ""
    endpoint: str = ""
    rate_per_second: float = 0
    quiet_hours: QuietHours | None = None


class Step(msgspec.Struct, frozen=True):
    after_ms: int
    channels: tuple[str, ...]


class SupportHours(msgspec.Struct, frozen=True):
    calendar: str
    outside: Literal["hold", "page"] = "hold"


class Ladder(msgspec.Struct, frozen=True):
    """``repeat``: so many more passes. ``max_level``: the most this ladder raises a ticket to."""

    steps: tuple[Step, ...]
    max_level: int
    repeat: int = 0
    ack_timeout_ms: int | None = None
    support_hours: SupportHours | None = None


class EscalationRule(msgspec.Struct, frozen=True):
    ladder: str
    metrics: tuple[Metric, ...] = ()
    priorities: tuple[Priority, ...] = ()
    tiers: tuple[str, ...] = ()


class Route(msgspec.Struct, frozen=True):
    tags: tuple[str, ...]
    channel: str


class SlaBody(msgspec.Struct, frozen=True):
    """As ``tocsin.sla_policy`` normalises a file; ``version``, ``activated_at`` (Unix ms) and ``retired`` are added
    when it is activated."""

    targets: dict[Metric, dict[str, dict[Priority, GoalBody | None]]]
    version: str = ""
    activated_at: int = 0
    calendars: dict[str, CalendarHours] = {}
    retired: dict[str, CalendarHours] = {}
    warn_at: tuple[int, ...] = ()
    pause_on: tuple[TicketStatus, ...] = ()
    on_reopen: Literal["resume", "new_cycle"] = "resume"
    on_reload: Literal["apply", "keep"] = "apply"
    no_clocks_for: tuple[str, ...] = ()
    channels: dict[str, Channel] = {}
    default_channel: str = ""
    routes: tuple[Route, ...] = ()
    ladders: dict[str, Ladder] = {}
    escalation: tuple[EscalationRule, ...] = ()
    public_url: str = ""


class Goal(NamedTuple):
    """How much open time of a calendar. ``calendar_version``: digest of its hours, empty for the one always open."""

    target_ms: int
    calendar: str
    calendar_version: str


_NO_GOALS: Final[Mapping[Metric, Goal]] = {}
_NOTHING: Final[Mapping[str, Mapping[Priority, GoalBody | None]]] = {DEFAULT_TIER: {}}


@dataclass(frozen=True, slots=True, eq=False)
class SlaPolicy:
    """Equal to itself alone, so that what follows from it can be remembered.

    goals: of each tier and priority. calendars: by name and version, retired ones too. quiet: of channels.

    applies_to_running: what another policy means for clocks that run.
    """

    body: SlaBody
    goals: Mapping[tuple[str, Priority], Mapping[Metric, Goal]]
    calendars: Mapping[tuple[str, str], Calendar]
    quiet: Mapping[str, Calendar]
    pause_on: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    applies_to_running: bool = True

    @property
    def version(self) -> str:
        return self.body.version

    def goals_of(self, tier: str, priority: Priority, source: str) -> Mapping[Metric, Goal]:
        """What there is of goals. A tier the policy does not know has those of ``default``."""
        if source in self.excluded:
            return _NO_GOALS
        found = self.goals.get((tier, priority))
        return self.goals.get((DEFAULT_TIER, priority), _NO_GOALS) if found is None else found

    def calendar(self, name: str, version: str) -> Calendar:
        """Also of a policy before. One that is long forgotten counts as always open."""
        return self.calendars.get((name, version), ALWAYS_OPEN)

    def named_calendar(self, name: str) -> Calendar:
        hours = self.body.calendars.get(name)
        return ALWAYS_OPEN if hours is None else self.calendars[name, digest(hours)]

    def ladder(self, metric: Metric, tier: str, priority: Priority) -> tuple[str, Ladder] | None:
        """Name and steps of the ladder that a missed goal climbs: of the first rule that matches."""
        tier = tier if tier in self.tiers else DEFAULT_TIER
        for rule in self.body.escalation:
            if (
                (not rule.metrics or metric in rule.metrics)
                and (not rule.priorities or priority in rule.priorities)
                and (not rule.tiers or tier in rule.tiers)
            ):
                return rule.ladder, self.body.ladders[rule.ladder]
        return None


def digest(hours: CalendarHours) -> str:
    """The version of a calendar: equal hours have one."""
    return hashlib.sha256(msgspec.json.encode(hours, order="sorted")).hexdigest()[:8]


def sla_policy_of(body: Mapping[str, Any]) -> SlaPolicy:
    """Raises msgspec.ValidationError, ZoneError or KeyError when the body is no SLA policy."""
    read = msgspec.convert(body, SlaBody)
    known = {(name, digest(hours)): Calendar(hours) for name, hours in read.calendars.items()}
    for key, hours in read.retired.items():
        name, _, version = key.rpartition("@")
        known.setdefault((name, version), Calendar(hours))
    versions = {name: digest(hours) for name, hours in read.calendars.items()} | {ALWAYS: ""}
    tiers = frozenset(tier for of_metric in read.targets.values() for tier in of_metric)
    goals: dict[tuple[str, Priority], dict[Metric, Goal]] = {}
    for tier in tiers:
        for priority in PRIORITIES:
            of_both = goals[tier, priority] = {}
            for metric in METRICS:
                of_metric = read.targets.get(metric, _NOTHING)
                goal = of_metric.get(tier, of_metric[DEFAULT_TIER]).get(priority)
                if goal is not None:
                    of_both[metric] = Goal(goal.target_ms, goal.calendar, versions[goal.calendar])
    quiet = {name: Calendar(one.quiet_hours.hours) for name, one in read.channels.items() if one.quiet_hours}
    return SlaPolicy(
        read,
        goals,
        {**known, (ALWAYS, ""): ALWAYS_OPEN},
        quiet,
        frozenset(read.pause_on),
        frozenset(read.no_clocks_for),
        tiers,
        applies_to_running=read.on_reload == "apply",
    )


NO_RULES: Final = SlaPolicy(SlaBody(targets={}), {}, {}, {})
"""Before any policy was activated: no goals, no ladders."""
