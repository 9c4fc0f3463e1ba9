"""Contracts of the incidents domain: what comes in (events) and what was decided (facts), version 1 of each."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from tocsin.events.alerts import AlertSummary, Grouping
from tocsin.events.commands import (
    Answer,
    CommandRefused,
    CommandUnchanged,
    Fact,
    PolicyActivated,
    PolicyApplied,
    TimerDue,
)
from tocsin.events.vocabulary import AutoResolve, IncidentStatus, Severity

DOMAIN: Final = "incidents"


# --- events: what the alerts domain says -----------------------------------------------------------------------------


class AlertRaised(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An alert fires. ``grouping`` has the terms that govern its group.

    flapping: it comes and goes; it joins what is there, but re-opens nothing.
    incident_id: the incident it is forwarded to, after a merge or split; empty on the direct way.
    """

    alert: AlertSummary
    grouping: Grouping
    flapping: bool = False
    incident_id: str = ""


class AlertUpdated(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The severity of an alert changed. ``incident_id``: as in AlertRaised."""

    alert_id: str
    severity: Severity
    incident_id: str = ""


class AlertCleared(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An alert is over; ``reason`` is the rule that resolved it. ``incident_id``: as in AlertRaised."""

    alert_id: str
    resolved_at: str
    reason: str
    incident_id: str = ""


# --- events: what people ask -----------------------------------------------------------------------------------------


class IncidentStatusRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Somebody asks for another status. ``if_version``: the version the client saw (If-Match)."""

    incident_id: str
    status: IncidentStatus
    actor: str
    reason: str = ""
    if_version: int | None = None


class AcknowledgeRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Somebody has seen it; the first one counts."""

    incident_id: str
    actor: str
    if_version: int | None = None


class AssignRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``assignee``: empty = nobody."""

    incident_id: str
    assignee: str
    actor: str
    if_version: int | None = None


class CommentRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    incident_id: str
    text: str
    actor: str
    if_version: int | None = None


class MergeRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Addressed to the target (``incident_id``), so that one that does not exist is refused before anything moves."""

    incident_id: str
    source_id: str
    actor: str
    reason: str = ""
    if_version: int | None = None


class SplitRequested(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Some alerts of an incident become an incident of their own. ``title``: of the new one; empty = as the old."""

    incident_id: str
    alert_ids: tuple[str, ...]
    actor: str
    reason: str = ""
    title: str = ""
    if_version: int | None = None


# --- events: what incidents say to each other ------------------------------------------------------------------------


class Member(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An alert of an incident as it is handed over; ``alert_id`` names its newest episode."""

    alert_id: str
    severity: Severity
    active: bool = True
    source: str = ""


class MergeProposed(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The target says to the source that it will take over. ``answers``: the client that waits for the end of it."""

    incident_id: str
    target_id: str
    actor: str
    reason: str = ""
    answers: tuple[Answer, ...] = ()


class MergeDeclined(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The source says to the target that it does not merge."""

    incident_id: str
    source_id: str


class AlertsHandedOver(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The source gives its alerts to ``incident_id``: all of them (merge), or some to a new incident (split).

    alert_count: how many episodes they are; sources: whose. The last block describes the new incident of a split.
    """

    incident_id: str
    source_id: str
    how: Literal["merge", "split"]
    members: tuple[Member, ...]
    alert_count: int
    last_alert_at: str
    actor: str
    sources: tuple[str, ...] = ()
    reason: str = ""
    answers: tuple[Answer, ...] = ()
    title: str = ""
    service: str = ""
    team: str = ""
    environment: str = ""
    auto_resolve: AutoResolve = "all"
    reopen_within_ms: int | None = None


# --- facts ----------------------------------------------------------------------------------------------------------


class IncidentFact(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A fact about one incident, with its columns after it; ``at`` is its ``updated_at`` and strictly increases.

    severity: the highest of its active alerts, the last one while none is active.
    alert_count: distinct alert episodes it ever had. active_alerts: how many of its fingerprints fire now.
    """

    incident_id: str
    status: IncidentStatus
    severity: Severity
    alert_count: int
    active_alerts: int
    last_alert_at: str


class IncidentOpened(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``at`` is also its ``created_at``. Its alerts follow as AlertAdded (or AlertsAdopted after a split)."""

    number: int
    title: str
    rule: str
    group: dict[str, str]
    service: str = ""
    team: str = ""
    environment: str = ""
    previous_incident_id: str = ""
    split_from: str = ""
    actor: str = ""
    reason: str = ""
    auto_resolve: AutoResolve = "all"
    reopen_within_ms: int | None = None


class AlertAdded(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``alert.alert_id`` belongs to this incident from here on. The alert's own facts may be projected later.

    from_severity: the incident's own before it; older facts do not say.
    """

    alert: AlertSummary
    new_episode: bool = True
    active: bool = True
    reopen_within_ms: int | None = None
    from_severity: Severity | None = None


class AlertChanged(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An alert of it changed; ``from_severity`` and ``severity`` are the incident's own."""

    alert_id: str
    alert_severity: Severity
    from_severity: Severity


class AlertSettled(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An alert of it is over; ``reason`` is the rule that resolved the alert."""

    alert_id: str
    resolved_at: str
    reason: str


Action = Literal["status_changed", "auto_resolved", "reopened"]


class IncidentStatusChanged(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``reopen_until``: until then a new alert re-opens it; empty when it never does."""

    from_status: IncidentStatus
    actor: str
    action: Action = "status_changed"
    reason: str = ""
    reopen_until: str = ""


class IncidentAcknowledged(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """``acknowledged_at`` is ``at``."""

    actor: str


class IncidentAssigned(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    from_assignee: str
    assignee: str
    actor: str


class CommentAdded(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    text: str
    actor: str


class MergeStarted(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """On the target: it waits for the alerts of ``source_id``. ``waiting``: the client that hears of the end."""

    source_id: str
    actor: str
    reason: str = ""
    waiting: tuple[Answer, ...] = ()


class MergeEnded(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """On the target: the source declined."""

    source_id: str


class MergeRefused(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """On the source, beside the CommandRefused that answers: it tells the target."""

    incident_id: str
    target_id: str


class IncidentMerged(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """On the source: it is CLOSED, its alerts belong to ``merged_into``, and so will later ones of its group."""

    from_status: IncidentStatus
    merged_into: str
    actor: str
    members: tuple[Member, ...]
    sources: tuple[str, ...] = ()
    reason: str = ""
    waiting: tuple[Answer, ...] = ()


class AlertsSplitOff(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """On the source of a split: these alerts belong to ``to_incident_id``."""

    to_incident_id: str
    members: tuple[Member, ...]
    actor: str
    title: str
    service: str = ""
    team: str = ""
    environment: str = ""
    auto_resolve: AutoResolve = "all"
    reopen_within_ms: int | None = None
    reason: str = ""
    waiting: tuple[Answer, ...] = ()


class AlertsAdopted(IncidentFact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """On the target of a merge, and on the new incident of a split.

    All alerts of ``from_incident_id`` (merge), or those of ``members`` (split), belong to it from here on.
    sources: of all alerts it adopts.
    """

    from_incident_id: str
    how: Literal["merge", "split"]
    members: tuple[Member, ...]
    actor: str
    sources: tuple[str, ...] = ()
    reason: str = ""


class AlertAwaited(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An alert of a group below its threshold: ``waiting`` of ``grouping.threshold`` distinct ones so far."""

    alert: AlertSummary
    grouping: Grouping
    waiting: int


class AwaitedChanged(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An awaited alert changed: another severity, or it is over (``active`` false); it still counts for the window."""

    alert_id: str
    severity: Severity
    active: bool = True


class AwaitedForgotten(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The window passed without the threshold being reached; these alerts no longer count."""

    alert_ids: tuple[str, ...]


class AlertForwarded(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What an alert says goes on to ``to_incident_id``, since its group was merged or the alert split off. One of the
    three is set."""

    to_incident_id: str
    raised: AlertRaised | None = None
    updated: AlertUpdated | None = None
    cleared: AlertCleared | None = None


class AdoptionForwarded(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Alerts that were handed over go on, since the incident that was to take them was merged itself meanwhile."""

    to_incident_id: str
    handed_over: AlertsHandedOver


class AlertIgnored(Fact, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What an alert says changes nothing; ``cause.rule`` says why."""

    alert_id: str


EVENTS: Final[dict[str, type[Any]]] = {
    f"tocsin.incidents.{cls.__name__}.v1": cls
    for cls in (
        AlertRaised,
        AlertUpdated,
        AlertCleared,
        IncidentStatusRequested,
        AcknowledgeRequested,
        AssignRequested,
        CommentRequested,
        MergeRequested,
        SplitRequested,
        MergeProposed,
        MergeDeclined,
        AlertsHandedOver,
        TimerDue,
        PolicyActivated,
    )
}
FACTS: Final[dict[str, type[Any]]] = {
    f"tocsin.incidents.{cls.__name__}.v1": cls
    for cls in (
        IncidentOpened,
        AlertAdded,
        AlertChanged,
        AlertSettled,
        IncidentStatusChanged,
        IncidentAcknowledged,
        IncidentAssigned,
        CommentAdded,
        MergeStarted,
        MergeEnded,
        MergeRefused,
        IncidentMerged,
        AlertsSplitOff,
        AlertsAdopted,
        AlertAwaited,
        AwaitedChanged,
        AwaitedForgotten,
        AlertForwarded,
        AdoptionForwarded,
        AlertIgnored,
        PolicyApplied,
        CommandUnchanged,
        CommandRefused,
    )
}
