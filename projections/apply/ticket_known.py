"""One ticket while a batch is folded, and what its latest occurrence says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tocsin.events import sla
from tocsin.events import tickets as contract
from tocsin.projections.projection import Item

Columns = dict[str, Any]
ClockKey = tuple[str, int]
"""Metric and cycle."""
Clocks = dict[ClockKey, sla.Clock]
_NO_CLOCKS: Final[Mapping[ClockKey, sla.Clock]] = {}


def name_of(fact: Any) -> str:
    """What tells a fact from the others of one event about one ticket.

    One event may cause several (a window ends, two clocks stop, a command moves the ticket). Version and name together
    therefore tell a repeat, even when a torn transaction wrote it again at another offset.
    """
    kind = type(fact)
    if kind in _HOT:
        return _HOT[kind]
    name = kind.__name__
    if isinstance(fact, sla.ClockFact):
        # another threshold, or another reason for another goal
        more = getattr(fact, "percent", "") or getattr(fact, "why", "")
        return f"{name}:{fact.clock.metric}:{fact.clock.cycle}:{more}"
    if kind is sla.Escalated:
        told = fact.told
        step = f"{told.reason}:{told.metric}:{told.cycle}:{told.step}:{told.loop}"
        return f"{name}:{step}:{fact.level}:{fact.held_until}"
    if kind is sla.EscalationStopped:
        return f"{name}:{fact.metric}:{fact.cycle}"
    return str(name)


_HOT: Final = {kind: kind.__name__ for kind in (contract.TicketOpened, contract.OccurrencesCounted)}


class Known:
    """One ticket while a batch is folded: its row before, and the columns that differ from it.

    pending: a count not taken in yet, since the next one would replace all it says.
    clocks: all of them, where a fact about one comes.
    """

    __slots__ = ("before", "changed", "clocks", "latest", "opened", "partition", "pending")

    def __init__(
        self,
        before: Mapping[str, Any] | None,
        partition: int,
        clocks: Mapping[ClockKey, sla.Clock] | None = None,
    ) -> None:
        self.before: Mapping[str, Any] = {} if before is None else before
        self.changed: Columns = {}
        self.clocks: Mapping[ClockKey, sla.Clock] = _NO_CLOCKS if clocks is None else clocks
        self.latest: contract.Latest | None = None
        self.opened = False
        self.partition = partition
        self.pending: Item | None = None

    @property
    def new(self) -> bool:
        """It was not there."""
        return not self.before

    def get(self, column: str) -> Any:
        """The value as of now; None when the ticket is new."""
        changed = self.changed
        return changed[column] if column in changed else self.before.get(column)

    def is_repeat(self, fact: contract.TicketFact) -> bool:
        version = self.get("version")
        if version is None or fact.version > version:
            return False
        return fact.version < version or name_of(fact) in self.get("version_facts").split()

    def take(self, fact: Any, columns: Columns) -> None:
        name = name_of(fact)
        if self.get("version") == fact.version:
            name = f"{self.get('version_facts')} {name}"
        self.changed.update(columns, version=fact.version, version_facts=name)
        self.latest = getattr(fact, "latest", None) or self.latest

    def take_clock(self, clock: sla.Clock) -> None:
        self.clocks = {**self.clocks, (clock.metric, clock.cycle): clock}

    def begin_clocks(self, clocks: Mapping[ClockKey, sla.Clock]) -> None:
        """Those the ticket begins with."""
        self.clocks = clocks

    def finish(self) -> Columns:
        """All columns that differ, those of the latest occurrence among them."""
        if self.latest is not None:
            self.changed.update(latest_columns(self.latest))
        return self.changed


def latest_columns(latest: contract.Latest) -> Columns:
    context = bytes(latest.context)
    return {
        "message": latest.message,
        "severity": latest.severity,
        "source": latest.source,
        "step": latest.step,
        "run_url": latest.run_url,
        "context": context.decode() if context else None,
        "context_digest": latest.context_digest or None,
    }
