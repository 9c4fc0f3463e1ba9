"""The state of one ticket entity: what decisions need to remember, folded from the facts. Texts live in the facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tocsin.events import sla
from tocsin.events import tickets as contract
from tocsin.events.commands import Fact
from tocsin.events.times import unix_ms
from tocsin.events.vocabulary import UNRESOLVED, TicketStatus
from tocsin.streams.domain.sla_evolution import SLA_FACTS, SlaChange, opened, registered, sla_after
from tocsin.streams.domain.sla_state import ORDINARY, Sla

# An entity that keeps failing and being resolved remembers its newest episodes; older ones are final.
EPISODES_KEPT: Final = 32


class Episode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One ticket of an entity. Times in Unix ms; ``window_open``: a repeat may still re-open it.

    number: 0 is the one ticket of another system. opened_at: the reporter's ``created_at`` there. ``sla``: None for a
    failure of the ordinary severity without clocks.
    """

    number: int
    status: TicketStatus
    version: int
    updated_at: int
    occurrences: int
    deliveries: int
    last_seen_at: str
    source: str
    hidden: bool = False
    resolved_at: int = 0
    window_open: bool = False
    opened_at: int = 0
    sla: Sla | None = None

    @property
    def unresolved(self) -> bool:
        return self.status in UNRESOLVED


