"""Facts about tasks become row changes. Pure: what must be known of the rows before comes in with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import orjson

from tocsin.events import tasks as contract
from tocsin.events.topics import facts_topic
from tocsin.projections.apply.facts import decision_labels, decoder, instant
from tocsin.projections.apply.task_columns import Columns, columns_after
from tocsin.projections.projection import Changes, Item, Key, Projection, Rejected, Row
from tocsin.projections.tables import counters, task_document, task_polls, tasks
from tocsin.projections.tables.metadata import Instant
from tocsin.projections.writes import columns_of, insert

_KEY: Final = ("workspace", "task_id")
_COLUMNS: Final = tuple(columns_of(tasks))
_POLL_COLUMNS: Final = tuple(columns_of(task_polls))
_POLL_KEY: Final = (*_KEY, "poll")


def _replaced(columns: Sequence[str], *kept: str) -> str:
    return ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in kept)


_TASKS: Final = insert(
    tasks, f"(workspace, task_id) DO UPDATE SET {_replaced(_COLUMNS, *_KEY)} WHERE tasks.version <= excluded.version"
)
_POLLS: Final = insert(task_polls, f"(workspace, task_id, poll) DO UPDATE SET {_replaced(_POLL_COLUMNS, *_POLL_KEY)}")
_COUNTERS: Final = insert(counters, "(name, labels, partition) DO UPDATE SET value = counters.value + excluded.value")
# as text, an instant can be written again as it was read
_READ: Final = ", ".join(
    f'old."{name}"::text' if tasks.columns[name].type is Instant else f'old."{name}"' for name in _COLUMNS
)
_WANTED: Final = """
  FROM unnest($1::text[], $2::text[]) AS wanted(workspace, task_id)
  JOIN tasks AS old ON old.workspace = wanted.workspace AND old.task_id = wanted.task_id
"""
_BEFORE: Final = f"SELECT {_READ} {_WANTED}"
_ROWS: Final = f"SELECT old.* {_WANTED}"


class _Folding:
    """One row for each task of a batch, and one for each poll, the facts taken in the order of the log."""

    def __init__(self, before: Mapping[Key, Columns]) -> None:
        self._rows = dict(before)
        self._changed: dict[Key, None] = {}
        self._polls: dict[tuple[str, str, int], Row] = {}
        self._counted: Counter[tuple[str, str, int]] = Counter()
        self._rejected: list[Rejected] = []

    def add(self, item: Item) -> None:
        fact, partition = item.body, item.record.partition
        if isinstance(fact, contract.TaskFact):
            if not self._change(item, fact):
                return
            for name, counted in _counts(fact):
                self._counted[name, orjson.dumps(counted).decode(), partition] += 1
        labels = decision_labels(contract.DOMAIN, type(fact).__name__, fact.cause.rule)
        self._counted["decisions", labels, partition] += 1

    def _change(self, item: Item, fact: contract.TaskFact) -> bool:
        key = (item.workspace, fact.task_id)
        before = self._rows.get(key, {})
        if before and fact.version < before["version"]:
            return False  # a repeat of what the row says already
        if not before and not isinstance(fact, contract.TaskRegistered):
            self._rejected.append(Rejected(item, f"task {fact.task_id} was never registered"))
            return False
        if isinstance(fact, contract.TaskForgotten):
            return True  # the log forgets it, the row does not
        try:
            after, polls = columns_after(fact, before), list(_poll_rows(item.workspace, fact))
        except ValueError as error:  # a time that is none
            self._rejected.append(Rejected(item, str(error)))
            return False
        self._rows[key] = after
        self._changed[key] = None
        self._polls.update(polls)
        return True

    def changes(self) -> Changes:
        counted: list[Row] = [(*where, number) for where, number in self._counted.items()]
        rows: list[Row] = [(*key, *map(self._rows[key].get, _COLUMNS[len(_KEY) :])) for key in self._changed]
        polls = list(self._polls.values())
        return Changes([(_TASKS, rows), (_POLLS, polls), (_COUNTERS, counted)], self._rejected)


def _counts(fact: contract.TaskFact) -> Sequence[tuple[str, dict[str, str]]]:
    match fact:
        case contract.TaskRegistered():
            return (("tasks_registered", {"deadline": "set" if fact.deadline else "none"}),)
        case contract.TaskPolled():
            return (("task_polls", {"verdict": fact.verdict}),)
        case contract.TaskSettled():
            return (("tasks_settled", {"status": fact.status}),)
        case contract.SettlementConcluded():
            return (("task_settlements_concluded", {"confirmation": fact.confirmation}),)
    return ()


def _poll_rows(workspace: str, fact: contract.TaskFact) -> Sequence[tuple[tuple[str, str, int], Row]]:
    """In the order of the table's columns. Raises ValueError."""
    if not isinstance(fact, contract.TaskPolled):
        return ()
    key = (workspace, fact.task_id, fact.poll)
    row = (
        *key,
        *(fact.run_id, fact.verdict, fact.cause.rule, fact.external_status or None, fact.http_status),
        *(fact.error or None, fact.detail or None, instant(fact.finished_at), instant(fact.at)),
    )
    return ((key, row),)


async def read(connection: Any, items: Sequence[Item]) -> dict[Key, Columns]:
    keys = {(item.workspace, item.body.task_id) for item in items if isinstance(item.body, contract.TaskFact)}
    found = await connection.fetch(_BEFORE, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["task_id"]): dict(row) for row in found}


def apply(items: Sequence[Item], before: Mapping[Key, Columns]) -> Changes:
    """The rows after these facts, in their order. A fact about an unknown task is rejected, a repeat is nothing."""
    folding = _Folding(before)
    for item in items:
        folding.add(item)
    return folding.changes()


def subject(fact: Any) -> str:
    return str(getattr(fact, "task_id", "") or getattr(fact, "subject_id", "") or fact.entity)


async def documents(connection: Any, keys: Collection[Key]) -> dict[Key, str]:
    """The tasks as clients see them, JSON; unknown ids are left out."""
    found = await connection.fetch(_ROWS, [key[0] for key in keys], [key[1] for key in keys])
    return {(row["workspace"], row["task_id"]): orjson.dumps(task_document(row)).decode() for row in found}


TASKS: Final = Projection(
    contract.DOMAIN,
    facts_topic(contract.DOMAIN),
    decoder(contract.FACTS),
    read,
    apply,
    subject,
    documents,
)
