"""Facts about alerts become row changes. Pure: what must be known of the rows before comes in with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.events import alerts as contract
from tocsin.events.topics import facts_topic
from tocsin.projections.apply import silences
from tocsin.projections.apply.alert_counting import COUNTS, Counts
from tocsin.projections.apply.facts import decision_labels, decoder, instant
from tocsin.projections.projection import Changes, Item, Key, Projection, Rejected, Row
from tocsin.projections.tables import alert_history, alerts, counters
from tocsin.projections.writes import Write, columns_of, insert

_KEY: Final = ("workspace", "alert_id")
_OPENED_COLUMNS: Final = tuple(columns_of(alerts))
_CHANGED_COLUMNS: Final = (
    *("status", "resolved_at", "occurrences", "deliveries", "last_seen_at", "updated_at"),
    *("title", "message", "severity", "service", "team", "environment", "tags", "url"),
    *("context", "context_digest", "verified_by", "classification", "flapping", "suppressed_by", "version"),
)
_REPLACED: Final = ", ".join(f"{name} = excluded.{name}" for name in _OPENED_COLUMNS if name not in _KEY)
_OPENED: Final = insert(
    alerts, f"(workspace, alert_id) DO UPDATE SET {_REPLACED} WHERE alerts.version <= excluded.version"
)
# Columns that are never null stay when they come as null; the context goes with the title, which always has a text.
_KEPT: Final = ", ".join(
    f"{name} = coalesce(changed.{name}, old.{name})"
    for name in _CHANGED_COLUMNS
    if name not in ("context", "context_digest", "version")
)
_CHANGED: Final = Write(
    "update alerts",
    columns_of(alerts, *_KEY, *_CHANGED_COLUMNS),
    f"""
    UPDATE alerts AS old SET {_KEPT},
        context = CASE WHEN changed.title IS NULL THEN old.context ELSE changed.context END,
        context_digest = CASE WHEN changed.title IS NULL THEN old.context_digest ELSE changed.context_digest END,
        version = changed.version
    FROM {{changed}}
    WHERE old.workspace = changed.workspace AND old.alert_id = changed.alert_id AND old.version <= changed.version
    """,  # noqa: S608 - constants
)
_HISTORY: Final = insert(alert_history, "DO NOTHING")
_COUNTERS: Final = insert(counters, "(name, labels, partition) DO UPDATE SET value = counters.value + excluded.value")
_BEFORE: Final = """
SELECT old.workspace, old.alert_id, old.status, old.version,
       old.severity, old.source, old.service, old.team, old.environment
  FROM unnest($1::text[], $2::text[]) AS wanted(workspace, alert_id)
  JOIN alerts AS old ON old.workspace = wanted.workspace AND old.alert_id = wanted.alert_id
