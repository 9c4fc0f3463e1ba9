"""Tells the SLA facts of one ticket that follow from an event in order, each on the state the one before left."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tocsin.events import sla as contract
from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.sla_rules import SlaPolicy
from tocsin.streams.domain.sla_state import ORDINARY, Clock, told
from tocsin.streams.domain.ticket_state import Episode, TicketState, evolve

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Telling:
    """facts: what was decided so far; state, episode, sla: after them. rules: the SLA policy that governs.

    notify: whether people are told of what is due now. introduction: what clocks of a new ticket say of it.
    """

    def __init__(
        self,
        state: TicketState,
        episode: Episode,
        received: Received,
        rules: SlaPolicy,
        *,
        notify: bool = True,
        introduction: Mapping[str, Any] = NOTHING,
    ) -> None:
        self.state, self.received, self.rules = state, received, rules
        self.notify, self.introduction = notify, introduction
        self.ticket_id = state.ticket_id(episode)
        self.episode, self.sla = episode, episode.sla or ORDINARY
        self.facts: list[Fact] = []

    def clock(self, fact: type[contract.ClockFact], rule: str, clock: Clock, /, **fields: Any) -> None:
        """A fact about a clock, which is ``clock`` after it. ``values``: what the rule compared."""
        self.say(fact, rule, at=self.received.now, clock=told(clock), **fields)

    def say(self, fact: type[contract.SlaFact], rule: str, /, at: int | None = None, **fields: Any) -> None:
        """``at``: Unix ms; unless given, the next instant at which the ticket itself shows something else."""
        received, values = self.received, fields.pop("values", {})
        if at is None:
            at = max(received.now, self.episode.updated_at + 1)
        said = fact(
            entity=received.entity,
            at=rfc3339(at),
            cause=received.cause(rule, **values),
            ticket_id=self.ticket_id,
            **fields,
        )
        self.state = evolve(self.state, said) or self.state
        changed = self.state.episode(self.ticket_id)
        if changed is not None:
            self.episode, self.sla = changed, changed.sla or ORDINARY
        self.facts.append(said)
