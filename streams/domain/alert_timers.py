"""Timers of alerts: the silence that ends one, the calm that ends flapping, the end of a silence that kept it quiet."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.events import alerts as contract
from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339
from tocsin.streams.domain.alert_evolution import evolve
from tocsin.streams.domain.alert_facts import after, resolved
from tocsin.streams.domain.alert_policy import AlertsPolicy
from tocsin.streams.domain.alert_state import AlertState, newest
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.silences import looked_at_again, suppressing


def next_due(state: AlertState, policy: AlertsPolicy) -> int | None:
    """When something of the alert is due, Unix ms."""
    dues = (_over_due(state, policy), _calm_due(state, policy), _suppression_due(state, policy))
    return min((due for due in dues if due is not None), default=None)


def _over_due(state: AlertState, policy: AlertsPolicy) -> int | None:
    episode = state.episode
    if episode is None or not episode.active or (silence := policy.resolve_after(episode.source)) is None:
        return None
    return episode.updated_at + silence


def _calm_due(state: AlertState, policy: AlertsPolicy) -> int | None:
    return state.transitions[-1] + policy.flapping.within_ms if state.flapping else None


def _suppression_due(state: AlertState, policy: AlertsPolicy) -> int | None:
    if not state.suppressed_by:
        return None
    # the ids are unique across workspaces
    silences = [silence for known in policy.silences.values() for silence in known]
    return looked_at_again(silences, state.suppressed_by, state.held_at)


def advance(state: AlertState, received: Received, policy: AlertsPolicy) -> Sequence[Fact]:
    facts: list[Fact] = []
    while (due := next_due(state, policy)) is not None and due <= received.now:
        fact = _due(state, received, policy, due)
        facts.append(fact)
        state = evolve(state, fact) or state
    return facts


def _due(state: AlertState, received: Received, policy: AlertsPolicy, due: int) -> Fact:
    if due == _suppression_due(state, policy):
        return _looked_at(state, received, policy)
    if due == _calm_due(state, policy):
        return calm(state, received, policy)
    return resolved(state, received, rfc3339(due), "silence", heard_of=False)


def _looked_at(state: AlertState, received: Received, policy: AlertsPolicy) -> Fact:
    """Silences ended: others may keep the alert quiet; else its incident hears of it now."""
    left = suppressing(policy.silences_of(received.envelope.workspace), state.held_fields, received.now)
    episode = newest(state)
    raised = not left and episode.active
    return contract.SuppressionChanged(
        entity=state.entity,
        at=after(episode, received),
        cause=received.cause("other_silences_last" if left else "silences_ended", ended=list(state.suppressed_by)),
        alert_id=state.alert_id(episode.number),
        suppressed_by=left,
        raised=state.summary() if raised else None,
        grouping=state.held if raised else None,
        flapping=state.flapping,
    )


# --- flapping -------------------------------------------------------------------------------------------------------


def flaps(state: AlertState, now: int, policy: AlertsPolicy) -> int:
    """How many transitions within the window show that the fingerprint has begun to flap; 0 when it has not."""
    wanted = policy.flapping.transitions
    recent = sum(at > now - policy.flapping.within_ms for at in state.transitions)
    return recent if wanted and recent >= wanted and not state.flapping else 0


def restless(state: AlertState, received: Received, transitions: int, policy: AlertsPolicy) -> Fact:
    """It flaps from here on."""
    episode = newest(state)
    return contract.FlappingChanged(
        entity=state.entity,
        at=after(episode, received),
        cause=received.cause("flapping", transitions=transitions, within_ms=policy.flapping.within_ms),
        alert_id=state.alert_id(episode.number),
        flapping=True,
        status=episode.status,
        transitions=transitions,
    )


def calm(state: AlertState, received: Received, policy: AlertsPolicy) -> Fact:
    """It flaps no more, and its incident hears where it stands; one that is kept quiet by a silence hears later."""
    episode, told = newest(state), state.told
    firing = episode.active and not state.suppressed_by
    return contract.FlappingChanged(
        entity=state.entity,
        at=after(episode, received),
        cause=received.cause("calm", within_ms=policy.flapping.within_ms),
        alert_id=state.alert_id(episode.number),
        flapping=False,
        status=episode.status,
        transitions=len(state.transitions),
        raised=state.summary() if told and firing else None,
        grouping=told if told and firing else None,
        incident_entity=told.incident_entity if told and not firing else "",
    )
