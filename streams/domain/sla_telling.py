"""Tells the SLA facts of one ticket that follow from an event in order, each on the state the one before left."""

from __future__ import annotations

from typing import Any

from tocsin.events import sla as contract
from tocsin.events.commands import Fact
from tocsin.events.times import rfc3339
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.sla_evolution import sla_after
from tocsin.streams.domain.sla_rules import SlaPolicy
from tocsin.streams.domain.sla_state import ORDINARY, Clock, told
from tocsin.streams.domain.ticket_state import Episode, TicketState


class Telling:
    """facts: what was decided so far; sla: after them. rules: the SLA policy that governs.

    notify: whether people are told of what is due now.
    """

    def __init__(
        self,
        state: TicketState,
        episode: Episode,
        received: Received,
        rules: SlaPolicy,
        *,
        notify: bool = True,
    ) -> None:
        self.received, self.rules = received, rules
        self.notify = notify
        self.ticket_id = state.ticket_id(episode)
        self.episode, self.sla = episode, episode.sla or ORDINARY
        self._updated_at = episode.updated_at
        self.facts: list[Fact] = []

    def clock(self, fact: type[contract.ClockFact], rule: str, clock: Clock, /, **fields: Any) -> None:
        """A fact about a clock, which is ``clock`` after it. ``values``: what the rule compared."""
        self._add(fact, rule, self.received.now, {"clock": told(clock), **fields})
        # as the fact is heard, without reading its instants back
        self.sla = self.sla.with_clock(clock)

    def say(self, fact: type[contract.SlaFact], rule: str, /, at: int | None = None, **fields: Any) -> None:
        """``at``: Unix ms; unless given, the next instant at which the ticket itself shows something else."""
        if at is None:
            at = self._updated_at = max(self.received.now, self._updated_at + 1)
        self.sla = sla_after(self.sla, self._add(fact, rule, at, fields))

    def _add(self, fact: type[contract.SlaFact], rule: str, at: int, fields: dict[str, Any]) -> contract.SlaFact:
        received, values = self.received, fields.pop("values", {})
        said = fact(
            entity=received.entity,
            at=rfc3339(at),
            cause=received.cause(rule, **values),
            ticket_id=self.ticket_id,
            **fields,
        )
        self.facts.append(said)
        return said
