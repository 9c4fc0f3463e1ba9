"""``SLA_CONFIG_PATH``: goals, calendars and ladders of SLA clocks (S6, S11, S12). Read, checked, normalised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from tocsin.business_time import ALWAYS, ALWAYS_OPEN, WEEK_MS, calendar_of
from tocsin.events.vocabulary import DEFAULT_TIER, Metric, Priority, TicketStatus
from tocsin.policies import Duration, read_policy
from tocsin.sla_calendars import WeeklyHours
from tocsin.sla_escalation import Channel, EscalationRule, Ladder, Name, Part, Route, Values

MAX_TARGET_MS: Final = 366 * 86_400_000
LONGEST_WALL_MS: Final = 10 * MAX_TARGET_MS
Tier = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]


def _target(value: int | None) -> int | None:
    if value is not None and not 1_000 <= value <= MAX_TARGET_MS:
        raise ValueError("a target lasts from 1s to 366d, or never for none")
    return value


Target = Annotated[Duration, AfterValidator(_target)]


class Targets(Part):
    """The goals of one tier. A priority that is not named has the goal of the tier ``default``; never = none."""

    calendar: Name | None = None
    critical: Target = Field(None)
    high: Target = Field(None)
    medium: Target = Field(None)
    low: Target = Field(None)

    def named(self) -> dict[Priority, int | None]:
        every: dict[Priority, int | None] = {
            "critical": self.critical,
            "high": self.high,
            "medium": self.medium,
            "low": self.low,
        }
        return {priority: target for priority, target in every.items() if priority in self.model_fields_set}


class SlaPolicyFile(Part):
    """The whole file; see the packaged one for what each setting means."""

    calendars: dict[Name, WeeklyHours] = Field({}, max_length=100)
    calendar: Name = ALWAYS
    targets: dict[Metric, dict[Tier, Targets]] = Field(min_length=1)
    warn_at: list[Annotated[int, Field(ge=1, le=99)]] = Field([75, 90], max_length=5)
    pause_on: list[TicketStatus] = Field(["pending"])
    on_reopen: Literal["resume", "new_cycle"] = "resume"
    on_reload: Literal["apply", "keep"] = "apply"
    no_clocks_for: Values = Field([])
    channels: dict[Name, Channel] = Field({"slack": Channel()}, max_length=100)
    default_channel: Name = "slack"
    routes: list[Route] = Field([], max_length=200)
    ladders: dict[Name, Ladder] = Field({}, max_length=50)
    escalation: list[EscalationRule] = Field([], max_length=200)

    @model_validator(mode="after")
    def _consistent(self) -> SlaPolicyFile:
        if ALWAYS in self.calendars:
            raise ValueError(f"calendars: the name {ALWAYS} is taken; it is always open")
        if "team" in self.channels:
            raise ValueError("channels: the name team is taken; it stands for the routes")
        if {"done", "closed"} & set(self.pause_on):
            raise ValueError("pause_on: clocks pause in unresolved statuses only")
        problems = [*self._targets_wrong(), *self._names_wrong()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _targets_wrong(self) -> list[str]:
        calendars = {name: calendar_of(hours.body()) for name, hours in self.calendars.items()} | {ALWAYS: ALWAYS_OPEN}
        wrong = [] if self.calendar in calendars else [f"calendar: there is no calendar {self.calendar}"]
        for metric, tiers in self.targets.items():
            if DEFAULT_TIER not in tiers:
                wrong.append(f"targets.{metric}: the tier {DEFAULT_TIER} is missing; it counts for unknown tiers")
            for tier, targets in tiers.items():
                name = targets.calendar or self.calendar
                if (calendar := calendars.get(name)) is None:
                    if targets.calendar:
                        wrong.append(f"targets.{metric}.{tier}.calendar: there is no calendar {name}")
                    continue
                for priority, target in targets.named().items():
                    if target is not None and target * WEEK_MS > LONGEST_WALL_MS * calendar.open_ms_of_a_week:
                        wrong.append(f"targets.{metric}.{tier}.{priority}: takes over ten years of calendar {name}")
        return wrong

    def _names_wrong(self) -> list[str]:
        wrong = []
        if self.default_channel not in self.channels:
            wrong.append(f"default_channel: there is no channel {self.default_channel}")
        for number, rule in enumerate(self.escalation):
            if rule.ladder not in self.ladders:
                wrong.append(f"escalation.{number}.ladder: there is no ladder {rule.ladder}")
        for number, route in enumerate(self.routes):
            if route.channel not in self.channels:
                wrong.append(f"routes.{number}.channel: there is no channel {route.channel}")
        known = {*self.calendars, ALWAYS}
        for name, ladder in self.ladders.items():
            for number, step in enumerate(ladder.steps):
                wrong += [
                    f"ladders.{name}.steps.{number}.channels: there is no channel {channel}"
                    for channel in step.channels
                    if channel not in self.channels and channel != "team"
                ]
            if ladder.support_hours and ladder.support_hours.calendar not in known:
                wrong.append(f"ladders.{name}.support_hours: there is no calendar {ladder.support_hours.calendar}")
        return wrong

    def body(self) -> dict[str, Any]:
        """The policy as the decide stage reads it: milliseconds, null = none; the goals of a tier complete.

        The URLs of channels are in the clear: whoever publishes it seals them (``ingest.sla_activation``).
        """
        return {
            "calendars": {name: self.calendars[name].body() for name in sorted(self.calendars)},
            "targets": {metric: self._tiers(self.targets[metric]) for metric in sorted(self.targets)},
            "warn_at": sorted(set(self.warn_at)),
            "pause_on": sorted(set(self.pause_on)),
            "on_reopen": self.on_reopen,
            "on_reload": self.on_reload,
            "no_clocks_for": sorted(set(self.no_clocks_for)),
            "channels": {name: self.channels[name].body() for name in sorted(self.channels)},
            "default_channel": self.default_channel,
            "routes": [route.body() for route in self.routes],
            "ladders": {name: self.ladders[name].body() for name in sorted(self.ladders)},
            "escalation": [rule.body() for rule in self.escalation],
        }

    def _tiers(self, tiers: dict[str, Targets]) -> dict[str, Any]:
        default = self._goals(tiers[DEFAULT_TIER])
        return {tier: default | self._goals(tiers[tier]) for tier in sorted(tiers)}

    def _goals(self, targets: Targets) -> dict[str, Any]:
        calendar = targets.calendar or self.calendar
        return {
            priority: None if target is None else {"target_ms": target, "calendar": calendar}
            for priority, target in targets.named().items()
        }


def read_sla_policy(path: Path) -> dict[str, Any]:
    """The normalised body of the file. Raises PolicyError when it is missing, unreadable or wrong."""
    return read_policy(path, SlaPolicyFile)
