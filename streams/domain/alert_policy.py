"""What governs alerts: when silence ends one, what flaps, how they are classified, and which become one incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tocsin.events.alerts import Matcher, Silence
from tocsin.events.vocabulary import AutoResolve

HOUR_MS: Final = 3_600_000
ALONE: Final = "alone"
"""Name of the rule that governs where no rule of the file does: every alert is an incident of its own."""


class Flapping(msgspec.Struct, frozen=True):
    """``transitions`` openings and resolutions of one fingerprint within ``within_ms``; 0 = nothing ever flaps."""

    transitions: int = 6
    within_ms: int = HOUR_MS // 2


class ClassificationRule(msgspec.Struct, frozen=True):
    """``assign``: field → value, in which ``{field}`` and ``{tag:name}`` stand for the alert's own values.

    override: the rule counts more than the sender's word; otherwise it fills in what the sender left empty.
    """

    name: str
    match: tuple[Matcher, ...]
    assign: dict[str, str]
    override: bool = False


class GroupingRule(msgspec.Struct, frozen=True):
    """Which alerts become one incident. ``incident`` false: none. The rest: see events.alerts.Grouping."""

    name: str
    match: tuple[Matcher, ...] = ()
    group_by: tuple[str, ...] = ("fingerprint",)
    threshold: int = 1
    window_ms: int = HOUR_MS
    auto_resolve: AutoResolve = "all"
    reopen_within_ms: int | None = HOUR_MS
    title: str = "{title}"
    incident: bool = True


BY_SERVICE: Final = GroupingRule(
    "by-service", (Matcher("service", ("?*",)),), ("service", "environment"), title="{service}: {title}"
)


class AlertsPolicy(msgspec.Struct, frozen=True):
    """The defaults are those of the packaged file.

    resolve_after_ms: the silence after which an alert is over, None = never; ``sources``: exceptions.
    classification, grouping: in the order of the file; the first rule that speaks counts.
    silences: by workspace; they come from events, not from the file.
    services: service → the service or system it is part of; a group goes by the topmost one.
    """

    resolve_after_ms: int | None = None
    sources: dict[str, int | None] = {}
    flapping: Flapping = Flapping()
    classification: tuple[ClassificationRule, ...] = ()
    grouping: tuple[GroupingRule, ...] = (BY_SERVICE,)
    services: dict[str, str] = {}
    silences: dict[str, tuple[Silence, ...]] = {}

    def silences_of(self, workspace: str) -> tuple[Silence, ...]:
        return self.silences.get(workspace, ())

    def resolve_after(self, source: str) -> int | None:
        return self.sources.get(source, self.resolve_after_ms)


def policy_of(body: Mapping[str, Any]) -> AlertsPolicy:
    """Raises msgspec.ValidationError when the body is no alerts policy."""
    return msgspec.convert(body, AlertsPolicy)
