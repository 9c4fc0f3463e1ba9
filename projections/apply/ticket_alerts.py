"""Facts about clocks and escalation become rows beside their ticket: clocks, SLA alerts, messages, policies. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from tocsin.events import sla
from tocsin.events.times import unix_ms
from tocsin.projections.apply.facts import instant
from tocsin.projections.apply.first_clocks import FIRST_CLOCKS, NEW_CLOCKS, FirstClocks
from tocsin.projections.apply.ticket_known import Known
from tocsin.projections.projection import Item, Rejected, Row
from tocsin.projections.tables import (
    LATENESS_BUCKETS_MS,
    sla_alerts,
    sla_clocks,
    sla_policies,
    sla_policy_activations,
    ticket_notifications,
)
from tocsin.projections.writes import Statement, Write, columns_of, insert

CLOCK_COLUMNS: Final = tuple(columns_of(sla_clocks))
_CLOCK_KEY: Final = ("workspace", "ticket_id", "metric", "cycle")
_REPLACED: Final = ", ".join(f'"{name}" = excluded."{name}"' for name in CLOCK_COLUMNS if name not in _CLOCK_KEY)
CLOCKS: Final = insert(
    sla_clocks,
    f"(workspace, ticket_id, metric, cycle) DO UPDATE SET {_REPLACED} WHERE sla_clocks.version <= excluded.version",
)
ALERTS: Final = insert(sla_alerts, "DO NOTHING")
NOTIFICATIONS: Final = insert(ticket_notifications, "DO NOTHING")
NOTIFIED: Final = Write(
    "update ticket_notifications",
    columns_of(
        ticket_notifications,
        *("workspace", "notification_id", "result", "attempts", "status", "error", "detail", "finished_at"),
    ),
    """
    UPDATE ticket_notifications AS old SET result = changed.result, attempts = changed.attempts,
        status = changed.status, error = changed.error, detail = changed.detail, finished_at = changed.finished_at
    FROM {changed}
    WHERE old.workspace = changed.workspace AND old.notification_id = changed.notification_id
    """,
)
POLICIES: Final = insert(sla_policies, "DO NOTHING")
ACTIVATIONS: Final = insert(sla_policy_activations, "DO NOTHING")

LATE_MS: Final = 60_000
"""More than this is called late, as the decisions call it of an escalation."""

NotificationKey = tuple[str, str]
Results = Mapping[NotificationKey, str | None]
"""Of the messages that are known: their results, None while they have not ended."""
_encode: Final = msgspec.json.Encoder().encode
_OF_CLOCK: Final = (
    *("stage", "priority", "customer_tier", "target_ms", "calendar", "calendar_version", "policy_version"),
    *("started_at", "elapsed_ms", "as_of", "due_at", "warned_percent", "next_warning_percent", "next_warning_at"),
    *("paused_at", "pause_reason", "paused_ms", "breached_at", "detected_at", "stopped_at", "result"),
)
_INSTANTS: Final = (
    *("started_at", "as_of", "due_at", "next_warning_at", "paused_at", "breached_at", "detected_at", "stopped_at"),
)
_NOT_ALWAYS: Final = ("calendar_version", "next_warning_percent", "pause_reason")
_DETAILS: Final = (
    *("cap", "ladder", "ladders", "subject", "priority", "customer_tier", "quiet_channels", "held_until", "link"),
    *("actor", "remark"),
)


class Beside(NamedTuple):
    """The rows one fact adds beside its ticket."""

    clock: Row | None = None
    alert: Row | None = None
    notifications: tuple[Row, ...] = ()


class Besides:
    """The rows of a batch, in the order of the log."""

    def __init__(self, results: Results) -> None:
        self._results = dict(results)
        self._new_clocks: list[Row] = []
        self._first_clocks: list[Row] = []
        self._clocks: dict[Row, Row] = {}
        self._alerts: list[Row] = []
        self._notifications: list[Row] = []
        self._notified: dict[NotificationKey, Row] = {}
        self._policies: dict[str, Row] = {}
        self._activations: list[Row] = []
        self._counted: Counter[tuple[str, str, int]] = Counter()

    def begin(self, item: Item, found: FirstClocks, workflow: str, *, new: bool) -> None:
        """Of a fact that begins a ticket. ``new``: it was not there."""
        ticket = item.workspace, item.body.ticket_id, workflow, item.body.version
        clocks = self._new_clocks if new else self._first_clocks
        clocks += [ticket + said for said in found.said]

    def add(self, item: Item, beside: Beside) -> None:
        """Of a fact that was applied to its ticket."""
        fact, partition = item.body, item.record.partition
        if beside.clock is not None:
            self._clocks[beside.clock[: len(_CLOCK_KEY)]] = beside.clock
        if beside.alert is not None:
            self._alerts.append(beside.alert)
        for row in beside.notifications:
            self._notifications.append(row)
            self._results[row[0], row[1]] = None
            self._counted["sla_notifications", _labels(result="requested"), partition] += 1
        if type(fact) is sla.ClockWarned:
            self._counted["sla_warnings", _labels(metric=fact.clock.metric), partition] += 1
        elif type(fact) is sla.ClockBreached:
            self._count_breach(fact, partition)
        elif type(fact) is sla.Escalated:
            self._counted["sla_escalations", _labels(reason=fact.told.reason), partition] += 1

    def _count_breach(self, fact: sla.ClockBreached, partition: int) -> None:
        labels = _labels(metric=fact.clock.metric, priority=fact.clock.priority)
        self._counted["sla_breaches", labels, partition] += 1
        bound = next((one for one in LATENESS_BUCKETS_MS if fact.lateness_ms <= one), None)
        le = "+Inf" if bound is None else f"{bound / 1000:g}"
        self._counted["sla_lateness_bucket", _labels(le=le), partition] += 1
        self._counted["sla_lateness_milliseconds", _labels(), partition] += fact.lateness_ms

    def notified(self, item: Item) -> Rejected | None:
        """What became of a message; a repeat is nothing."""
        fact: sla.NotificationRecorded = item.body
        key = item.workspace, fact.notification_id
        if key not in self._results:
            return Rejected(item, f"notification {fact.notification_id} was never asked for")
        if self._results[key] is not None:
            return None
        try:
            finished_at = instant(fact.finished_at)
        except ValueError as error:
            return Rejected(item, str(error))
        said = fact.status, fact.error or None, fact.detail or None
        self._results[key] = fact.result
        self._notified[key] = (*key, fact.result, fact.attempts, *said, finished_at)
        self._counted["sla_notifications", _labels(result=fact.result), item.record.partition] += 1
        return None

    def policy(self, item: Item) -> Rejected | None:
        fact: sla.SlaPolicyApplied = item.body
        try:
            at = instant(fact.at)
        except ValueError as error:
            return Rejected(item, str(error))
        self._policies[fact.policy_version] = (fact.policy_version, orjson.dumps(fact.body).decode())
        self._activations.append((item.record.partition, item.record.offset, fact.policy_version, at))
        return None

    def rows(self) -> list[tuple[Statement, list[Row]]]:
        return [
            (NEW_CLOCKS, self._new_clocks),  # before what became of them
            (FIRST_CLOCKS, self._first_clocks),
            (CLOCKS, list(self._clocks.values())),
            (ALERTS, self._alerts),
            (NOTIFICATIONS, self._notifications),
            (NOTIFIED, list(self._notified.values())),
            (POLICIES, list(self._policies.values())),
            (ACTIVATIONS, self._activations),
        ]

    def counters(self) -> list[Row]:
        return [(*key, number) for key, number in self._counted.items()]


@lru_cache(256)
def _labels(**labels: str) -> str:
    return orjson.dumps(labels).decode()


# --- one fact -------------------------------------------------------------------------------------------------------


def beside(item: Item, ticket: Known) -> Beside:
    """Raises ValueError for a time that is none."""
    fact = item.body
    if isinstance(fact, sla.ClockFact):
        alert = None
        if isinstance(fact, sla.ClockWarned):
            late = max(0, unix_ms(fact.at) - unix_ms(fact.warned_at))
            alert = _alert(item, "warning", fact.cause.rule, fact.clock, fact.warned_at, late, percent=fact.percent)
        elif isinstance(fact, sla.ClockBreached):
            rule, due_at = fact.cause.rule, fact.clock.breached_at
            alert = _alert(item, "breach", rule, fact.clock, due_at, fact.lateness_ms)
        return Beside(_clock_row(item, fact, ticket), alert)
    if isinstance(fact, sla.Escalated):
        return Beside(None, _escalation(item, fact), tuple(_notification_rows(item, fact)))
    return Beside()


def _clock_row(item: Item, fact: sla.ClockFact, ticket: Known) -> Row:
    """In the order of the table's columns, computed ones left out."""
    found: dict[str, Any] = {name: getattr(fact.clock, name) for name in _OF_CLOCK}
    for name in _INSTANTS:
        found[name] = instant(found[name]) if found[name] else None
    for name in _NOT_ALWAYS:
        found[name] = found[name] or None
    found |= {
        "workspace": item.workspace,
        "ticket_id": fact.ticket_id,
        "metric": fact.clock.metric,
        "cycle": fact.clock.cycle,
        "workflow": ticket.get("workflow"),
        "version": fact.version,
    }
    return tuple(found[name] for name in CLOCK_COLUMNS)


