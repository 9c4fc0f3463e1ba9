"""One ticket while a batch is folded, and what its latest occurrence says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tocsin.events import tickets as contract
from tocsin.projections.projection import Item

Columns = dict[str, Any]

# One event may cause several facts about a ticket (a window ends, then a command moves it), each type at most once.
# Version and type together therefore tell a repeat, even when a torn transaction wrote it again at another offset.
_BITS: Final = {
    contract.TicketOpened: 1,
    contract.OccurrencesCounted: 2,
    contract.TicketReopened: 4,
    contract.StatusChanged: 8,
    contract.TicketHidden: 16,
    contract.ReopenWindowEnded: 32,
}


class Known:
    """One ticket while a batch is folded: its row before, and the columns that differ from it.

    pending: a count not taken in yet, since the next one would replace all it says.
    """

    __slots__ = ("before", "changed", "latest", "opened", "partition", "pending")

    def __init__(self, before: Mapping[str, Any] | None, partition: int) -> None:
        self.before: Mapping[str, Any] = {} if before is None else before
        self.changed: Columns = {}
        self.latest: contract.Latest | None = None
        self.opened = False
        self.partition = partition
        self.pending: Item | None = None

    def get(self, column: str) -> Any:
        """The value as of now; None when the ticket is new."""
        changed = self.changed
        return changed[column] if column in changed else self.before.get(column)

    def is_repeat(self, fact: contract.TicketFact) -> bool:
        version = self.get("version")
        if version is None or fact.version > version:
            return False
        return fact.version < version or bool(self.get("version_facts") & _BITS[type(fact)])

    def take(self, fact: contract.TicketFact, columns: Columns) -> None:
        bits = self.get("version_facts") if self.get("version") == fact.version else 0
        self.changed.update(columns, version=fact.version, version_facts=bits | _BITS[type(fact)])
        self.latest = getattr(fact, "latest", None) or self.latest

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
