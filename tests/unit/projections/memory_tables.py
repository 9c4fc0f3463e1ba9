"""The ticket tables in memory: the meaning of each bulk statement, said again in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from tocsin.projections.apply import ticket_alerts as alerts
from tocsin.projections.apply import ticket_rows as rows
from tocsin.projections.apply.first_clocks import FIRST_CLOCKS, NEW_CLOCKS
from tocsin.projections.apply.tickets import TICKETS, apply, key_of
from tocsin.projections.projection import Changes, Record, Rejected, Row
from tocsin.projections.writes import Statement

Tables = dict[str, dict[Any, Any]]
Meaning = Callable[[Tables, dict[str, Any], Row], None]
_WITH_STATUS = ("resolved_at", "reopen_until")
_WITH_MESSAGE = ("context", "context_digest")


class MemoryTables:
    def __init__(self) -> None:
        self.tables: Tables = defaultdict(dict)
        self.rejected: list[Rejected] = []

    def project(self, records: Sequence[Record]) -> Changes:
        items = [TICKETS.decode(record) for record in records]
        known = self.tables["tickets"]
        before = {key: known[key] for item in items if (key := key_of(item)) in known and key is not None}
        clocks: dict[Any, dict[Any, Any]] = defaultdict(dict)
        for (workspace, ticket_id, metric, cycle), row in self.tables["clocks"].items():
            clocks[workspace, ticket_id][metric, cycle] = alerts.clock_of(row)
        results = {key: row["result"] for key, row in self.tables["notifications"].items()}
        changes = apply(items, rows.Before(before, clocks, results))
        for write, values in changes.rows:
            for row in values:
                _MEANINGS[write](self.tables, dict(zip(write.columns, row, strict=True)), row)
        self.rejected += changes.rejected
        return changes


def _opened(tables: Tables, row: dict[str, Any], _: Row) -> None:
    key = row["workspace"], row["ticket_id"]
    old = tables["tickets"].get(key)
    if old is None or old["version"] <= row["version"]:
        tables["tickets"][key] = row


def _changed(tables: Tables, row: dict[str, Any], _: Row) -> None:
    old = tables["tickets"][row["workspace"], row["ticket_id"]]
    if old["version"] > row["version"]:
        return
    for name, value in row.items():
        together = (name in _WITH_STATUS and row["status"] is not None) or (
            name in _WITH_MESSAGE and row["message"] is not None
        )
        if name == "updated_at" and value is not None:
            value = max(value, old[name])
        if value is not None or together:
            old[name] = value


def _service(tables: Tables, row: dict[str, Any], _: Row) -> None:
    old = tables["tickets"][row["workspace"], row["ticket_id"]]
    if old["version"] <= row["version"]:
        old.update(row)


def _clock(tables: Tables, row: dict[str, Any], _: Row) -> None:
    key = row["workspace"], row["ticket_id"], row["metric"], row["cycle"]
    old = tables["clocks"].get(key)
    if old is None or old["version"] <= row["version"]:
        tables["clocks"][key] = row


def _first_clock(tables: Tables, row: dict[str, Any], values: Row) -> None:
    """In the order of the table, as every other clock."""
    _clock(tables, {name: row.get(name) for name in alerts.CLOCK_COLUMNS}, values)


def _once(name: str, keys: int) -> Meaning:
    def add(tables: Tables, row: dict[str, Any], values: Row) -> None:
        tables[name].setdefault(values[:keys], row)

    return add


def _notified(tables: Tables, row: dict[str, Any], _: Row) -> None:
    tables["notifications"][row["workspace"], row["notification_id"]] |= row


def _history(tables: Tables, row: dict[str, Any], _: Row) -> None:
    tables["history"].setdefault((row["ticket_id"], row["partition"], row["offset"]), row)


def _search(tables: Tables, row: dict[str, Any], _: Row) -> None:
    tables["search"][row["workspace"], row["ticket_id"]] = row["hidden"], set(row["words"].split())


def _adding(name: str, keys: int) -> Meaning:
    def add(tables: Tables, _: dict[str, Any], row: Row) -> None:
        key, values = row[:keys], row[keys:]
        old = tables[name].get(key, (0,) * len(values))
        tables[name][key] = tuple(map(sum, zip(old, values, strict=True)))
        if name == "counts" and tables[name][key] == (0,):
            del tables[name][key]

    return add


def _new(name: str, meaning: Meaning, *key: str) -> Meaning:
    """A row that must not be there yet."""

    def add(tables: Tables, row: dict[str, Any], values: Row) -> None:
        assert tuple(map(row.__getitem__, key)) not in tables[name]
        meaning(tables, row, values)

    return add


_occurrences = _adding("occurrences", 3)
_MEANINGS: dict[Statement, Meaning] = {
    rows.NEW: _new("tickets", _opened, "workspace", "ticket_id"),
    rows.NEW_HISTORY: _new("history", _history, "ticket_id", "partition", "offset"),
    rows.NEW_SEARCH: _new("search", _search, "workspace", "ticket_id"),
    rows.NEW_OCCURRENCES: _new("occurrences", _occurrences, "workspace", "ticket_id", "hour"),
    NEW_CLOCKS: _new("clocks", _first_clock, "workspace", "ticket_id", "metric", "cycle"),
    rows.OPENED: _opened,
    rows.CHANGED: _changed,
    rows.SERVICE: _service,
    rows.HISTORY: _history,
    rows.SEARCH: _search,
    rows.OCCURRENCES: _occurrences,
    rows.COUNTS: _adding("counts", 10),
    rows.COUNTERS: _adding("counters", 3),
    FIRST_CLOCKS: _first_clock,
    alerts.CLOCKS: _clock,
    alerts.ALERTS: _once("alerts", 4),
    alerts.NOTIFICATIONS: _once("notifications", 2),
    alerts.NOTIFIED: _notified,
    alerts.POLICIES: _once("policies", 1),
    alerts.ACTIVATIONS: _once("activations", 2),
}
