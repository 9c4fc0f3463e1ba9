"""Facts about jobs become row changes. Pure: what must be known of the rows before comes in with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import orjson

from tocsin.events import jobs as contract
from tocsin.events.topics import facts_topic
from tocsin.projections.apply.facts import decision_labels, decoder, instant
from tocsin.projections.apply.job_columns import (
    FIRST_SPEC,
    Columns,
    columns_after,
    number_of_slots,
    schedule_columns,
    slots_of,
)
from tocsin.projections.projection import Changes, Item, Key, Projection, Rejected, Row
from tocsin.projections.tables import counters, job_document, job_slots, job_specs, jobs
from tocsin.projections.tables.metadata import Instant
from tocsin.projections.writes import columns_of, insert

_KEY: Final = ("workspace", "job_id")
_COLUMNS: Final = tuple(columns_of(jobs))
_SLOT_COLUMNS: Final = tuple(columns_of(job_slots))
_SLOT_KEY: Final = (*_KEY, "spec_version", "slot")
_SPEC_COLUMNS: Final = tuple(columns_of(job_specs))


def _replaced(columns: Sequence[str], *kept: str) -> str:
    return ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in kept)


_JOBS: Final = insert(
    jobs, f"(workspace, job_id) DO UPDATE SET {_replaced(_COLUMNS, *_KEY)} WHERE jobs.version <= excluded.version"
)
_SPECS: Final = insert(job_specs, "DO NOTHING")
_SLOTS: Final = insert(
    job_slots,
    "(workspace, job_id, spec_version, slot) DO UPDATE SET decisions = job_slots.decisions + excluded.decisions,"
    f" {_replaced(_SLOT_COLUMNS, *_SLOT_KEY, 'decisions')}",
)
_COUNTERS: Final = insert(counters, "(name, labels, partition) DO UPDATE SET value = counters.value + excluded.value")
# as text, an instant can be written again as it was read
_READ: Final = ", ".join(
    f'old."{name}"::text' if jobs.columns[name].type is Instant else f'old."{name}"' for name in _COLUMNS
)
_WANTED: Final = """
  FROM unnest($1::text[], $2::text[]) AS wanted(workspace, job_id)
  JOIN jobs AS old ON old.workspace = wanted.workspace AND old.job_id = wanted.job_id
"""
_BEFORE: Final = f"SELECT {_READ} {_WANTED}"
_ROWS: Final = f"SELECT old.* {_WANTED}"
_SlotKey = tuple[str, str, int, str]


class _Folding:
    """One row for each job and each slot of a batch, its facts taken in the order of the log."""

    def __init__(self, before: Mapping[Key, Columns]) -> None:
        self._rows = dict(before)
        self._changed: dict[Key, None] = {}
        self._specs: list[Row] = []
        self._slots: dict[_SlotKey, Columns] = {}
        self._counted: Counter[tuple[str, str, int]] = Counter()
        self._rejected: list[Rejected] = []

    def add(self, item: Item) -> None:
        fact, partition = item.body, item.record.partition
        if isinstance(fact, contract.JobFact):
            if not self._change(item, fact):
                return
            self._count(fact, partition)
        labels = decision_labels(contract.DOMAIN, type(fact).__name__, fact.cause.rule)
        self._counted["decisions", labels, partition] += 1

    def _change(self, item: Item, fact: contract.JobFact) -> bool:
        key = (item.workspace, fact.job_id)
        before = self._rows.get(key, {})
        if before and fact.version < before["version"]:
            return False  # a repeat of what the row says already
        if not before and not isinstance(fact, contract.JobCreated):
            self._rejected.append(Rejected(item, f"job {fact.job_id} was never created"))
            return False
        try:
            after, slots, spec = columns_after(fact, before), list(slots_of(fact)), _spec_row(key, fact)
        except ValueError as error:  # a time that is none
            self._rejected.append(Rejected(item, str(error)))
            return False
        self._rows[key] = after
        self._changed[key] = None
        self._specs += spec
        for (spec_version, slot), decided in slots:
            self._decide((*key, spec_version, slot), decided)
        return True

    def _decide(self, key: _SlotKey, decided: Columns) -> None:
        known = self._slots.get(key)
        self._slots[key] = decided | {"decisions": 1 + (known["decisions"] if known else 0)}

    def _count(self, fact: contract.JobFact, partition: int) -> None:
        verdict, slots = number_of_slots(fact)
        if slots:
            self._counted["job_slots", orjson.dumps({"verdict": verdict}).decode(), partition] += slots
        if isinstance(fact, contract.JobCreated):
            self._counted["jobs_scheduled", "{}", partition] += 1
        if isinstance(fact, contract.RunFinished) and fact.result != "cancelled":
            self._counted["jobs_executed", "{}", partition] += 1
            if fact.result != "succeeded":
                self._counted["jobs_failed", "{}", partition] += 1

    def changes(self) -> Changes:
        slots: list[Row] = [
            (*key, *(decided[name] for name in _SLOT_COLUMNS[len(_SLOT_KEY) :])) for key, decided in self._slots.items()
        ]
        counted: list[Row] = [(*where, number) for where, number in self._counted.items()]
        rows: list[Row] = [(*key, *map(self._rows[key].get, _COLUMNS[len(_KEY) :])) for key in self._changed]
        return Changes([(_JOBS, rows), (_SPECS, self._specs), (_SLOTS, slots), (_COUNTERS, counted)], self._rejected)


def _spec_row(key: Key, fact: contract.JobFact) -> list[Row]:
    """The spec that governs from here on, if the fact brings one."""
    if not isinstance(fact, contract.JobCreated | contract.JobUpdated):
        return []
    version = FIRST_SPEC if isinstance(fact, contract.JobCreated) else fact.spec_version
    columns = schedule_columns(fact.spec) | {"spec_version": version, "cursor": instant(fact.cursor)}
    return [(*key, *(columns[name] for name in _SPEC_COLUMNS[len(_KEY) :]))]


async def read(connection: Any, items: Sequence[Item]) -> dict[Key, Columns]:
    keys = {(item.workspace, item.body.job_id) for item in items if isinstance(item.body, contract.JobFact)}
    found = await connection.fetch(_BEFORE, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["job_id"]): dict(row) for row in found}


def apply(items: Sequence[Item], before: Mapping[Key, Columns]) -> Changes:
    """The rows after these facts, in their order. A fact about an unknown job is rejected, a repeat is nothing."""
    folding = _Folding(before)
    for item in items:
        folding.add(item)
    return folding.changes()


def subject(fact: Any) -> str:
    return str(getattr(fact, "job_id", "") or getattr(fact, "subject_id", "") or fact.entity)


async def documents(connection: Any, keys: Collection[Key]) -> dict[Key, str]:
    """The jobs as clients see them, JSON; unknown ids are left out."""
    found = await connection.fetch(_ROWS, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["job_id"]): orjson.dumps(job_document(row)).decode() for row in found}


JOBS: Final = Projection(
    contract.DOMAIN,
    facts_topic(contract.DOMAIN),
    decoder(contract.FACTS),
    read,
    apply,
    subject,
    documents,
)
