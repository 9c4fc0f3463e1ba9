"""What the alerts of a group do to its incidents: await the threshold, open, join, re-open, resolve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tocsin.events import incidents as contract
from tocsin.events.alerts import AlertSummary, Grouping
from tocsin.events.commands import Fact
from tocsin.events.identity import entity_of_numbered
from tocsin.events.incidents import AlertCleared, AlertRaised, AlertUpdated, Member
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import SEVERITIES, Severity
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.incident_forwarding import forwarded
from tocsin.streams.domain.incident_state import Incident, IncidentState, episode_of
from tocsin.streams.domain.incident_telling import Telling

# --- raised ---------------------------------------------------------------------------------------------------------


def raised(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    event: AlertRaised = received.event
    telling = Telling(state, received)
    if forwarded(telling, event.alert.alert_id, event.incident_id, raised=event):
        return telling.facts
    incident = _addressed(telling.state, event.incident_id)
    if incident is None or incident.status == "CLOSED":
        _begin(telling, event, incident, "previous_closed" if incident else "new_group")
    elif incident.status != "RESOLVED":
        _join(telling, incident, event, "incident_open")
    else:
        _raised_on_resolved(telling, incident, event)
    if not telling.facts:
        telling.plain(contract.AlertIgnored, "added_already", alert_id=event.alert.alert_id)
    return telling.facts


def _raised_on_resolved(telling: Telling, incident: Incident, event: AlertRaised) -> None:
    if event.flapping:
        _join(telling, incident, event, "flapping_reopens_nothing")
        return
    window = event.grouping.reopen_within_ms
    values = {"resolved_at": rfc3339(incident.resolved_at), "reopen_within_ms": window}
    if window is None or telling.received.now >= incident.resolved_at + window:
        _begin(telling, event, incident, "reopen_window_passed", values)
        return
    incident = _join(telling, incident, event, "resolved_within_window")
    telling.moved(incident, "INVESTIGATING", "resolved_within_window", action="reopened", values=values)


def _addressed(state: IncidentState, incident_id: str) -> Incident | None:
    """The incident that takes the group's alerts: the newest; or the one they were forwarded to, until it is closed."""
    named = state.incident(incident_id) if incident_id else None
    return named if named and named.status != "CLOSED" else state.latest()


def _join(telling: Telling, incident: Incident, event: AlertRaised, rule: str) -> Incident:
    alert, known = event.alert, incident.member(event.alert.alert_id)
    if known == Member(alert.alert_id, alert.severity, active=True, source=alert.source):
        return incident
    if known and episode_of(known.alert_id) > episode_of(alert.alert_id):
        telling.plain(contract.AlertIgnored, "newer_episode_known", alert_id=alert.alert_id)
        return incident
    return added(telling, incident, alert, event.grouping, rule)


def added(
    telling: Telling, incident: Incident, alert: AlertSummary, grouping: Grouping, rule: str, *, active: bool = True
) -> Incident:
    known = incident.member(alert.alert_id)
    new = known is None or known.alert_id != alert.alert_id
    after = msgspec.structs.replace(
        incident.with_member(Member(alert.alert_id, alert.severity, active, alert.source)),
        alert_count=incident.alert_count + new,
        last_alert_at=max(incident.last_alert_at, alert.started_at),
    )
    return telling.about(
        contract.AlertAdded,
        after,
        rule,
        alert=alert,
        new_episode=new,
        active=active,
        reopen_within_ms=grouping.reopen_within_ms,
        from_severity=incident.severity,
        values={"group_rule": grouping.rule, **grouping.group},
    )


# --- opening --------------------------------------------------------------------------------------------------------


def _begin(
    telling: Telling,
    event: AlertRaised,
    previous: Incident | None,
    rule: str,
    values: Mapping[str, object] | None = None,
) -> None:
    """Opens an incident once the threshold is reached. An alert that another incident forwarded needs no company."""
    alert, terms, state = event.alert, event.grouping, telling.state
    waiting = [
        one for one in state.awaited if entity_of_numbered(one.alert.alert_id) != entity_of_numbered(alert.alert_id)
    ]
    if not event.incident_id and len(waiting) + 1 < terms.threshold:
        telling.plain(
            contract.AlertAwaited,
            "below_threshold",
            alert=alert,
            grouping=terms,
            waiting=len(waiting) + 1,
            values={"waiting": len(waiting) + 1, "threshold": terms.threshold},
        )
        return
    reached = {"alerts": len(waiting) + 1, "threshold": terms.threshold, **(values or {})}
    incident = _opened(telling, alert, terms, previous, rule, reached)
    for one in waiting:
        incident = added(telling, incident, one.alert, terms, "threshold_reached", active=one.active)
    added(telling, incident, alert, terms, rule)


