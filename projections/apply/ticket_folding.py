"""Many facts about many tickets folded into one change per row, so that a batch costs rows and not facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec

from tocsin.events import sla
from tocsin.events import tickets as contract
from tocsin.projections.apply import ticket_rows as rows
from tocsin.projections.apply.facts import decision_labels, hour_of, instant
from tocsin.projections.apply.first_clocks import first_clocks
from tocsin.projections.apply.ticket_alerts import Beside, Besides, beside
from tocsin.projections.apply.ticket_counting import add_counts, count_rows
from tocsin.projections.apply.ticket_known import Columns, Known
from tocsin.projections.apply.ticket_service import COLUMNS as SERVICE
from tocsin.projections.apply.ticket_service import SERVICE_COLUMNS
from tocsin.projections.projection import Changes, Item, Key, Rejected, Row
from tocsin.projections.tables.ticket_search import SEARCHED_CHARACTERS, words

_CHANGED_COLUMNS: Final = tuple(rows.CHANGED.columns)[2:]
_OPENED_COLUMNS: Final = rows.OPENED_COLUMNS[2:]
_BESIDE: Final = frozenset({*SERVICE} - {contract.TicketRegistered, contract.TicketRevised})
_NOTHING_BESIDE: Final = Beside()
# What follows from another entry, or is an SLA alert.
_NO_HISTORY: Final = frozenset(
    {
        contract.OccurrencesCounted,
        *(sla.ClockStarted, sla.ClockPaused, sla.ClockResumed, sla.ClockStopped, sla.ClockWarned, sla.ClockBreached),
        sla.EscalationStopped,
    }
)
_SEARCHED: Final = ("message", "hidden")
_encode_cause: Final = msgspec.json.Encoder().encode


def _supersedes(fact: Any, pending: Any) -> bool:
    """A later count in the same hour says everything again that the earlier one said."""
    return (
        fact.cause.offset > pending.cause.offset
        and (fact.latest is not None or pending.latest is None)
        and bool(fact.at[:13] == pending.at[:13])
    )


class Folding:
    """Collects the changes of a batch, fact by fact, in the order of the log."""

    def __init__(
        self,
        before: rows.Before,
        columns: Mapping[type[Any], Callable[[Any, Known], Columns]],
        opening: Collection[type[Any]],
    ) -> None:
        """``columns``: what each type of fact changes; ValueError from there rejects the fact. ``opening``: those a
        ticket begins with."""
        self._before = before
        self._columns = columns
        self._opening = opening
        self._besides = Besides(before.results)
        self._tickets: dict[Key, Known] = {}
        self._new_history: list[Row] = []
        self._history: list[Row] = []
        self._hours: dict[tuple[str, str, str], list[int]] = {}
        self._decisions: Counter[tuple[type[Any], str, int]] = Counter()
        self._counters: Counter[tuple[str, int]] = Counter()
        self._rejected: list[Rejected] = []

    def count(self, item: Item) -> None:
        """A decision that changes no ticket."""
        self._decisions[type(item.body), item.body.cause.rule, item.record.partition] += 1

    def add_other(self, item: Item) -> None:
        """What changes no ticket: a refusal, the end of a message, a policy."""
        rejected = None
        if type(item.body) is sla.NotificationRecorded:
            rejected = self._besides.notified(item)
        elif type(item.body) is sla.SlaPolicyApplied:
            rejected = self._besides.policy(item)
        if rejected is None:
            self.count(item)
        else:
            self._rejected.append(rejected)

    def add(self, item: Item) -> None:
        fact = item.body
        ticket = self._ticket(item)
        if ticket is None:
            return
        counts = type(fact) is contract.OccurrencesCounted
        if counts and not self._has_times(item):
            return
        pending = ticket.pending
        if pending is not None:
            if counts and _supersedes(fact, pending.body):
                self.count(pending)
                ticket.pending = item
                return
            ticket.pending = None
            self._apply(pending, ticket)
        if ticket.is_repeat(fact):
            return
        if counts:
            ticket.pending = item
        else:
            self._apply(item, ticket)

    def _ticket(self, item: Item) -> Known | None:
        key = (item.workspace, item.body.ticket_id)
        ticket = self._tickets.get(key)
        if ticket is None:
            before = self._before.rows.get(key)
            ticket = self._tickets[key] = Known(before, item.record.partition, self._before.clocks.get(key))
        if ticket.new and not ticket.opened and type(item.body) not in self._opening:
            self._rejected.append(Rejected(item, f"ticket {item.body.ticket_id} was never opened"))
            return None
        return ticket

    def _has_times(self, item: Item) -> bool:
        try:
            hour_of(item.body.at)
            instant(item.body.last_seen_at)
        except ValueError as error:
            self._rejected.append(Rejected(item, str(error)))
            return False
        return True

    def _apply(self, item: Item, ticket: Known) -> None:
        fact = item.body
        try:
            columns = self._columns[type(fact)](fact, ticket)
            hour = hour_of(fact.at)
            found = beside(item, ticket) if type(fact) in _BESIDE else _NOTHING_BESIDE
        except ValueError as error:  # a time that is none
            self._rejected.append(Rejected(item, str(error)))
            return
        if type(fact) in self._opening:
            self._begin(item, ticket, columns)
        self.count(item)
        if "occurrences" in columns and type(fact) is not contract.TicketRegistered:
            self._count_occurrences(item, ticket, columns, hour)
        if type(fact) not in _NO_HISTORY:
            self._remember(item, ticket, columns)
        if found is not _NOTHING_BESIDE:
            self._besides.add(item, found)
        if found.clock is not None:
            ticket.take_clock(fact.clock)
        ticket.take(fact, columns)

    def _begin(self, item: Item, ticket: Known, columns: Columns) -> None:
        ticket.opened = True
        if (found := first_clocks(item.body)) is not None:
            ticket.begin_clocks(found.clocks)
            self._besides.begin(item, found, columns["workflow"], new=ticket.new)

    def _count_occurrences(self, item: Item, ticket: Known, columns: Columns, hour: str) -> None:
        # from the totals, not from what the fact says it adds: so it stays right when a fact comes twice
        occurrences = columns["occurrences"] - (ticket.get("occurrences") or 0)
        deliveries = columns["deliveries"] - (ticket.get("deliveries") or 0)
        bucket = self._hours.setdefault((item.workspace, item.body.ticket_id, hour), [0, 0])
        bucket[0] += occurrences
        bucket[1] += deliveries
        self._counters["occurrences_counted", item.record.partition] += occurrences

    def _remember(self, item: Item, ticket: Known, columns: Columns) -> None:
        fact, record = item.body, item.record
        kind = type(fact).__name__
        if kind in _COUNTED_KINDS:
            self._counters[_COUNTED_KINDS[kind], record.partition] += 1
        status = ticket.get("status")
        history = self._new_history if ticket.new else self._history
        history.append(
            (
                item.workspace,
                fact.ticket_id,
                record.partition,
                record.offset,
                fact.at,
                kind,
                status,
                columns.get("status", status),
                getattr(fact, "actor", None) or None,
                getattr(fact, "reason", None) or getattr(fact, "remark", None) or None,
                _encode_cause(fact.cause).decode(),
            )
        )

    # --- rows ---

    def changes(self) -> Changes:
        new: list[Row] = []
        opened: list[Row] = []
        changed: list[Row] = []
        service: list[Row] = []
        new_search: list[Row] = []
        search: list[Row] = []
        counts: Counter[Row] = Counter()
        for key, ticket in self._tickets.items():
            if ticket.pending is not None:
                self._apply(ticket.pending, ticket)
            values = ticket.finish()
            if not values:
                continue
            if ticket.opened:
                rows_of = new if ticket.new else opened
                rows_of.append(key + tuple(map(values.__getitem__, _OPENED_COLUMNS)))
            else:
                changed.append(key + tuple(map(values.get, _CHANGED_COLUMNS)))
                if not values.keys().isdisjoint(SERVICE_COLUMNS):
                    service.append((*key, *map(ticket.get, SERVICE_COLUMNS), ticket.get("version")))
            _add_search(new_search if ticket.new else search, key, ticket)
            add_counts(counts, key[0], ticket)
        new_hours, hours = self._hour_rows()
        return Changes(
            [
                (rows.NEW, new),
                (rows.OPENED, opened),
                (rows.CHANGED, changed),
                (rows.SERVICE, service),
                (rows.NEW_HISTORY, self._new_history),
                (rows.HISTORY, self._history),
                (rows.NEW_OCCURRENCES, new_hours),
                (rows.OCCURRENCES, hours),
                (rows.NEW_SEARCH, new_search),
                (rows.SEARCH, search),
                (rows.COUNTS, count_rows(counts)),
                *self._besides.rows(),
                (rows.COUNTERS, self._counter_rows()),
            ],
            self._rejected,
        )

    def _hour_rows(self) -> tuple[list[Row], list[Row]]:
        """Of tickets that were not there, and of the others."""
        new: list[Row] = []
        old: list[Row] = []
        for (workspace, ticket_id, hour), added in self._hours.items():
            found = new if self._tickets[workspace, ticket_id].new else old
            found.append((workspace, ticket_id, hour, *added))
        return new, old

    def _counter_rows(self) -> list[Row]:
        decisions: list[Row] = [
            ("decisions", decision_labels(contract.DOMAIN, kind.__name__, rule), partition, number)
            for (kind, rule, partition), number in self._decisions.items()
        ]
        named: list[Row] = [(name, "{}", partition, number) for (name, partition), number in self._counters.items()]
        return decisions + named + self._besides.counters()


_COUNTED_KINDS: Final = {
    "TicketOpened": "tickets_opened",
    "TicketReopened": "tickets_reopened",
    "TicketRegistered": "tickets_reported",
}


def _add_search(search: list[Row], key: Key, ticket: Known) -> None:
    before = ticket.before
    if before and not ticket.opened and all(_same(ticket, name) for name in _SEARCHED):
        return
    get = ticket.get
    search.append((*key, get("hidden"), words(get("workflow"), get("identifier"), get("message"))))


def _same(ticket: Known, name: str) -> bool:
    if name not in ticket.changed:
        return True
    new = ticket.changed[name]
    return bool((new[:SEARCHED_CHARACTERS] if name == "message" else new) == ticket.before[name])