def clock_of(row: Mapping[str, Any]) -> sla.Clock:
    """The reverse; instants are whatever the row has, so they tell only whether there is one, and its order."""
    given = {name: row[name] for name in _OF_CLOCK if row[name] is not None}
    return sla.Clock(metric=row["metric"], cycle=row["cycle"], **given)


def _alert(
    item: Item, kind: str, reason: str, clock: sla.Clock, due_at: str, lateness_ms: int, percent: int | None = None
) -> Row:
    fact, record = item.body, item.record
    return (
        *(item.workspace, fact.ticket_id, record.partition, record.offset, kind, reason, clock.metric, clock.cycle),
        *(percent, fact.level, None, None, None, instant(due_at), instant(fact.at), lateness_ms, lateness_ms > LATE_MS),
        *("[]", "[]", "{}", _encode(clock).decode(), _encode(fact.cause).decode()),
    )


def _escalation(item: Item, fact: sla.Escalated) -> Row:
    record, told = item.record, fact.told
    messages = [
        {"notification_id": one.notification_id, "channel": one.channel, "kind": one.kind} for one in fact.notifications
    ]
    details = {name: value for name in _DETAILS if (value := getattr(fact, name)) not in ("", ())}
    clock = None if fact.clock is None else _encode(fact.clock).decode()
    return (
        *(item.workspace, fact.ticket_id, record.partition, record.offset, "escalation", told.reason),
        *(told.metric, told.cycle, None, fact.level, fact.from_level, told.step, told.loop),
        *(instant(told.due_at), instant(fact.at), fact.lateness_ms, fact.late),
        *(_encode(fact.coalesced).decode(), orjson.dumps(messages).decode(), _encode(details).decode()),
        *(clock, _encode(fact.cause).decode()),
    )


def _notification_rows(item: Item, fact: sla.Escalated) -> list[Row]:
    at = instant(fact.at)
    return [
        (
            *(item.workspace, one.notification_id, fact.ticket_id, one.delivery_id, one.channel, one.kind),
            *(fact.told.reason, fact.level, at, item.record.offset, None, 0, None, None, None, None),
        )
        for one in fact.notifications
    ]
