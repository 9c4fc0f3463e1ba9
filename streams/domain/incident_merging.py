"""Merge and split: alerts move from one incident to another, which may live in another partition.

A merge is asked of the target, so that nothing moves to an incident that does not exist; the target proposes it to the
source, the source closes and hands its alerts over, the target adopts them and answers. Neither can become part of
another merge meanwhile, so merges make no circle. A split is asked of the source, which hands alerts to a new group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.events import incidents as contract
from tocsin.events.commands import CommandRefused, Fact, RefusalReason
from tocsin.events.identity import entity_of_numbered, incident_entity
from tocsin.events.incidents import AlertsHandedOver, MergeProposed, MergeRequested, SplitRequested
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.incident_alerts import auto_resolved
from tocsin.streams.domain.incident_commands import addressed
from tocsin.streams.domain.incident_evolution import with_adopted
from tocsin.streams.domain.incident_state import Incident, IncidentState
from tocsin.streams.domain.incident_telling import Telling

SPLIT: Final = "split"
"""The name of the grouping rule of incidents that were split off."""


def merge(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    """On the target."""
    event: MergeRequested = received.event
    telling = Telling(state, received)
    target = addressed(telling, "merge")
    if target is None:
        return telling.facts
    if event.source_id == event.incident_id:
        return telling.refused("merge", "same_incident", "an incident cannot be merged into itself")
    if target.merged_into:
        return telling.refused("merge", "merged", f"the incident was merged into {target.merged_into}")
    if target.status == "CLOSED":
        return telling.refused("merge", "final", "the incident is closed")
    if target.taking_over:
        return telling.refused("merge", "merging", f"alerts of {target.taking_over} are on their way")
    telling.about(
        contract.MergeStarted,
        target,
        "merge_proposed",
        source_id=event.source_id,
        actor=event.actor,
        reason=event.reason,
        waiting=received.answers(),
    )
    return telling.facts


def proposed(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    """On the source."""
    event: MergeProposed = received.event
    telling = Telling(state, received)
    source = telling.state.incident(event.incident_id)
    refusal = _no_merge(source, event)
    if source is None or refusal is not None:
        reason, detail = refusal or ("unknown", f"no incident {event.incident_id}")
        telling.plain(
            CommandRefused,
            reason,
            answers=event.answers,
            subject_id=event.incident_id,
            command="merge",
            reason=reason,
            detail=detail,
        )
        telling.plain(contract.MergeRefused, reason, incident_id=event.incident_id, target_id=event.target_id)
        return telling.facts
    telling.about(
        contract.IncidentMerged,
        msgspec.structs.replace(source, status="CLOSED"),
        "merge_requested",
        from_status=source.status,
        merged_into=event.target_id,
        members=source.members,
        sources=source.sources,
        actor=event.actor,
        reason=event.reason,
        waiting=event.answers,
    )
    return telling.facts


def _no_merge(source: Incident | None, event: MergeProposed) -> tuple[RefusalReason, str] | None:
    if source is None:
        return None
    if source.merged_into:
        return "merged", f"{event.incident_id} was merged into {source.merged_into}"
    if source.status == "CLOSED":
        return "final", f"{event.incident_id} is closed"
    if source.taking_over:
        return "merging", f"alerts of {source.taking_over} are on their way to {event.incident_id}"
    return None


def declined(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    """On the target."""
    event: contract.MergeDeclined = received.event
    telling = Telling(state, received)
    target = telling.state.incident(event.incident_id)
    if target and target.taking_over == event.source_id:
        after = msgspec.structs.replace(target, taking_over="")
        telling.about(contract.MergeEnded, after, "source_declined", source_id=event.source_id)
    return telling.facts


def split(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    """On the source."""
    event: SplitRequested = received.event
    telling = Telling(state, received)
    source = addressed(telling, "split")
    if source is None:
        return telling.facts
    if source.status == "CLOSED":
        return telling.refused("split", "final", "the incident is closed")
    chosen = {*event.alert_ids}
    members = tuple(one for one in source.members if one.alert_id in chosen)
    if missing := sorted(chosen - {one.alert_id for one in members}):
        detail = f"not among the newest alerts of this incident: {', '.join(missing)}"
        return telling.refused("split", "not_a_member", detail)
    if not members or len(members) == len(source.members):
        return telling.refused("split", "nothing_left", "some alerts, but not all, can be split off")
    left = source.with_members([one for one in source.members if one.alert_id not in chosen])
    workspace, event_id = received.envelope.workspace, received.envelope.id
    source = telling.about(
        contract.AlertsSplitOff,
        msgspec.structs.replace(left, alert_count=max(0, source.alert_count - len(members))),
        "split_requested",
        to_incident_id=f"{incident_entity(workspace, SPLIT, event_id)}-1",
        members=members,
        actor=event.actor,
        reason=event.reason,
        title=event.title or source.title,
        service=source.service,
        team=source.team,
        environment=source.environment,
        auto_resolve=source.auto_resolve,
        reopen_within_ms=source.reopen_within_ms,
        waiting=received.answers(),
    )
    if source.auto_resolve == "all":
        auto_resolved(telling, source, "")
    return telling.facts


def handed_over(state: IncidentState | None, received: Received) -> Sequence[Fact]:
    """On the target of a merge, or on the group that a split made."""
    event: AlertsHandedOver = received.event
    telling = Telling(state, received)
    target = telling.state.incident(event.incident_id)
    if target and target.merged_into:
        telling.plain(contract.AdoptionForwarded, "merged", to_incident_id=target.merged_into, handed_over=event)
        return telling.facts
    if target is None:
        target = _made_by_split(telling, event)
    _adopt(telling, target, event)
    return telling.facts


def _made_by_split(telling: Telling, event: AlertsHandedOver) -> Incident:
    severity = event.members[0].severity if event.members else "info"
    blank = Incident(1, "OPEN", telling.received.offset, 0, 0, severity, 0, event.last_alert_at)
    return telling.about(
        contract.IncidentOpened,
        blank,
        "split_requested",
        number=1,
        title=event.title,
        rule=SPLIT,
        group={},
        service=event.service,
        team=event.team,
        environment=event.environment,
        split_from=event.source_id,
        actor=event.actor,
        reason=event.reason,
        auto_resolve=event.auto_resolve,
        reopen_within_ms=event.reopen_within_ms,
    )


def _adopt(telling: Telling, target: Incident, event: AlertsHandedOver) -> None:
    after = msgspec.structs.replace(
        with_adopted(target, event.members) if target.status != "CLOSED" else target,
        alert_count=target.alert_count + event.alert_count,
        last_alert_at=max(target.last_alert_at, event.last_alert_at),
    )
    target = telling.about(
        contract.AlertsAdopted,
        after,
        f"{event.how}_requested",
        from_incident_id=event.source_id,
        how=event.how,
        members=event.members,
        sources=event.sources,
        actor=event.actor,
        reason=event.reason,
        answers=event.answers,
    )
    if target.status == "RESOLVED" and target.active_alerts:
        telling.moved(target, "INVESTIGATING", "adopted_alerts_fire", action="reopened")
    elif event.how == "split" and not target.active_alerts:
        auto_resolved(telling, target, entity_of_numbered(event.members[0].alert_id) if event.members else "")