def _opened(
    telling: Telling,
    alert: AlertSummary,
    terms: Grouping,
    previous: Incident | None,
    rule: str,
    values: Mapping[str, object],
) -> Incident:
    latest = telling.state.latest()
    blank = Incident(
        latest.number + 1 if latest else 1,
        "OPEN",
        telling.received.offset,
        0,
        latest.updated_at if latest else 0,
        alert.severity,
        0,
        alert.started_at,
    )
    return telling.about(
        contract.IncidentOpened,
        blank,
        rule,
        number=blank.number,
        title=terms.title,
        group=terms.group,
        rule=terms.rule,
        service=terms.group.get("service", alert.service),
        team=alert.team,
        environment=alert.environment,
        previous_incident_id=telling.state.incident_id(previous) if previous else "",
        auto_resolve=terms.auto_resolve,
        reopen_within_ms=terms.reopen_within_ms,
        values={"group_rule": terms.rule, **terms.compared, **values},
    )


# --- changed and cleared --------------------------------------------------------------------------------------------


def updated(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    event: AlertUpdated = received.event
    telling = Telling(state, received)
    if forwarded(telling, event.alert_id, event.incident_id, updated=event):
        return telling.facts
    incident = telling.state.holding(event.alert_id)
    member = incident.member(event.alert_id) if incident else None
    if incident is None or member is None or not member.active:
        _not_here(telling, event.alert_id, event.severity, active=True)
        return telling.facts
    after = incident.with_member(msgspec.structs.replace(member, severity=event.severity))
    raised_now = SEVERITIES.index(after.severity) < SEVERITIES.index(incident.severity)
    telling.about(
        contract.AlertChanged,
        after,
        "severity_raised" if raised_now else "alert_severity_changed",
        alert_id=member.alert_id,
        alert_severity=event.severity,
        from_severity=incident.severity,
    )
    return telling.facts


def cleared(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    event: AlertCleared = received.event
    telling = Telling(state, received)
    if forwarded(telling, event.alert_id, event.incident_id, cleared=event):
        return telling.facts
    incident = telling.state.holding(event.alert_id)
    member = incident.member(event.alert_id) if incident else None
    if incident is None or member is None or not member.active:
        awaited = telling.state.awaiting(event.alert_id)
        _not_here(telling, event.alert_id, awaited.alert.severity if awaited else "info", active=False)
        return telling.facts
    if episode_of(member.alert_id) > episode_of(event.alert_id):
        telling.plain(contract.AlertIgnored, "newer_episode_known", alert_id=event.alert_id)
        return telling.facts
    incident = telling.about(
        contract.AlertSettled,
        incident.with_member(msgspec.structs.replace(member, active=False)),
        "alert_resolved",
        alert_id=member.alert_id,
        resolved_at=event.resolved_at,
        reason=event.reason,
    )
    auto_resolved(telling, incident, entity_of_numbered(event.alert_id))
    return telling.facts


def _not_here(telling: Telling, alert_id: str, severity: Severity, *, active: bool) -> None:
    """About an alert that no incident counts as firing; perhaps it waits below the threshold."""
    awaited = telling.state.awaiting(alert_id)
    if awaited and awaited.alert.alert_id == alert_id:
        telling.plain(contract.AwaitedChanged, "below_threshold", alert_id=alert_id, severity=severity, active=active)
    else:
        telling.plain(contract.AlertIgnored, "no_alert_of_an_incident", alert_id=alert_id)


def auto_resolved(telling: Telling, incident: Incident, over: str) -> Incident:
    """Resolves the incident when the alert of this fingerprint, which is over, is the one that decides."""
    if incident.status not in ("OPEN", "INVESTIGATING") or not _decides(incident, over):
        return incident
    return telling.moved(
        incident,
        "RESOLVED",
        "alerts_resolved",
        action="auto_resolved",
        values={"auto_resolve": incident.auto_resolve, "active_alerts": incident.active_alerts},
    )


def _decides(incident: Incident, over: str) -> bool:
    if incident.auto_resolve == "all":
        return incident.active_alerts == 0
    if incident.auto_resolve == "first":
        return bool(incident.members) and entity_of_numbered(incident.members[0].alert_id) == over
    return incident.auto_resolve == "last" and incident.last_added == over
