"""The state of a fingerprint after each fact about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.events import alerts as contract
from tocsin.events.commands import Fact
from tocsin.events.times import unix_ms
from tocsin.streams.domain.alert_state import AlertState, Ended, Episode, newest
from tocsin.streams.domain.matching import TAG

# A sender that resolves what it never triggers must not make a state grow.
REMEMBERED: Final = 8
# As many transitions as a flapping policy may ask for.
TRANSITIONS_KEPT: Final = 20
_TEXT_KEPT: Final = 200


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
