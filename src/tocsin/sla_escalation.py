"""Who is told of a missed goal, where, and when again: the ladders, channels and routes of an SLA policy file."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from tocsin import channels
from tocsin.business_time import DAY_MINUTES
from tocsin.egress import urls
from tocsin.egress.refusal import Refused
from tocsin.events.vocabulary import Metric, Priority
from tocsin.policies import Duration
from tocsin.sla_calendars import WeeklyHours

MAX_STEPS: Final = 10
MAX_LOOPS: Final = 10
SLACK_PER_SECOND: Final = 1.0
"""Slack: one message a second and incoming webhook (docs.slack.dev, "Rate limits")."""
_LONGEST_DELAY_MS: Final = 30 * 86_400_000


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _values(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _delay(value: int | None) -> int:
    if value is None or value > _LONGEST_DELAY_MS:
        raise ValueError("must be a duration of at most 30d, such as 0m or 15m")
    return value


def _timeout(value: int | None) -> int | None:
    if value is not None and not 60_000 <= value <= _LONGEST_DELAY_MS:
        raise ValueError("must be from 1m to 30d, or never")
    return value


def _webhook(value: str) -> str:
    if not channels.NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no name of SLACK_WEBHOOK_URLS: a-z, 0-9, _ and -")
    return value


def _url(value: SecretStr) -> SecretStr:
    try:
        urls.read(value.get_secret_value())
    except Refused as refused:
        raise ValueError(refused.refusal.message) from None
    return value


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Values = Annotated[list[str], BeforeValidator(_values), Field(max_length=100)]
Names = Annotated[list[Name], BeforeValidator(_values), Field(min_length=1, max_length=10)]
Delay = Annotated[Duration, AfterValidator(_delay)]


class QuietHours(WeeklyHours):
    """Open = quiet: nothing is sent to the channel then, but for tickets of these priorities."""

    except_for: list[Priority] = Field(["critical"])

    @model_validator(mode="after")
    def _end_some_time(self) -> QuietHours:
        if sum(end - start for day in self.week() for start, end in day) == 7 * DAY_MINUTES:
            raise ValueError("a channel that is quiet all week would never tell anybody")
        return self

    def body(self) -> dict[str, Any]:
        return {"hours": super().body(), "except_for": sorted(set(self.except_for))}


class Channel(Part):
    """``slack`` without a URL is that of SLACK_WEBHOOK_URL, or the one called ``webhook`` in SLACK_WEBHOOK_URLS; the
    kind ``webhook`` is signed as those of jobs are."""

    kind: Literal["slack", "webhook"] = "slack"
    webhook: Annotated[str, AfterValidator(_webhook)] = "default"
    url: Annotated[SecretStr, AfterValidator(_url)] | None = None
    per_second: float | None = Field(None, gt=0, le=1000)
    quiet_hours: QuietHours | None = None

    @model_validator(mode="after")
    def _has_somewhere_to_go(self) -> Channel:
        if self.kind == "webhook" and self.url is None:
            raise ValueError("a webhook needs a url")
        if "webhook" in self.model_fields_set and (self.kind == "webhook" or self.url is not None):
            raise ValueError("webhook names one of SLACK_WEBHOOK_URLS; it goes with no url and no other kind")
        return self

    def body(self) -> dict[str, Any]:
        default = SLACK_PER_SECOND if self.kind == "slack" else 0
        return {
            "kind": self.kind,
            "known_as": "" if self.url else f"slack:{self.webhook}",
            "url": self.url.get_secret_value() if self.url else "",
            "rate_per_second": default if self.per_second is None else self.per_second,
            "quiet_hours": self.quiet_hours.body() if self.quiet_hours else None,
        }


class Route(Part):
    """Where the channel ``team`` leads for tickets with one of these tags; ``*`` and ``?`` are wild."""

    tags: Annotated[Values, Field(min_length=1)]
    channel: Name

    def body(self) -> dict[str, Any]:
        return {"tags": self.tags, "channel": self.channel}


class Step(Part):
    """``after``: how long after the step before; of the first: after the breach."""

    after: Delay = Field(0)
    channels: Names = ["team"]

    def body(self) -> dict[str, Any]:
        return {"after_ms": self.after, "channels": self.channels}


class SupportHours(Part):
    """When people of this ladder are told. ``outside``: hold = when the calendar opens; page = anyway."""

    calendar: Name
    outside: Literal["hold", "page"] = "hold"

    def body(self) -> dict[str, Any]:
        return {"calendar": self.calendar, "outside": self.outside}


class Ladder(Part):
    """``repeat``: so many times again from the first step; ``ack_timeout``: it goes on when an acknowledged ticket is
    not resolved by then. ``max_level``: default as many as one pass has."""

    steps: list[Step] = Field(min_length=1, max_length=MAX_STEPS)
    repeat: int = Field(0, ge=0, le=MAX_LOOPS)
    ack_timeout: Annotated[Duration, AfterValidator(_timeout)] = Field(None)
    support_hours: SupportHours | None = None
    max_level: int | None = Field(None, ge=1, le=100)

    @model_validator(mode="after")
    def _repeats_take_time(self) -> Ladder:
        if self.repeat and not sum(step.after or 0 for step in self.steps):
            raise ValueError("a ladder that repeats needs a step with some delay")
        return self

    def body(self) -> dict[str, Any]:
        # the breach itself is a level of its own where the first step comes later
        levels = len(self.steps) + (1 if self.steps[0].after else 0)
        return {
            "steps": [step.body() for step in self.steps],
            "repeat": self.repeat,
            "ack_timeout_ms": self.ack_timeout,
            "support_hours": self.support_hours.body() if self.support_hours else None,
            "max_level": levels if self.max_level is None else self.max_level,
        }


class EscalationRule(Part):
    """Which ladder a missed goal climbs; the first rule that matches. What is not named matches all."""

    ladder: Name
    metrics: list[Metric] = []
    priorities: list[Priority] = []
    tiers: Values = []

    def body(self) -> dict[str, Any]:
        return {
            "ladder": self.ladder,
            "metrics": self.metrics,
            "priorities": self.priorities,
            "tiers": self.tiers,
        }