"""
_encode: Final = msgspec.json.Encoder().encode
Columns = dict[str, Any]


def _opened(fact: contract.AlertOpened) -> Columns:
    at, started_at = instant(fact.at), instant(fact.started_at)
    return {
        "episode": fact.episode,
        "previous_alert_id": fact.previous_alert_id or None,
        "source": fact.source,
        "fingerprint": fact.fingerprint,
        "fingerprint_rule": fact.fingerprint_rule,
        "fingerprint_fields": _encode(fact.fingerprint_fields).decode(),
        "sender_episode": fact.sender_episode,
        "status": fact.status,
        "occurrences": fact.occurrences,
        "deliveries": fact.deliveries,
        "started_at": started_at,
        "last_seen_at": started_at,
        "resolved_at": None,
        "created_at": at,
        "updated_at": at,
        "classification": _encode(fact.classification).decode(),
        "grouping": _encode(fact.grouping).decode() if fact.grouping else None,
        "flapping": fact.flapping,
        "suppressed_by": _encode(fact.suppressed_by).decode(),
        **_latest(fact.latest),
    }


def _repeated(fact: contract.AlertRepeated) -> Columns:
    return {
        "occurrences": fact.occurrences,
        "deliveries": fact.deliveries,
        "last_seen_at": instant(fact.last_seen_at),
        "updated_at": instant(fact.at),
        **(_latest(fact.latest) if fact.latest else {}),
    }


def _acknowledged(fact: contract.AlertAcknowledged) -> Columns:
    return {"status": fact.status, "deliveries": fact.deliveries, "updated_at": instant(fact.at)}


def _resolved(fact: contract.AlertResolved) -> Columns:
    return {
        "status": fact.status,
        "deliveries": fact.deliveries,
        "resolved_at": instant(fact.resolved_at),
        "updated_at": instant(fact.at),
    }


def _severity_changed(fact: contract.AlertSeverityChanged) -> Columns:
    """The severity itself comes with the AlertRepeated beside it."""
    return {"classification": _encode(fact.classification).decode(), "updated_at": instant(fact.at)}


def _flapping_changed(fact: contract.FlappingChanged) -> Columns:
    return {"flapping": fact.flapping, "updated_at": instant(fact.at)}


def _suppression_changed(fact: contract.SuppressionChanged) -> Columns:
    return {"suppressed_by": _encode(fact.suppressed_by).decode(), "updated_at": instant(fact.at)}


def _latest(latest: contract.LatestWord) -> Columns:
    context = bytes(latest.context)
    return {
        "title": latest.title,
        "message": latest.message,
        "severity": latest.severity,
        "service": latest.service,
        "team": latest.team,
        "environment": latest.environment,
        "tags": _encode(latest.tags).decode(),
        "url": latest.url,
        "context": context.decode() if context else None,
        "context_digest": latest.context_digest or None,
        "verified_by": latest.verified_by,
    }


_COLUMNS: Final[Mapping[type[Any], Callable[[Any], Columns]]] = {
    contract.AlertOpened: _opened,
    contract.AlertRepeated: _repeated,
    contract.AlertAcknowledged: _acknowledged,
    contract.AlertResolved: _resolved,
    contract.AlertSeverityChanged: _severity_changed,
    contract.FlappingChanged: _flapping_changed,
    contract.SuppressionChanged: _suppression_changed,
}


class _Folding:
    """One change for each alert of a batch, its facts taken in the order of the log."""

    def __init__(self, before: Mapping[Key, Mapping[str, Any]]) -> None:
        self._before = before
        self._opened: dict[Key, Columns] = {}
        self._changed: dict[Key, Columns] = {}
        self._partitions: dict[Key, int] = {}
        self._history: list[Row] = []
        self._silences = silences.Silences()
        self._decisions: Counter[tuple[str, str, int]] = Counter()
        self._rejected: list[Rejected] = []

    def add(self, item: Item) -> None:
        fact = item.body
        if isinstance(fact, silences.FACTS):
            self._silences.add(item)
        elif (read := _COLUMNS.get(type(fact))) is not None and not self._change(item, read):
            return
        self._decisions[type(fact).__name__, fact.cause.rule, item.record.partition] += 1

    def _change(self, item: Item, read: Callable[[Any], Columns]) -> bool:
        fact, key = item.body, (item.workspace, item.body.alert_id)
        before = self._before.get(key)
        if before is not None and fact.version < before["version"]:
            return False  # a repeat of what the row says already
        try:
            columns = read(fact) | {"version": fact.version}
        except ValueError as error:  # a time that is none
            self._rejected.append(Rejected(item, str(error)))
            return False
        if type(fact) is contract.AlertOpened:
            self._opened[key] = columns
        elif key in self._opened:
            self._opened[key] |= columns
        elif before is not None:
            self._changed.setdefault(key, {}).update(columns)
        else:
            self._rejected.append(Rejected(item, f"alert {fact.alert_id} was never opened"))
            return False
        self._partitions[key] = item.record.partition
        if type(fact) is not contract.AlertRepeated:
            self._remember(item, self._status(key))
        return True

    def _status(self, key: Key) -> str:
        """Of an alert that is known, after what was folded so far."""
        for known in (self._opened.get(key), self._changed.get(key), self._before.get(key)):
            if known is not None and known.get("status") is not None:
                return str(known["status"])
        raise LookupError(f"alert {key} is not known")

    def _remember(self, item: Item, status: str) -> None:
        fact, record = item.body, item.record
        kind, cause = type(fact).__name__, _encode(fact.cause).decode()
        where = item.workspace, fact.alert_id, record.partition, record.offset
        self._history.append((*where, fact.at, kind, status, cause))

    def changes(self) -> Changes:
        opened = [(*key, *(columns[name] for name in _OPENED_COLUMNS[2:])) for key, columns in self._opened.items()]
        changed = [(*key, *map(columns.get, _CHANGED_COLUMNS)) for key, columns in self._changed.items()]
        decisions: list[Row] = [
            ("decisions", decision_labels(contract.DOMAIN, kind, rule), partition, number)
            for (kind, rule, partition), number in self._decisions.items()
        ]
        return Changes(
            [
                *((_OPENED, opened), (_CHANGED, changed), (_HISTORY, self._history), (_COUNTERS, decisions)),
                (COUNTS, self._counts()),
                *self._silences.rows(),
            ],
            self._rejected,
        )

    def _counts(self) -> list[Row]:
        counts = Counts()
        for key, columns in (*self._opened.items(), *self._changed.items()):
            counts.change(key[0], self._partitions[key], self._before.get(key), columns)
        return counts.rows()


async def read(connection: Any, items: Sequence[Item]) -> dict[Key, Mapping[str, Any]]:
    keys = {(item.workspace, item.body.alert_id) for item in items if type(item.body) in _COLUMNS}
    found = await connection.fetch(_BEFORE, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["alert_id"]): row for row in found}


def apply(items: Sequence[Item], before: Mapping[Key, Mapping[str, Any]]) -> Changes:
    """The rows after these facts, in their order. A fact about an unknown alert is rejected, a repeat is nothing."""
    folding = _Folding(before)
    for item in items:
        folding.add(item)
    return folding.changes()


def subject(fact: Any) -> str:
    """Commands are about silences, all other facts about alerts."""
    if isinstance(fact, contract.SilenceCreated):
        return fact.silence.silence_id
    named = (getattr(fact, name, "") for name in ("alert_id", "silence_id", "subject_id"))
    return str(next(filter(None, named), fact.entity))


ALERTS: Final = Projection(
    contract.DOMAIN,
    facts_topic(contract.DOMAIN),
    decoder(contract.FACTS),
    read,
    apply,
    subject,
    silences.documents,
)
