"""Facts about incidents become row changes. Pure: what must be known of the rows before comes in with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from tocsin.events import incidents as contract
from tocsin.events.topics import facts_topic
from tocsin.events.vocabulary import POLICY_ACTOR
from tocsin.projections.apply.facts import decision_labels, decoder
from tocsin.projections.apply.incident_columns import Columns, action_of, columns_after
from tocsin.projections.projection import Changes, Item, Key, Projection, Rejected, Row
from tocsin.projections.tables import counters, incident_actions, incident_alerts, incident_document, incidents
from tocsin.projections.tables.metadata import Instant
from tocsin.projections.writes import columns_of, insert

_KEY: Final = ("workspace", "incident_id")
_COLUMNS: Final = tuple(columns_of(incidents))
_REPLACED: Final = ", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS if name not in _KEY)
_INCIDENTS: Final = insert(
    incidents, f"(workspace, incident_id) DO UPDATE SET {_REPLACED} WHERE incidents.version <= excluded.version"
)
_ACTIONS: Final = insert(incident_actions, "DO NOTHING")
_MEMBERS: Final = insert(
    incident_alerts, "(workspace, incident_id, alert_id) DO UPDATE SET moved_to = excluded.moved_to"
)
_COUNTERS: Final = insert(counters, "(name, labels, partition) DO UPDATE SET value = counters.value + excluded.value")
# as text, an instant can be written again as it was read
_READ: Final = ", ".join(
    f'old."{name}"::text' if incidents.columns[name].type is Instant else f'old."{name}"' for name in _COLUMNS
)
_WANTED: Final = """
  FROM unnest($1::text[], $2::text[]) AS wanted(workspace, incident_id)
  JOIN incidents AS old ON old.workspace = wanted.workspace AND old.incident_id = wanted.incident_id
"""
_BEFORE: Final = f"SELECT {_READ} {_WANTED}"
_ROWS: Final = f"SELECT old.* {_WANTED}"
_encode: Final = msgspec.json.Encoder().encode


class _Folding:
    """One row for each incident of a batch, its facts taken in the order of the log."""

    def __init__(self, before: Mapping[Key, Columns]) -> None:
        self._rows = dict(before)
        self._changed: dict[Key, None] = {}
        self._members: dict[tuple[str, str, str], Row] = {}
        self._actions: list[Row] = []
        self._decisions: Counter[tuple[str, str, int]] = Counter()
        self._rejected: list[Rejected] = []

    def add(self, item: Item) -> None:
        fact = item.body
        if isinstance(fact, contract.IncidentFact) and not self._change(item, fact):
            return
        self._decisions[type(fact).__name__, fact.cause.rule, item.record.partition] += 1

    def _change(self, item: Item, fact: contract.IncidentFact) -> bool:
        key = (item.workspace, fact.incident_id)
        before = self._rows.get(key, {})
        if before and fact.version < before["version"]:
            return False  # a repeat of what the row says already
        if not before and not isinstance(fact, contract.IncidentOpened):
            self._rejected.append(Rejected(item, f"incident {fact.incident_id} was never opened"))
            return False
        try:
            after = columns_after(fact, before)
        except ValueError as error:  # a time that is none
            self._rejected.append(Rejected(item, str(error)))
            return False
        self._rows[key] = after
        self._changed[key] = None
        self._remember(item, fact, before)
        self._belong(item.workspace, fact)
        return True

    def _remember(self, item: Item, fact: contract.IncidentFact, before: Columns) -> None:
        if (described := action_of(fact, before)) is None:
            return
        action, details = described
        record, cause = item.record, fact.cause
        self._actions.append(
            (
                *(item.workspace, fact.incident_id, record.partition, record.offset, fact.at),
                *(action, before.get("status"), fact.status),
                *(getattr(fact, "actor", "") or POLICY_ACTOR, getattr(fact, "reason", "")),
                *(_encode(details).decode(), cause.event_id, _encode(cause).decode()),
            )
        )

    def _belong(self, workspace: str, fact: contract.IncidentFact) -> None:
        """Which alerts the incident has after a fact, and which went elsewhere."""
        moved_to = None
        match fact:
            case contract.AlertAdded():
                alerts: list[str] = [fact.alert.alert_id]
            case contract.AlertsAdopted():
                alerts = [one.alert_id for one in fact.members]
            case contract.AlertsSplitOff():
                alerts, moved_to = [one.alert_id for one in fact.members], fact.to_incident_id
            case _:
                return
        for alert_id in alerts:
            key = (workspace, fact.incident_id, alert_id)
            self._members[key] = (*key, moved_to)

    def changes(self) -> Changes:
        rows = [(*key, *map(self._rows[key].get, _COLUMNS[2:])) for key in self._changed]
        decisions: list[Row] = [
            ("decisions", decision_labels(contract.DOMAIN, kind, rule), partition, number)
            for (kind, rule, partition), number in self._decisions.items()
        ]
        return Changes(
            [
                (_INCIDENTS, rows),
                (_ACTIONS, self._actions),
                (_MEMBERS, list(self._members.values())),
                (_COUNTERS, decisions),
            ],
            self._rejected,
        )


async def read(connection: Any, items: Sequence[Item]) -> dict[Key, Columns]:
    keys = {(item.workspace, item.body.incident_id) for item in items if isinstance(item.body, contract.IncidentFact)}
    found = await connection.fetch(_BEFORE, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["incident_id"]): dict(row) for row in found}


def apply(items: Sequence[Item], before: Mapping[Key, Columns]) -> Changes:
    """The rows after these facts, in their order. A fact about an unknown incident is rejected, a repeat is nothing."""
    folding = _Folding(before)
    for item in items:
        folding.add(item)
    return folding.changes()


def subject(fact: Any) -> str:
    return str(getattr(fact, "incident_id", "") or getattr(fact, "subject_id", "") or fact.entity)


async def documents(connection: Any, keys: Collection[Key]) -> dict[Key, str]:
    """The incidents as clients see them, JSON; unknown ids are left out."""
    found = await connection.fetch(_ROWS, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["incident_id"]): orjson.dumps(incident_document(row)).decode() for row in found}


INCIDENTS: Final = Projection(
    contract.DOMAIN,
    facts_topic(contract.DOMAIN),
    decoder(contract.FACTS),
    read,
    apply,
    subject,
    documents,
)
