"""The state of one fingerprint, folded from facts: its newest episode, what is over, and what its incident was told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.events import alerts as contract
from tocsin.events.alerts import AlertSummary, Grouping
from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339, unix_ms
from tocsin.events.vocabulary import AlertStatus, Severity
from tocsin.streams.domain.matching import TAG

# A sender that resolves what it never triggers must not make a state grow.
REMEMBERED: Final = 8
# As many transitions as a flapping policy may ask for.
TRANSITIONS_KEPT: Final = 20
_TEXT_KEPT: Final = 200


class Episode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest alert of a fingerprint. Times in Unix ms of the sender, except ``updated_at`` (logical time).

    last_seen_at: of the newest trigger. title … environment: for its incident; empty once it is over.
    """

    number: int
    status: AlertStatus
    severity: Severity
    source: str
    sender_episode: str
    version: int
    updated_at: int
    started_at: int
    last_seen_at: int
    occurrences: int
    deliveries: int
    resolved_at: int = 0
    title: str = ""
    service: str = ""
    team: str = ""
    environment: str = ""

    @property
    def active(self) -> bool:
        return self.status != "resolved"


class Ended(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A sender's episode that is over; ``resolved_at`` in Unix ms of the sender."""

    sender_episode: str
    resolved_at: int


class AlertState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """ended: episodes that are over by name, newest last. over_until: triggers not later are over, whatever
    their episode; unnamed_over_until: those without a name of an episode. Both in Unix ms of the sender.

    waiting: deliveries heard before there was an alert to count them on.
    told: the terms of the incident that counts this fingerprint among its active alerts; None when none does.
    held: the terms of an incident that is told once no silence keeps the alert from it; held_fields: the alert as
    silences see it, held_at: when they were looked at last (logical time, Unix ms).
    transitions: when episodes opened and ended, logical time in Unix ms.
    """

    entity: str
    episode: Episode | None = None
    ended: tuple[Ended, ...] = ()
    over_until: int = 0
    unnamed_over_until: int = 0
    waiting: int = 0
    told: Grouping | None = None
    held: Grouping | None = None
    held_fields: dict[str, str] = {}
    held_at: int = 0
    suppressed_by: tuple[str, ...] = ()
    flapping: bool = False
    transitions: tuple[int, ...] = ()

    def alert_id(self, number: int) -> str:
        return f"{self.entity}-{number}"

    def ended_at(self, sender_episode: str) -> int | None:
        """When the sender resolved this episode by its name, Unix ms."""
        return next((one.resolved_at for one in self.ended if one.sender_episode == sender_episode), None)

    def summary(self) -> AlertSummary:
        """What an incident is told of the newest episode. Raises ValueError when there is none."""
        episode = newest(self)
        return AlertSummary(
            alert_id=self.alert_id(episode.number),
            source=episode.source,
            title=episode.title,
            severity=episode.severity,
            started_at=rfc3339(episode.started_at),
            service=episode.service,
            team=episode.team,
            environment=episode.environment,
        )


def newest(state: AlertState | None) -> Episode:
    """Raises ValueError when there was no alert yet."""
    if state is None or state.episode is None:
        raise ValueError("no alert of this fingerprint was opened")
    return state.episode


def evolve(state: AlertState | None, fact: Fact) -> AlertState | None:
    """The state after a fact. Facts that change no alert leave it as it is."""
    change = _CHANGES.get(type(fact))
    return change(state or AlertState(fact.entity), fact) if change else state


def _opened(state: AlertState, fact: contract.AlertOpened) -> AlertState:
    started_at, latest = unix_ms(fact.started_at), fact.latest
    episode = Episode(
        fact.episode,
        fact.status,
        latest.severity,
        fact.source,
        fact.sender_episode,
        fact.version,
        unix_ms(fact.at),
        started_at,
        started_at,
        fact.occurrences,
        fact.deliveries,
        0,
        latest.title[:_TEXT_KEPT],
        latest.service,
        latest.team,
        latest.environment,
    )
    held = fact.grouping if fact.suppressed_by else None
    return msgspec.structs.replace(
        state,
        episode=episode,
        waiting=0,
        told=state.told if held else fact.grouping or state.told,
        held=held,
        held_fields=_fields(fact) if held else {},
        held_at=unix_ms(fact.at) if held else 0,
        suppressed_by=fact.suppressed_by if held else (),
        transitions=_with_transition(state, fact),
    )


def _fields(fact: contract.AlertOpened) -> dict[str, str]:
    latest = fact.latest
    fields = {
        "source": fact.source,
        "fingerprint": fact.fingerprint,
        "title": latest.title,
        "message": latest.message,
        "severity": latest.severity,
        "service": latest.service,
        "team": latest.team,
        "environment": latest.environment,
        **{TAG + name: value for name, value in latest.tags.items()},
    }
    return {name: value[:_TEXT_KEPT] for name, value in fields.items() if value}


def _with_transition(state: AlertState, fact: Fact) -> tuple[int, ...]:
    return (*state.transitions[-(TRANSITIONS_KEPT - 1) :], unix_ms(fact.at))


def _changed(state: AlertState, fact: contract.AlertFact, **values: Any) -> AlertState:
    """The state with the newest episode changed. Raises ValueError when the fact is about another one."""
    old = newest(state)
    if state.alert_id(old.number) != fact.alert_id:
        raise ValueError(f"fact about {fact.alert_id}, which is not the newest episode of this state")
    episode = msgspec.structs.replace(old, version=fact.version, updated_at=unix_ms(fact.at), **values)
    return msgspec.structs.replace(state, episode=episode)


def _repeated(state: AlertState, fact: contract.AlertRepeated) -> AlertState:
    return _changed(
        state,
        fact,
        occurrences=fact.occurrences,
        deliveries=fact.deliveries,
        last_seen_at=unix_ms(fact.last_seen_at),
        severity=fact.latest.severity if fact.latest else newest(state).severity,
    )


def _severity_changed(state: AlertState, fact: contract.AlertSeverityChanged) -> AlertState:
    return _changed(state, fact, severity=fact.severity)


def _acknowledged(state: AlertState, fact: contract.AlertAcknowledged) -> AlertState:
    return _changed(state, fact, status=fact.status, deliveries=fact.deliveries)


def _resolved(state: AlertState, fact: contract.AlertResolved) -> AlertState:
    resolved_at = unix_ms(fact.resolved_at)
    over = _changed(
        state,
        fact,
        status=fact.status,
        deliveries=fact.deliveries,
        resolved_at=resolved_at,
        title="",
        service="",
        team="",
        environment="",
    )
    over = _ended(over, fact.sender_episode, resolved_at, unix_ms(fact.over_until) if fact.over_until else 0)
    return msgspec.structs.replace(
        over,
        told=None if fact.incident_entity else state.told,
        held=None,
        held_fields={},
        suppressed_by=(),
        transitions=_with_transition(state, fact),
    )


def _ended(state: AlertState, sender_episode: str, resolved_at: int, over_until: int) -> AlertState:
    """``over_until`` 0: nothing is known of triggers that were not heard of yet, beyond the named episode."""
    ended = state.ended
    if sender_episode and state.ended_at(sender_episode) is None:
        ended = (*ended[-(REMEMBERED - 1) :], Ended(sender_episode, resolved_at))
    unnamed = max(over_until, resolved_at if sender_episode else 0)
    return msgspec.structs.replace(
        state,
        ended=ended,
        over_until=max(state.over_until, over_until),
        unnamed_over_until=max(state.unnamed_over_until, unnamed),
    )


def _remembered(state: AlertState, fact: contract.ResolutionRemembered) -> AlertState:
    resolved_at = unix_ms(fact.resolved_at)
    known = _ended(state, fact.sender_episode, resolved_at, 0 if fact.sender_episode else resolved_at)
    return msgspec.structs.replace(known, waiting=fact.deliveries)


def _flapping(state: AlertState, fact: contract.FlappingChanged) -> AlertState:
    changed = _changed(state, fact)
    told = fact.grouping or (None if fact.incident_entity else state.told)
    return msgspec.structs.replace(changed, flapping=fact.flapping, told=told)


def _suppression(state: AlertState, fact: contract.SuppressionChanged) -> AlertState:
    changed = _changed(state, fact)
    return msgspec.structs.replace(
        changed,
        suppressed_by=fact.suppressed_by,
        told=fact.grouping or state.told,
        held=None if fact.grouping else state.held,
        held_fields={} if fact.grouping else state.held_fields,
        held_at=unix_ms(fact.at),
    )


_CHANGES: Final[dict[type, Callable[[AlertState, Any], AlertState]]] = {
    contract.AlertOpened: _opened,
    contract.AlertRepeated: _repeated,
    contract.AlertSeverityChanged: _severity_changed,
    contract.AlertAcknowledged: _acknowledged,
    contract.AlertResolved: _resolved,
    contract.ResolutionRemembered: _remembered,
    contract.FlappingChanged: _flapping,
    contract.SuppressionChanged: _suppression,
}
