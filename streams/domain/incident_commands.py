"""What people ask of an incident: status, acknowledgement, assignee, comment. Refusals name what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tocsin.events import incidents as contract
from tocsin.events.commands import Fact
from tocsin.events.vocabulary import INCIDENT_MOVES
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.incident_state import Incident, IncidentState
from tocsin.streams.domain.incident_telling import Telling


def change_status(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    event: contract.IncidentStatusRequested = received.event
    telling = Telling(state, received)
    incident = addressed(telling, "change_status")
    if incident is None:
        return telling.facts
    if event.status == incident.status:
        return telling.unchanged("change_status", "same_status")
    allowed = INCIDENT_MOVES[incident.status]
    if event.status not in allowed:
        detail = f"{incident.status} does not move to {event.status}"
        if incident.merged_into:
            detail = f"the incident was merged into {incident.merged_into}"
        return telling.refused("change_status", "illegal_move", detail, allowed=allowed)
    if event.status == "CLOSED" and incident.taking_over:
        return telling.refused("change_status", "merging", f"alerts of {incident.taking_over} are on their way")
    telling.moved(
        incident,
        event.status,
        "legal_move",
        actor=event.actor,
        reason=event.reason,
        answers=received.answers(),
        values={"from": incident.status, "to": event.status},
    )
    return telling.facts


def acknowledge(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    telling = Telling(state, received)
    incident = addressed(telling, "acknowledge")
    if incident is None:
        return telling.facts
    if incident.acknowledged:
        return telling.unchanged("acknowledge", "acknowledged_already")
    if incident.status == "CLOSED":
        return telling.refused("acknowledge", "final", "the incident is closed")
    after = msgspec.structs.replace(incident, acknowledged=True)
    return _done(telling, contract.IncidentAcknowledged, after, "first_acknowledgement", actor=received.event.actor)


def assign(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    event: contract.AssignRequested = received.event
    telling = Telling(state, received)
    incident = addressed(telling, "assign")
    if incident is None:
        return telling.facts
    if event.assignee == incident.assignee:
        return telling.unchanged("assign", "same_assignee")
    after = msgspec.structs.replace(incident, assignee=event.assignee)
    who = {"from_assignee": incident.assignee, "assignee": event.assignee, "actor": event.actor}
    return _done(telling, contract.IncidentAssigned, after, "assigned", **who)


def comment(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    event: contract.CommentRequested = received.event
    telling = Telling(state, received)
    incident = addressed(telling, "comment")
    if incident is None:
        return telling.facts
    return _done(telling, contract.CommentAdded, incident, "commented", text=event.text, actor=event.actor)


def _done(telling: Telling, fact: type[Any], after: Incident, rule: str, **fields: Any) -> Sequence[Fact]:
    telling.about(fact, after, rule, answers=telling.received.answers(), **fields)
    return telling.facts


def addressed(telling: Telling, command: str) -> Incident | None:
    """The incident a command names; None after telling why it cannot be had: unknown, forgotten, another version, or
    a command that was decided before."""
    event, state = telling.received.event, telling.state
    if telling.received.duplicate:
        return None
    incident = state.incident(event.incident_id)
    if incident is None:
        number = event.incident_id.rpartition("-")[2]
        if state.incidents and number.isdigit() and int(number) < state.incidents[0].number:
            telling.refused(command, "final", "this incident is too old to be changed")
        else:
            telling.refused(command, "unknown", f"no incident {event.incident_id}")
        return None
    if event.if_version is not None and event.if_version != incident.version:
        detail = f"the incident is at version {incident.version}, not {event.if_version}"
        telling.refused(command, "version_mismatch", detail, current_version=incident.version)
        return None
    return incident
