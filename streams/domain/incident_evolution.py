"""The state of a group after each fact about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.events import incidents as contract
from tocsin.events.commands import Fact
from tocsin.events.identity import entity_of_numbered
from tocsin.events.incidents import Member
from tocsin.events.times import unix_ms
from tocsin.streams.domain.incident_state import Awaited, Incident, IncidentState, episode_of, stub


def evolve(state: IncidentState | None, fact: Fact) -> IncidentState | None:
    """The state after a fact. Facts that change nothing (refusals, policies) leave it as it is."""
    change = _CHANGES.get(type(fact))
    return change(state or IncidentState(fact.entity), fact) if change else state


def _opened(state: IncidentState, fact: contract.IncidentOpened) -> IncidentState:
    at = unix_ms(fact.at)
    incident = Incident(
        fact.number,
        fact.status,
        fact.version,
        at,
        at,
        fact.severity,
        fact.alert_count,
        fact.last_alert_at,
        auto_resolve=fact.auto_resolve,
        reopen_within_ms=fact.reopen_within_ms,
        title=fact.title,
        service=fact.service,
        team=fact.team,
        environment=fact.environment,
    )
    return msgspec.structs.replace(state, awaited=()).with_incident(incident)


def _columns(state: IncidentState, fact: contract.IncidentFact) -> Incident:
    """The incident of a fact with the columns every fact carries. Raises ValueError when it is not known."""
    incident = state.incident(fact.incident_id)
    if incident is None:
        raise ValueError(f"fact about {fact.incident_id}, which this state does not know")
    return msgspec.structs.replace(
        incident,
        status=fact.status,
        version=fact.version,
        updated_at=unix_ms(fact.at),
        severity=fact.severity,
        alert_count=fact.alert_count,
        last_alert_at=fact.last_alert_at,
    )


def _added(state: IncidentState, fact: contract.AlertAdded) -> IncidentState:
    alert = fact.alert
    incident = _columns(state, fact).with_member(Member(alert.alert_id, alert.severity, fact.active, alert.source))
    if alert.source not in incident.sources:
        incident = incident.with_sources((alert.source,))
    return state.with_incident(
        msgspec.structs.replace(
            incident, last_added=entity_of_numbered(alert.alert_id), reopen_within_ms=fact.reopen_within_ms
        )
    )


def _alert_changed(state: IncidentState, fact: contract.AlertChanged) -> IncidentState:
    incident = _columns(state, fact)
    if member := incident.member(fact.alert_id):
        incident = incident.with_member(msgspec.structs.replace(member, severity=fact.alert_severity))
    return state.with_incident(incident)


def _settled(state: IncidentState, fact: contract.AlertSettled) -> IncidentState:
    incident = _columns(state, fact)
    if member := incident.member(fact.alert_id):
        incident = incident.with_member(msgspec.structs.replace(member, active=False))
    return state.with_incident(incident)


def _status_changed(state: IncidentState, fact: contract.IncidentStatusChanged) -> IncidentState:
    incident = _columns(state, fact)
    if fact.status == "CLOSED":
        return state.with_incident(stub(incident))
    resolved_at = unix_ms(fact.at) if fact.status == "RESOLVED" else 0
    return state.with_incident(msgspec.structs.replace(incident, resolved_at=resolved_at))


def _acknowledged(state: IncidentState, fact: contract.IncidentAcknowledged) -> IncidentState:
    return state.with_incident(msgspec.structs.replace(_columns(state, fact), acknowledged=True))


def _assigned(state: IncidentState, fact: contract.IncidentAssigned) -> IncidentState:
    return state.with_incident(msgspec.structs.replace(_columns(state, fact), assignee=fact.assignee))


def _commented(state: IncidentState, fact: contract.CommentAdded) -> IncidentState:
    return state.with_incident(_columns(state, fact))


# --- merge and split ------------------------------------------------------------------------------------------------


def _merge_started(state: IncidentState, fact: contract.MergeStarted) -> IncidentState:
    return state.with_incident(msgspec.structs.replace(_columns(state, fact), taking_over=fact.source_id))


def _merge_ended(state: IncidentState, fact: contract.MergeEnded) -> IncidentState:
    return state.with_incident(msgspec.structs.replace(_columns(state, fact), taking_over=""))


def _merged(state: IncidentState, fact: contract.IncidentMerged) -> IncidentState:
    merged = msgspec.structs.replace(stub(_columns(state, fact)), merged_into=fact.merged_into)
    return state.with_incident(merged)


def _split_off(state: IncidentState, fact: contract.AlertsSplitOff) -> IncidentState:
    gone = {entity_of_numbered(one.alert_id): one.active for one in fact.members}
    incident = _columns(state, fact)
    left = [one for one in incident.members if entity_of_numbered(one.alert_id) not in gone]
    moved = state.moved | {entity: fact.to_incident_id for entity, active in gone.items() if active}
    return msgspec.structs.replace(state.with_incident(incident.with_members(left)), moved=moved)


def _adopted(state: IncidentState, fact: contract.AlertsAdopted) -> IncidentState:
    incident = _columns(state, fact)
    if incident.status != "CLOSED":
        incident = with_adopted(incident, fact.members).with_sources(fact.sources)
    taking_over = "" if incident.taking_over == fact.from_incident_id else incident.taking_over
    # what was split off and came back with a merge is here again
    here = {entity_of_numbered(one.alert_id) for one in fact.members}
    moved = {entity: to for entity, to in state.moved.items() if entity not in here}
    changed = state.with_incident(msgspec.structs.replace(incident, taking_over=taking_over))
    return msgspec.structs.replace(changed, moved=moved)


def with_adopted(incident: Incident, members: tuple[Member, ...]) -> Incident:
    """With the alerts of another incident; of two episodes of one fingerprint the newer counts."""
    for member in members:
        known = incident.member(member.alert_id)
        if known is None or episode_of(known.alert_id) < episode_of(member.alert_id):
            incident = incident.with_member(member)
    return incident


# --- below the threshold --------------------------------------------------------------------------------------------


def _awaited(state: IncidentState, fact: contract.AlertAwaited) -> IncidentState:
    entity = entity_of_numbered(fact.alert.alert_id)
    others = tuple(one for one in state.awaited if entity_of_numbered(one.alert.alert_id) != entity)
    new = Awaited(fact.alert, unix_ms(fact.at) + fact.grouping.window_ms)
    return msgspec.structs.replace(state, awaited=(*others, new))


def _awaited_changed(state: IncidentState, fact: contract.AwaitedChanged) -> IncidentState:
    changed = tuple(
        Awaited(msgspec.structs.replace(one.alert, severity=fact.severity), one.until, fact.active)
        if one.alert.alert_id == fact.alert_id
        else one
        for one in state.awaited
    )
    return msgspec.structs.replace(state, awaited=changed)


def _forgotten(state: IncidentState, fact: contract.AwaitedForgotten) -> IncidentState:
    left = tuple(one for one in state.awaited if one.alert.alert_id not in fact.alert_ids)
    return msgspec.structs.replace(state, awaited=left)


def _forwarded(state: IncidentState, fact: contract.AlertForwarded) -> IncidentState:
    if fact.cleared is None:
        return state
    # the alert that was split off is over; its next episode belongs to its group again
    entity = entity_of_numbered(fact.cleared.alert_id)
    return msgspec.structs.replace(state, moved={one: to for one, to in state.moved.items() if one != entity})


_CHANGES: Final[dict[type, Callable[[IncidentState, Any], IncidentState]]] = {
    contract.IncidentOpened: _opened,
    contract.AlertAdded: _added,
    contract.AlertChanged: _alert_changed,
    contract.AlertSettled: _settled,
    contract.IncidentStatusChanged: _status_changed,
    contract.IncidentAcknowledged: _acknowledged,
    contract.IncidentAssigned: _assigned,
    contract.CommentAdded: _commented,
    contract.MergeStarted: _merge_started,
    contract.MergeEnded: _merge_ended,
    contract.IncidentMerged: _merged,
    contract.AlertsSplitOff: _split_off,
    contract.AlertsAdopted: _adopted,
    contract.AlertAwaited: _awaited,
    contract.AwaitedChanged: _awaited_changed,
    contract.AwaitedForgotten: _forgotten,
    contract.AlertForwarded: _forwarded,
}
