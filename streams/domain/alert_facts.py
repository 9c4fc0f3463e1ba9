"""The facts of alerts, made from what was heard and the state before."""

from __future__ import annotations

from typing import NamedTuple

from tocsin.events import alerts as contract
from tocsin.events.alerts import AlertReceived, Grouping
from tocsin.events.commands import DeliveryIgnored, Fact
from tocsin.events.times import rfc3339, unix_ms
from tocsin.streams.domain.alert_classification import Classified, classify
from tocsin.streams.domain.alert_grouping import group
from tocsin.streams.domain.alert_policy import AlertsPolicy
from tocsin.streams.domain.alert_state import AlertState, Episode, newest
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.silences import suppressing


class Heard(NamedTuple):
    """One word of a sender. ``at``: when it happened there, Unix ms."""

    received: Received
    event: AlertReceived
    at: int
    classified: Classified
    policy: AlertsPolicy


def heard(received: Received, policy: AlertsPolicy) -> Heard:
    event: AlertReceived = received.event
    return Heard(received, event, unix_ms(event.occurred_at), classify(event, policy), policy)


def after(episode: Episode, received: Received) -> str:
    """The logical time of a change: later than that of the change before."""
    return rfc3339(max(received.now, episode.updated_at + 1))


def latest(word: Heard) -> contract.LatestWord:
    event, classified = word.event, word.classified
    return contract.LatestWord(
        title=event.title,
        severity=classified.severity,
        message=event.message,
        service=classified.service,
        team=classified.team,
        environment=classified.environment,
        tags=event.tags,
        url=event.url,
        context=event.context,
        context_digest=event.context_digest,
        verified_by=event.verified_by,
    )


def opened(state: AlertState, word: Heard, rule: str, *, over: bool = False) -> contract.AlertOpened:
    """A new episode. One that is over already (a resolution follows) has no incident."""
    event, received, before = word.event, word.received, state.episode
    number = before.number + 1 if before else 1
    fields = word.classified.fields
    return contract.AlertOpened(
        entity=received.entity,
        at=after(before, received) if before else received.at,
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
        latest=latest(word),
        deliveries=1 + state.waiting,
        previous_alert_id=state.alert_id(before.number) if before else "",
        classification=word.classified.reasons,
        grouping=None if over else _grouping(state, word),
        flapping=state.flapping,
        suppressed_by=()
        if over
        else suppressing(word.policy.silences_of(received.envelope.workspace), fields, received.now),
    )


def _grouping(state: AlertState, word: Heard) -> Grouping | None:
    """A flapping alert stays with the incident it began to flap in."""
    if state.flapping and state.told:
        return state.told
    return group(word.received.envelope.workspace, word.classified.fields, word.policy)


def repeated(state: AlertState, word: Heard, rule: str, *, occurred: bool = False, newest_word: bool = False) -> Fact:
    """newest_word: it is not older than what the alert shows; ``latest`` replaces that."""
    episode, event, received = newest(state), word.event, word.received
    shown = newest_word and (occurred or word.classified.severity != episode.severity)
    return contract.AlertRepeated(
        entity=received.entity,
        at=after(episode, received),
        cause=received.cause(rule, occurred_at=event.occurred_at, transition=event.transition),
        answers=received.answers(),
        alert_id=state.alert_id(episode.number),
        occurrences=episode.occurrences + occurred,
        deliveries=episode.deliveries + 1,
        occurrences_added=int(occurred),
        deliveries_added=1,
        last_seen_at=rfc3339(max(episode.last_seen_at, word.at) if newest_word else episode.last_seen_at),
        latest=latest(word) if shown else None,
    )


def severity_changed(state: AlertState, before: Episode, word: Heard) -> contract.AlertSeverityChanged:
    """state: after the repeat that said so."""
    episode, received = newest(state), word.received
    return contract.AlertSeverityChanged(
        entity=received.entity,
        at=after(episode, received),
        cause=received.cause("severity_changed", **{"from": before.severity, "to": word.classified.severity}),
        alert_id=state.alert_id(episode.number),
        from_severity=before.severity,
        severity=word.classified.severity,
        classification=word.classified.reasons,
        incident_entity=state.told.incident_entity if state.told else "",
    )


def delivered_again(state: AlertState | None, received: Received) -> Fact:
    """The same event once more, as its id shows."""
    if state is None:
        return DeliveryIgnored(
            entity=received.entity,
            at=received.at,
            cause=received.cause("delivery_seen_before"),
            answers=received.answers(),
        )
    if (episode := state.episode) is None:
        # its trigger has not come yet: what waits for it is one more
        return contract.ResolutionRemembered(
            entity=received.entity,
            at=received.at,
            cause=received.cause("duplicate_delivery"),
            answers=received.answers(),
            resolved_at=received.event.occurred_at,
            sender_episode=received.event.episode,
            deliveries=state.waiting + 1,
        )
    return contract.AlertRepeated(
        entity=received.entity,
        at=after(episode, received),
        cause=received.cause("duplicate_delivery"),
        answers=received.answers(),
        alert_id=state.alert_id(episode.number),
        occurrences=episode.occurrences,
        deliveries=episode.deliveries + 1,
        occurrences_added=0,
        deliveries_added=1,
        last_seen_at=rfc3339(episode.last_seen_at),
    )


def acknowledged(state: AlertState, received: Received) -> Fact:
    episode = newest(state)
    return contract.AlertAcknowledged(
        entity=received.entity,
        at=after(episode, received),
        cause=received.cause("acknowledged_at_the_sender"),
        answers=received.answers(),
        alert_id=state.alert_id(episode.number),
        deliveries=episode.deliveries + 1,
    )


def unknown_alert(received: Received) -> Fact:
    cause = received.cause("unknown_alert")
    return contract.AlertWordIgnored(entity=received.entity, at=received.at, cause=cause, answers=received.answers())


def resolved(
    state: AlertState,
    received: Received,
    resolved_at: str,
    rule: str,
    *,
    over_until: int = 0,
    sender_episode: str = "",
    heard_of: bool = True,
    tell: bool = True,
) -> contract.AlertResolved:
    """over_until, Unix ms: triggers not later, though not heard of yet, are over as well; 0 = none is.

    heard_of: the event is a word about this episode and counted on it. tell: its incident is to be told, unless it
    flaps; then the incident hears where it stands when it has calmed down.
    """
    episode = newest(state)
    told = state.told if tell and not state.flapping else None
    return contract.AlertResolved(
        entity=received.entity,
        at=after(episode, received),
        cause=received.cause(rule),
        answers=received.answers() if heard_of else (),
        alert_id=state.alert_id(episode.number),
        resolved_at=resolved_at,
        deliveries=episode.deliveries + heard_of,
        over_until=rfc3339(over_until) if over_until else "",
        sender_episode=sender_episode,
        incident_entity=told.incident_entity if told else "",
    )


def remembered(state: AlertState, word: Heard) -> Fact:
    """A resolution that ends nothing now. Without an alert to be counted on, its delivery waits for one."""
    received, event = word.received, word.event
    waits = state.episode is None
    return contract.ResolutionRemembered(
        entity=received.entity,
        at=received.at,
        cause=received.cause("resolution_came_first"),
        answers=received.answers() if waits else (),
        resolved_at=event.occurred_at,
        sender_episode=event.episode,
        deliveries=state.waiting + 1 if waits else 0,
    )
