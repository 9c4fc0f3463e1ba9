"""Alerts: one episode a trigger-to-resolve cycle, occurrences beside deliveries, order by the sender's own time.

Facts of the senders: shared by Alertmanager (an episode is fingerprint + startsAt), Datadog (alert cycle key, Re-* and
Renotify repeat), PagerDuty Events v2 (acknowledge and resolve of an unknown key are accepted and dropped).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from tocsin.events import alerts as contract
from tocsin.events.alerts import AlertReceived
from tocsin.events.commands import DeliveryIgnored, Fact
from tocsin.events.times import rfc3339, unix_ms
from tocsin.streams.domain.alert_policy import AlertsPolicy, policy_of
from tocsin.streams.domain.alert_state import AlertState, Episode, Resolution, evolve, newest
from tocsin.streams.domain.decision import Domain, Received

_UNRATED: Final = "error"  # a sender that names no severity means that something is wrong


def decide(state: AlertState | None, received: Received, policy: AlertsPolicy) -> Sequence[Fact]:
    if type(received.event) is not AlertReceived:
        return ()
    if received.duplicate:
        return (_delivered_again(state, received),)
    known = state or AlertState(received.entity)
    return _DECISIONS[received.event.transition](known, received)


def _triggered(state: AlertState, received: Received) -> Sequence[Fact]:
    event: AlertReceived = received.event
    episode = state.episode
    if episode is not None and _same_cycle(episode, event):
        rule = "same_episode" if episode.active else "episode_already_resolved"
        return (_repeat(state, episode, received, rule),)
    if resolution := _resolution_of(state, event):
        return _opened_and_over(state, received, resolution)
    if episode is None:
        return (_opened(state, received, "new_fingerprint"),)
    if unix_ms(event.occurred_at) < (episode.started_at if episode.active else episode.resolved_at):
        return (_repeat(state, episode, received, "older_than_episode"),)
    if not episode.active:
        return (_opened(state, received, "previous_resolved"),)
    if event.episode and episode.sender_episode:
        # another cycle began, so the one before is over although nobody said so
        return (
            _resolved(state, episode, received, event.occurred_at, "superseded", heard=0),
            _opened(state, received, "next_episode"),
        )
    if event.transition == "repeated":
        return (_repeat(state, episode, received, "renotification"),)
    return (_repeat(state, episode, received, "triggered_again", occurred=True),)


def _acknowledged(state: AlertState, received: Received) -> Sequence[Fact]:
    episode = state.episode
    if episode is None:
        cause = received.cause("unknown_alert")
        return (
            contract.AlertWordIgnored(entity=received.entity, at=received.at, cause=cause, answers=received.answers()),
        )
    if episode.status != "firing":
        return (_repeat(state, episode, received, f"already_{episode.status}"),)
    return (
        contract.AlertAcknowledged(
            entity=received.entity,
            at=_after(episode, received),
            cause=received.cause("acknowledged_at_the_sender"),
            answers=received.answers(),
            alert_id=state.alert_id(episode.number),
            deliveries=episode.deliveries + 1,
        ),
    )


def _cleared(state: AlertState, received: Received) -> Sequence[Fact]:
    event: AlertReceived = received.event
    episode = state.episode
    other_cycle = episode is not None and _other_cycle(episode, event)
    if episode is None or (other_cycle and unix_ms(event.occurred_at) >= episode.started_at):
        return (_remembered(received),)
    if other_cycle or unix_ms(event.occurred_at) < (episode.last_seen_at if episode.active else episode.resolved_at):
        return (_repeat(state, episode, received, "older_than_episode"),)
    if not episode.active:
        return (_repeat(state, episode, received, "already_resolved"),)
    return (_resolved(state, episode, received, event.occurred_at, "resolved_by_sender"),)


_DECISIONS: Final[dict[str, Callable[[AlertState, Received], Sequence[Fact]]]] = {
    "triggered": _triggered,
    "repeated": _triggered,
    "acknowledged": _acknowledged,
    "resolved": _cleared,
}


# --- cycles ---------------------------------------------------------------------------------------------------------


def _same_cycle(episode: Episode, event: AlertReceived) -> bool:
    return bool(event.episode) and event.episode == episode.sender_episode


def _other_cycle(episode: Episode, event: AlertReceived) -> bool:
    return bool(event.episode and episode.sender_episode) and event.episode != episode.sender_episode


def _resolution_of(state: AlertState, event: AlertReceived) -> Resolution | None:
    """The resolution that came before this trigger: of the same cycle, or, where cycles have no names, a later one."""
    occurred_at = unix_ms(event.occurred_at)
    for one in state.resolutions:
        named = bool(one.sender_episode and event.episode)
        if one.sender_episode == event.episode if named else one.resolved_at >= occurred_at:
            return one
    return None


# --- facts ----------------------------------------------------------------------------------------------------------


def _after(episode: Episode, received: Received) -> str:
    """The logical time of a change: later than that of the change before."""
    return rfc3339(max(received.now, episode.updated_at + 1))


def _latest(event: AlertReceived) -> contract.LatestWord:
    return contract.LatestWord(
        title=event.title,
        severity=event.severity or _UNRATED,
        message=event.message,
        service=event.service,
        team=event.team,
        environment=event.environment,
        tags=event.tags,
        url=event.url,
        context=event.context,
        context_digest=event.context_digest,
        verified_by=event.verified_by,
    )


def _opened(state: AlertState, received: Received, rule: str) -> Fact:
    event: AlertReceived = received.event
    before = state.episode
    number = before.number + 1 if before else 1
    return contract.AlertOpened(
        entity=received.entity,
        at=received.at,
        cause=received.cause(rule, fingerprint_rule=event.fingerprint_rule, **event.fingerprint_fields),
        answers=received.answers(),
        alert_id=state.alert_id(number),
        episode=number,
        source=event.source,
        fingerprint=event.fingerprint,
        fingerprint_rule=event.fingerprint_rule,
        fingerprint_fields=event.fingerprint_fields,
        started_at=event.occurred_at,
        sender_episode=event.episode,
        latest=_latest(event),
        previous_alert_id=state.alert_id(before.number) if before else "",
    )


def _opened_and_over(state: AlertState, received: Received, resolution: Resolution) -> Sequence[Fact]:
    opened = _opened(state, received, "resolution_came_first")
    episode = newest(evolve(state, opened))
    resolved_at = rfc3339(max(resolution.resolved_at, episode.started_at))
    return opened, _resolved(state, episode, received, resolved_at, "resolution_came_first", heard=0)


def _repeat(state: AlertState, episode: Episode, received: Received, rule: str, *, occurred: bool = False) -> Fact:
    event: AlertReceived = received.event
    seen = max(episode.last_seen_at, unix_ms(event.occurred_at)) if occurred else episode.last_seen_at
    return contract.AlertRepeated(
        entity=received.entity,
        at=_after(episode, received),
        cause=received.cause(rule, occurred_at=event.occurred_at, transition=event.transition),
        answers=received.answers(),
        alert_id=state.alert_id(episode.number),
        occurrences=episode.occurrences + occurred,
        deliveries=episode.deliveries + 1,
        occurrences_added=int(occurred),
        deliveries_added=1,
        last_seen_at=rfc3339(seen),
        latest=_latest(event) if occurred else None,
    )


def _delivered_again(state: AlertState | None, received: Received) -> Fact:
    if state is None or state.episode is None:
        return DeliveryIgnored(
            entity=received.entity,
            at=received.at,
            cause=received.cause("delivery_seen_before"),
            answers=received.answers(),
        )
    return _repeat(state, state.episode, received, "duplicate_delivery")


def _resolved(
    state: AlertState, episode: Episode, received: Received, resolved_at: str, rule: str, *, heard: int = 1
) -> Fact:
    return contract.AlertResolved(
        entity=received.entity,
        at=_after(episode, received),
        cause=received.cause(rule),
        answers=received.answers() if heard else (),
        alert_id=state.alert_id(episode.number),
        resolved_at=resolved_at,
        deliveries=episode.deliveries + heard,
    )


def _remembered(received: Received) -> Fact:
    event: AlertReceived = received.event
    return contract.ResolutionRemembered(
        entity=received.entity,
        at=received.at,
        cause=received.cause("resolution_came_first"),
        answers=received.answers(),
        resolved_at=event.occurred_at,
        sender_episode=event.episode,
    )


# --- timers ---------------------------------------------------------------------------------------------------------


def next_due(state: AlertState, policy: AlertsPolicy) -> int | None:
    """When the alert is over by itself, Unix ms; None when it is over, or never ends so."""
    episode = state.episode
    if episode is None or not episode.active or (silence := policy.resolve_after(episode.source)) is None:
        return None
    return episode.updated_at + silence


def advance(state: AlertState, received: Received, policy: AlertsPolicy) -> Sequence[Fact]:
    due, episode = next_due(state, policy), state.episode
    if episode is None or due is None or due > received.now:
        return ()
    return (_resolved(state, episode, received, rfc3339(due), "silence", heard=0),)


def fold_key(fact: Fact) -> Hashable | None:
    return None


def fold(run: Sequence[Any]) -> Fact:
    raise NotImplementedError("no facts of alerts are folded")


ALERTS: Final[Domain[AlertState, AlertsPolicy]] = Domain(
    name=contract.DOMAIN,
    events=contract.EVENTS,
    facts=contract.FACTS,
    state_type=AlertState,
    policy=policy_of,
    decide=decide,
    advance=advance,
    evolve=evolve,
    next_due=next_due,
    fold_key=fold_key,
    fold=fold,
)
