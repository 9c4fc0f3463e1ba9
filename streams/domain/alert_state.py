"""The state of one fingerprint, folded from facts: its newest episode, and resolutions that came before a trigger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.events import alerts as contract
from tocsin.events.commands import Fact
from tocsin.events.times import unix_ms
from tocsin.events.vocabulary import AlertStatus, Severity

# A sender that resolves what it never triggers must not make a state grow.
REMEMBERED: Final = 8


class Episode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest alert of a fingerprint. Times in Unix ms of the sender, except ``updated_at`` (logical time)."""

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

    @property
    def active(self) -> bool:
        return self.status != "resolved"


class Resolution(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A resolution without a trigger so far; ``resolved_at`` in Unix ms."""

    sender_episode: str
    resolved_at: int


class AlertState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    entity: str
    episode: Episode | None = None
    resolutions: tuple[Resolution, ...] = ()

    def alert_id(self, number: int) -> str:
        return f"{self.entity}-{number}"


def newest(state: AlertState | None) -> Episode:
    """Raises ValueError when there was no alert yet."""
    if state is None or state.episode is None:
        raise ValueError("no alert of this fingerprint was opened")
    return state.episode


def evolve(state: AlertState | None, fact: Fact) -> AlertState | None:
    """The state after a fact. Facts that change no alert leave it as it is."""
    change = _CHANGES.get(type(fact))
    return change(state, fact) if change else state


def _opened(state: AlertState | None, fact: contract.AlertOpened) -> AlertState:
    started_at = unix_ms(fact.started_at)
    episode = Episode(
        fact.episode,
        fact.status,
        fact.latest.severity,
        fact.source,
        fact.sender_episode,
        fact.version,
        unix_ms(fact.at),
        started_at,
        started_at,
        fact.occurrences,
        fact.deliveries,
    )
    # what was remembered of earlier episodes has no trigger to wait for any more
    kept = tuple(one for one in state.resolutions if one.resolved_at > started_at) if state else ()
    return AlertState(fact.entity, episode, kept)


def _of(state: AlertState | None, fact: contract.AlertFact) -> tuple[AlertState, Episode]:
    if state is None or state.episode is None or state.alert_id(state.episode.number) != fact.alert_id:
        raise ValueError(f"fact about {fact.alert_id}, which is not the newest episode of this state")
    return state, state.episode


def _changed(state: AlertState, fact: contract.AlertFact, **values: Any) -> AlertState:
    episode = msgspec.structs.replace(newest(state), version=fact.version, updated_at=unix_ms(fact.at), **values)
    return AlertState(state.entity, episode, state.resolutions)


def _repeated(state: AlertState | None, fact: contract.AlertRepeated) -> AlertState:
    known, old = _of(state, fact)
    return _changed(
        known,
        fact,
        occurrences=fact.occurrences,
        deliveries=fact.deliveries,
        last_seen_at=unix_ms(fact.last_seen_at),
        severity=fact.latest.severity if fact.latest else old.severity,
    )


def _acknowledged(state: AlertState | None, fact: contract.AlertAcknowledged) -> AlertState:
    known, _ = _of(state, fact)
    return _changed(known, fact, status=fact.status, deliveries=fact.deliveries)


def _resolved(state: AlertState | None, fact: contract.AlertResolved) -> AlertState:
    known, _ = _of(state, fact)
    return _changed(known, fact, status=fact.status, deliveries=fact.deliveries, resolved_at=unix_ms(fact.resolved_at))


def _remembered(state: AlertState | None, fact: contract.ResolutionRemembered) -> AlertState:
    known = state or AlertState(fact.entity)
    resolution = Resolution(fact.sender_episode, unix_ms(fact.resolved_at))
    return AlertState(known.entity, known.episode, (*known.resolutions[-(REMEMBERED - 1) :], resolution))


_CHANGES: Final[dict[type, Callable[[AlertState | None, Any], AlertState]]] = {
    contract.AlertOpened: _opened,
    contract.AlertRepeated: _repeated,
    contract.AlertAcknowledged: _acknowledged,
    contract.AlertResolved: _resolved,
    contract.ResolutionRemembered: _remembered,
}
