"""The state of one group of alerts: its incidents, the alerts below its threshold, and where merged or split alerts go.

It is folded from facts. A closed incident keeps what late commands and the next one need, about 100 bytes; a live one
grows with its alerts, about 60 bytes each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from tocsin.events.alerts import AlertSummary
from tocsin.events.identity import entity_of_numbered
from tocsin.events.incidents import Member
from tocsin.events.vocabulary import SEVERITIES, AutoResolve, IncidentStatus, Severity

# A group that keeps failing remembers its newest incidents; older ones are final.
INCIDENTS_KEPT: Final = 32
# Alerts that are over are forgotten beyond this; those that fire never are.
MEMBERS_KEPT: Final = 64


class Incident(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One incident of a group. Times in Unix ms of logical time, ``last_alert_at`` as in the facts.

    last_added: the fingerprint entity whose alert was added last. merged_into: the incident that has its alerts.
    taking_over: the incident whose alerts are on their way here. sources: of all alerts it ever had, sorted.
    The block at the end is dropped when it is closed.
    """

    number: int
    status: IncidentStatus
    version: int
    created_at: int
    updated_at: int
    severity: Severity
    alert_count: int
    last_alert_at: str
    resolved_at: int = 0
    assignee: str = ""
    acknowledged: bool = False
    merged_into: str = ""
    auto_resolve: AutoResolve = "all"
    reopen_within_ms: int | None = None
    taking_over: str = ""
    members: tuple[Member, ...] = ()
    last_added: str = ""
    title: str = ""
    service: str = ""
    team: str = ""
    environment: str = ""
    sources: tuple[str, ...] = ()

    @property
    def active_alerts(self) -> int:
        return sum(member.active for member in self.members)

    def member(self, alert_id: str) -> Member | None:
        """The alert of the same fingerprint, whichever episode."""
        entity = entity_of_numbered(alert_id)
        return next((one for one in self.members if entity_of_numbered(one.alert_id) == entity), None)

    def with_member(self, changed: Member) -> Incident:
        """With this alert instead of an earlier episode, or besides the others. Severity follows."""
        entity = entity_of_numbered(changed.alert_id)
        members = [changed if entity_of_numbered(one.alert_id) == entity else one for one in self.members]
        if changed not in members:
            members.append(changed)
        return self.with_members(members)

    def with_sources(self, sources: Iterable[str]) -> Incident:
        return msgspec.structs.replace(self, sources=tuple(sorted({*self.sources, *sources} - {""})))

    def with_members(self, members: list[Member]) -> Incident:
        while len(members) > MEMBERS_KEPT and (over := next((one for one in members if not one.active), None)):
            members.remove(over)
        return msgspec.structs.replace(self, members=tuple(members), severity=highest(members, self.severity))


class Awaited(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An alert of a group below its threshold. ``until``: when it no longer counts, Unix ms."""

    alert: AlertSummary
    until: int
    active: bool = True


class IncidentState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``incidents``: oldest first. ``moved``: fingerprint entities that were split off, and to which incident."""

    entity: str
    incidents: tuple[Incident, ...] = ()
    awaited: tuple[Awaited, ...] = ()
    moved: dict[str, str] = {}

    def incident_id(self, incident: Incident) -> str:
        return f"{self.entity}-{incident.number}"

    def incident(self, incident_id: str) -> Incident | None:
        number = incident_id.rpartition("-")[2]
        return next((one for one in reversed(self.incidents) if str(one.number) == number), None)

    def latest(self) -> Incident | None:
        return self.incidents[-1] if self.incidents else None

    def holding(self, alert_id: str) -> Incident | None:
        """The newest incident with an alert of this fingerprint."""
        return next((one for one in reversed(self.incidents) if one.member(alert_id)), None)

    def awaiting(self, alert_id: str) -> Awaited | None:
        entity = entity_of_numbered(alert_id)
        return next((one for one in self.awaited if entity_of_numbered(one.alert.alert_id) == entity), None)

    def with_incident(self, changed: Incident) -> IncidentState:
        kept = tuple(changed if one.number == changed.number else one for one in self.incidents)
        if changed not in kept:
            kept = (*kept[-(INCIDENTS_KEPT - 1) :], changed)
        return msgspec.structs.replace(self, incidents=kept)


def episode_of(alert_id: str) -> int:
    return int(alert_id.rpartition("-")[2])


def highest(members: list[Member], otherwise: Severity) -> Severity:
    """The highest severity of those that fire; the last one while none does."""
    return min((one.severity for one in members if one.active), key=SEVERITIES.index, default=otherwise)


def stub(incident: Incident) -> Incident:
    """What is remembered of a closed incident."""
    return msgspec.structs.replace(
        incident, members=(), last_added="", title="", service="", team="", environment="", sources=(), taking_over=""
    )