class TicketState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All remembered episodes of one entity, oldest first. Encoded as arrays: about 100 bytes an episode."""

    entity: str
    episodes: tuple[Episode, ...]

    def ticket_id(self, episode: Episode) -> str:
        return f"{self.entity}-{episode.number}" if episode.number else self.entity

    def unresolved(self) -> Episode | None:
        """The episode that collects repeats; at most one is unresolved at any time."""
        for episode in reversed(self.episodes):
            if episode.status in UNRESOLVED:
                return episode
        return None

    def episode(self, ticket_id: str) -> Episode | None:
        number = ticket_id[len(self.entity) + 1 :] if ticket_id != self.entity else "0"
        for episode in reversed(self.episodes):
            if str(episode.number) == number:
                return episode
        return None

    def last_resolved(self) -> Episode:
        """The episode resolved last: the one a repeat belongs to. Only asked when none is unresolved."""
        return max(self.episodes, key=lambda episode: (episode.resolved_at, episode.number))

    def with_episode(self, changed: Episode) -> TicketState:
        if len(self.episodes) == 1:
            return TicketState(self.entity, (changed,))
        if self.episodes[-1].number == changed.number:
            return TicketState(self.entity, (*self.episodes[:-1], changed))
        kept = tuple(changed if one.number == changed.number else one for one in self.episodes)
        return TicketState(self.entity, kept)


def evolve(state: TicketState | None, fact: Fact) -> TicketState | None:
    """The state after a fact. Facts that change no ticket (refusals, policies) leave it as it is."""
    change = _CHANGES.get(type(fact))
    return change(state, fact) if change else state


def _opened(state: TicketState | None, fact: contract.TicketOpened) -> TicketState:
    at = unix_ms(fact.at)
    episode = Episode(
        fact.episode,
        fact.status,
        fact.version,
        at,
        fact.occurrences,
        fact.deliveries,
        fact.first_seen_at,
        fact.latest.source,
        opened_at=at,
        sla=opened(fact),
    )
    if state is None:
        return TicketState(fact.entity, (episode,))
    earlier = state.episodes[-(EPISODES_KEPT - 1) :]
    return TicketState(fact.entity, (*[without_rest(one) for one in earlier], episode))


def _known(state: TicketState | None, fact: contract.TicketFact | sla.SlaFact) -> tuple[TicketState, Episode]:
    episode = state.episode(fact.ticket_id) if state else None
    if state is None or episode is None:
        raise ValueError(f"fact about {fact.ticket_id}, which this state does not know")
    return state, episode


def _counted(state: TicketState | None, fact: contract.OccurrencesCounted) -> TicketState:
    known, old = _known(state, fact)
    return known.with_episode(
        Episode(
            old.number,
            old.status,
            fact.version,
            unix_ms(fact.at),
            fact.occurrences,
            fact.deliveries,
            fact.last_seen_at,
            fact.latest.source if fact.latest else old.source,
            old.hidden,
            old.resolved_at,
            old.window_open,
            old.opened_at,
            old.sla,
        )
    )


def _reopened(state: TicketState | None, fact: contract.TicketReopened) -> TicketState:
    known, old = _known(state, fact)
    return known.with_episode(
        Episode(
            old.number,
            fact.status,
            fact.version,
            unix_ms(fact.at),
            fact.occurrences,
            fact.deliveries,
            fact.last_seen_at,
            fact.latest.source,
            opened_at=old.opened_at,
            sla=old.sla,
        )
    )


def _status_changed(state: TicketState | None, fact: contract.StatusChanged) -> TicketState:
    known, old = _known(state, fact)
    resolved = fact.status not in UNRESOLVED
    changed = msgspec.structs.replace(
        old,
        status=fact.status,
        version=fact.version,
        updated_at=unix_ms(fact.at),
        hidden=old.hidden and resolved,
        resolved_at=unix_ms(fact.resolved_at) if fact.resolved_at else 0,
        window_open=fact.status == "done" and bool(old.number),
    )
    return known.with_episode(without_rest(changed))


def _hidden(state: TicketState | None, fact: contract.TicketHidden) -> TicketState:
    known, old = _known(state, fact)
    changed = msgspec.structs.replace(old, hidden=True, version=fact.version, updated_at=unix_ms(fact.at))
    return known.with_episode(changed)


def _window_ended(state: TicketState | None, fact: contract.ReopenWindowEnded) -> TicketState:
    known, old = _known(state, fact)
    ended = msgspec.structs.replace(old, window_open=False, version=fact.version)
    return known.with_episode(without_rest(ended))


def _registered(state: TicketState | None, fact: contract.TicketRegistered) -> TicketState:
    episode = Episode(
        0,
        fact.status,
        fact.version,
        unix_ms(fact.at),
        1,
        1,
        fact.created_at,
        fact.source,
        resolved_at=unix_ms(fact.resolved_at) if fact.resolved_at else 0,
        opened_at=unix_ms(fact.created_at),
        sla=registered(fact),
    )
    return TicketState(fact.entity, (episode,))


_BESIDE: Final = frozenset({*(one for one in sla.FACTS if issubclass(one, sla.ClockFact)), sla.EscalationStopped})


def _sla_changed(state: TicketState | None, fact: SlaChange) -> TicketState:
    """A fact about clocks and levels. ``updated_at`` moves only where the ticket itself shows something else."""
    known, old = _known(state, fact)
    changed = Episode(
        old.number,
        old.status,
        fact.version,
        old.updated_at if type(fact) in _BESIDE else unix_ms(fact.at),
        old.occurrences,
        old.deliveries,
        old.last_seen_at,
        old.source,
        old.hidden,
        old.resolved_at,
        old.window_open,
        old.opened_at,
        sla_after(old.sla or ORDINARY, fact),
    )
    return known.with_episode(without_rest(changed))


def without_rest(episode: Episode) -> Episode:
    """A ticket that is closed, or a failure's that no repeat re-opens, forgets its clocks once they have ended."""
    kept = episode.sla
    if kept is None or not (kept.clocks or kept.subject) or any(clock.open for clock in kept.clocks):
        return episode
    over = episode.status == "closed" or (episode.status == "done" and episode.number and not episode.window_open)
    return msgspec.structs.replace(episode, sla=kept.ended()) if over else episode


_CHANGES: Final[dict[type, Callable[[TicketState | None, Any], TicketState]]] = {
    contract.TicketOpened: _opened,
    contract.OccurrencesCounted: _counted,
    contract.TicketReopened: _reopened,
    contract.StatusChanged: _status_changed,
    contract.TicketHidden: _hidden,
    contract.ReopenWindowEnded: _window_ended,
    contract.TicketRegistered: _registered,
    **dict.fromkeys(SLA_FACTS, _sla_changed),
}
