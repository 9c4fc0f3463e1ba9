"""Incidents: alerts of one group, from the threshold to the last clear; the status chain; merge and split.

The terms of a group come with its alerts, decided by the alerts domain: there is no policy of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.events import incidents as contract
from tocsin.events.commands import Fact
from tocsin.events.identity import entity_of_numbered
from tocsin.streams.domain import incident_alerts, incident_commands, incident_merging
from tocsin.streams.domain.decision import Domain, Effect, Received
from tocsin.streams.domain.incident_evolution import evolve
from tocsin.streams.domain.incident_live import live
from tocsin.streams.domain.incident_state import IncidentState
from tocsin.streams.domain.incident_telling import Telling


class NoPolicy(msgspec.Struct, frozen=True):
    pass


def policy_of(body: Mapping[str, Any]) -> NoPolicy:
    return NoPolicy()


def decide(state: IncidentState | None, received: Received, policy: NoPolicy) -> Sequence[Fact]:
    decision = _DECISIONS.get(type(received.event))
    return decision(state, received) if decision else ()


_DECISIONS: Final[dict[type, Callable[[IncidentState | None, Received], Sequence[Fact]]]] = {
    contract.AlertRaised: incident_alerts.raised,
    contract.AlertUpdated: incident_alerts.updated,
    contract.AlertCleared: incident_alerts.cleared,
    contract.IncidentStatusRequested: incident_commands.change_status,
    contract.AcknowledgeRequested: incident_commands.acknowledge,
    contract.AssignRequested: incident_commands.assign,
    contract.CommentRequested: incident_commands.comment,
    contract.MergeRequested: incident_merging.merge,
    contract.MergeProposed: incident_merging.proposed,
    contract.MergeDeclined: incident_merging.declined,
    contract.AlertsHandedOver: incident_merging.handed_over,
    contract.SplitRequested: incident_merging.split,
}


# --- timers ---------------------------------------------------------------------------------------------------------


def next_due(state: IncidentState, policy: NoPolicy) -> int | None:
    """When the first alert below the threshold no longer counts, Unix ms."""
    return min((one.until for one in state.awaited), default=None)


def advance(state: IncidentState, received: Received, policy: NoPolicy) -> Sequence[Fact]:
    over = tuple(one.alert.alert_id for one in state.awaited if one.until <= received.now)
    if not over:
        return ()
    telling = Telling(state, received)
    telling.plain(contract.AwaitedForgotten, "window_passed", alert_ids=over)
    return telling.facts


# --- effects --------------------------------------------------------------------------------------------------------


def effects(fact: Fact) -> Sequence[Effect]:
    """What incidents say to each other; a function of each fact."""
    match fact:
        case contract.AlertForwarded():
            event = fact.raised or fact.updated or fact.cleared
            forwarded = msgspec.structs.replace(event, incident_id=fact.to_incident_id) if event else None
            return (_effect(forwarded),) if forwarded else ()
        case contract.AdoptionForwarded():
            return (_effect(msgspec.structs.replace(fact.handed_over, incident_id=fact.to_incident_id)),)
        case contract.MergeStarted():
            return (_effect(_proposal(fact)),)
        case contract.MergeRefused():
            return (_effect(contract.MergeDeclined(incident_id=fact.target_id, source_id=fact.incident_id)),)
        case contract.IncidentMerged():
            return (_effect(_merged(fact)),)
        case contract.AlertsSplitOff():
            return (_effect(_split_off(fact)),)
    return ()


def _effect(event: Any) -> Effect:
    entity = entity_of_numbered(event.incident_id)
    return Effect(contract.DOMAIN, entity, f"tocsin.incidents.{type(event).__name__}.v1", event)


def _proposal(fact: contract.MergeStarted) -> contract.MergeProposed:
    return contract.MergeProposed(
        incident_id=fact.source_id,
        target_id=fact.incident_id,
        actor=fact.actor,
        reason=fact.reason,
        answers=fact.waiting,
    )


def _merged(fact: contract.IncidentMerged) -> contract.AlertsHandedOver:
    return contract.AlertsHandedOver(
        incident_id=fact.merged_into,
        source_id=fact.incident_id,
        how="merge",
        members=fact.members,
        sources=fact.sources,
        alert_count=fact.alert_count,
        last_alert_at=fact.last_alert_at,
        actor=fact.actor,
        reason=fact.reason,
        answers=fact.waiting,
    )


def _split_off(fact: contract.AlertsSplitOff) -> contract.AlertsHandedOver:
    return contract.AlertsHandedOver(
        incident_id=fact.to_incident_id,
        source_id=fact.incident_id,
        how="split",
        members=fact.members,
        sources=tuple(sorted({one.source for one in fact.members} - {""})),
        alert_count=len(fact.members),
        last_alert_at=fact.last_alert_at,
        actor=fact.actor,
        reason=fact.reason,
        answers=fact.waiting,
        title=fact.title,
        service=fact.service,
        team=fact.team,
        environment=fact.environment,
        auto_resolve=fact.auto_resolve,
        reopen_within_ms=fact.reopen_within_ms,
    )


def fold_key(fact: Fact) -> Hashable | None:
    return None


def fold(run: Sequence[Any]) -> Fact:
    raise NotImplementedError("no facts of incidents are folded")


INCIDENTS: Final[Domain[IncidentState, NoPolicy]] = Domain(
    name=contract.DOMAIN,
    events=contract.EVENTS,
    facts=contract.FACTS,
    state_type=IncidentState,
    policy=policy_of,
    decide=decide,
    advance=advance,
    evolve=evolve,
    next_due=next_due,
    fold_key=fold_key,
    fold=fold,
    effects=effects,
    live=live,
)
