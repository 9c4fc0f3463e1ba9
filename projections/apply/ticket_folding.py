"""Many facts about many tickets folded into one change per row, so that a batch costs rows and not facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tocsin.events import tickets as contract
from tocsin.projections.apply import ticket_rows as rows
from tocsin.projections.apply.facts import decision_labels, hour_of, instant
from tocsin.projections.projection import Changes, Item, Key, Rejected, Row
from tocsin.projections.tables.ticket_search import SEARCHED_CHARACTERS, words

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
_CHANGED_COLUMNS: Final = tuple(rows.CHANGED.columns)[2:]
_OPENED_COLUMNS: Final = rows.OPENED_COLUMNS[2:]
_COUNTED_BY: Final = ("status", "hidden", "severity", "workflow", "source")
_SEARCHED: Final = ("message", "hidden")
_encode_cause: Final = msgspec.json.Encoder().encode


class Known:
    """One ticket while a batch is folded: its row before, and the columns that differ from it."""

    __slots__ = ("before", "changed", "opened", "partition")

    def __init__(self, before: Mapping[str, Any] | None, partition: int) -> None:
        self.before: Mapping[str, Any] = {} if before is None else before
        self.changed: Columns = {}
        self.opened = False
        self.partition = partition

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


class Folding:
    """Collects the changes of a batch, fact by fact, in the order of the log."""

    def __init__(self, before: Mapping[Key, Mapping[str, Any]]) -> None:
        self._before = before
        self._tickets: dict[Key, Known] = {}
        self._history: list[Row] = []
        self._hours: dict[tuple[str, str, Any], list[int]] = {}
        self._counters: Counter[tuple[str, str, int]] = Counter()
        self._rejected: list[Rejected] = []

    def count(self, item: Item) -> None:
        """A decision that changes no ticket."""
        name = type(item.body).__name__
        labels = decision_labels(contract.DOMAIN, name, item.body.cause.rule)
        self._counters["decisions", labels, item.record.partition] += 1

    def add(self, item: Item, columns_of: Callable[[Any, Known], Columns], *, opens: bool) -> None:
        fact = item.body
        key = (item.workspace, fact.ticket_id)
        ticket = self._tickets.get(key)
        if ticket is None:
            before = self._before.get(key)
            if before is None and not opens:
                self._rejected.append(Rejected(item, f"ticket {fact.ticket_id} was never opened"))
                return
            ticket = Known(before, item.record.partition)
        if ticket.is_repeat(fact):
            return
        try:
            columns = columns_of(fact, ticket)
            hour = hour_of(fact.at)
        except ValueError as error:  # a time that is none
            self._rejected.append(Rejected(item, str(error)))
            return
        self._tickets[key] = ticket
        ticket.opened |= opens
        self.count(item)
        self._count_occurrences(item, ticket, columns, hour)
        self._remember(item, ticket, columns)
        ticket.take(fact, columns)

    def _count_occurrences(self, item: Item, ticket: Known, columns: Columns, hour: Any) -> None:
        if "occurrences" not in columns:
            return
        # from the totals, not from what the fact says it adds: so it stays right when a fact comes twice
        occurrences = columns["occurrences"] - (ticket.get("occurrences") or 0)
        deliveries = columns["deliveries"] - (ticket.get("deliveries") or 0)
        bucket = self._hours.setdefault((item.workspace, item.body.ticket_id, hour), [0, 0])
        bucket[0] += occurrences
        bucket[1] += deliveries
        self._counters["occurrences_counted", "{}", item.record.partition] += occurrences

    def _remember(self, item: Item, ticket: Known, columns: Columns) -> None:
        fact, record = item.body, item.record
        kind = type(fact).__name__
        if kind == "OccurrencesCounted":
            return
        if kind in _COUNTED_KINDS:
            self._counters[_COUNTED_KINDS[kind], "{}", record.partition] += 1
        self._history.append(
            (
                item.workspace,
                fact.ticket_id,
                record.partition,
                record.offset,
                instant(fact.at),
                kind,
                ticket.get("status"),
                columns.get("status", ticket.get("status")),
                getattr(fact, "actor", None) or None,
                getattr(fact, "reason", None) or None,
                _encode_cause(fact.cause).decode(),
            )
        )

    # --- rows ---

    def changes(self) -> Changes:
        opened: list[Row] = []
        changed: list[Row] = []
        search: list[Row] = []
        counts: Counter[Row] = Counter()
        for key, ticket in self._tickets.items():
            values = ticket.changed
            if ticket.opened:
                opened.append(key + tuple(values[name] for name in _OPENED_COLUMNS))
            else:
                changed.append(key + tuple(map(values.get, _CHANGED_COLUMNS)))
            _add_search(search, key, ticket)
            _add_counts(counts, key[0], ticket)
        return Changes(
            [
                (rows.OPENED, opened),
                (rows.CHANGED, changed),
                (rows.HISTORY, self._history),
                (rows.OCCURRENCES, [(*key, *added) for key, added in self._hours.items()]),
                (rows.SEARCH, search),
                (rows.COUNTS, [(*key, number) for key, number in counts.items() if number]),
                (rows.COUNTERS, [(*key, number) for key, number in self._counters.items()]),
            ],
            self._rejected,
        )


_COUNTED_KINDS: Final = {"TicketOpened": "tickets_opened", "TicketReopened": "tickets_reopened"}


def _add_search(search: list[Row], key: Key, ticket: Known) -> None:
    before = ticket.before
    if before and not ticket.opened and all(_same(ticket, name) for name in _SEARCHED):
        return
    texts = (ticket.get(name) for name in ("workflow", "identifier", "message"))
    search.append((*key, ticket.get("hidden"), words(*texts)))


def _same(ticket: Known, name: str) -> bool:
    if name not in ticket.changed:
        return True
    new = ticket.changed[name]
    return bool((new[:SEARCHED_CHARACTERS] if name == "message" else new) == ticket.before[name])


def _add_counts(counts: Counter[Row], workspace: str, ticket: Known) -> None:
    before = tuple(ticket.before[name] for name in _COUNTED_BY) if ticket.before else None
    after = tuple(ticket.get(name) for name in _COUNTED_BY)
    if before == after:
        return
    for cell, number in ((before, -1), (after, 1)):
        if cell is not None:
            status, hidden, severity, workflow, source = cell
            for dimension, value in (("", ""), ("workflow", workflow), ("source", source)):
                counts[workspace, dimension, value, status, hidden, severity, ticket.partition] += number
