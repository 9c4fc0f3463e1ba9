"""Facts about deliveries become one row for each attempt of a job, and what Prometheus counts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import orjson

from tocsin.events import deliveries as contract
from tocsin.events.deliveries import AttemptRecorded
from tocsin.events.topics import facts_topic
from tocsin.projections.apply.facts import decision_labels, decoder, instant
from tocsin.projections.projection import Changes, Item, Projection, Rejected, Row
from tocsin.projections.tables import LATENESS_BUCKETS_MS, counters, job_logs
from tocsin.projections.writes import insert

_LOGS: Final = insert(job_logs, "DO NOTHING")
_COUNTERS: Final = insert(counters, "(name, labels, partition) DO UPDATE SET value = counters.value + excluded.value")


class _Folding:
    """The rows of a batch, in the order of the log."""

    def __init__(self) -> None:
        self._logs: dict[tuple[str, str, int], Row] = {}
        self._counted: Counter[tuple[str, str, int]] = Counter()
        self._rejected: list[Rejected] = []

    def add(self, item: Item) -> None:
        fact = item.body
        if isinstance(fact, AttemptRecorded) and fact.origin.domain == "jobs":
            try:
                row = _row(item, fact)
            except ValueError as error:  # a time that is none
                self._rejected.append(Rejected(item, str(error)))
                return
            self._logs.setdefault((item.workspace, fact.delivery_id, fact.attempt), row)
            self._count_attempt(fact, item.record.partition)
        labels = decision_labels(contract.DOMAIN, type(fact).__name__, fact.cause.rule)
        self._counted["decisions", labels, item.record.partition] += 1

    def _count_attempt(self, fact: AttemptRecorded, partition: int) -> None:
        self._counted["job_attempts", _labels(outcome=fact.outcome), partition] += 1
        if fact.attempt == 1:
            bound = next((one for one in LATENESS_BUCKETS_MS if fact.lateness_ms <= one), None)
            le = "+Inf" if bound is None else f"{bound / 1000:g}"
            self._counted["job_lateness_bucket", _labels(le=le), partition] += 1
            self._counted["job_lateness_milliseconds", _labels(), partition] += fact.lateness_ms

    def changes(self) -> Changes:
        counted: list[Row] = [(*key, number) for key, number in self._counted.items()]
        return Changes([(_LOGS, list(self._logs.values())), (_COUNTERS, counted)], self._rejected)


@lru_cache(256)
def _labels(**labels: str) -> str:
    return orjson.dumps(labels).decode()


def _row(item: Item, fact: AttemptRecorded) -> Row:
    """In the order of the table's columns. Raises ValueError."""
    return (
        *(item.workspace, fact.delivery_id, fact.attempt, fact.origin.entity, fact.origin.run_id),
        *(fact.outcome, fact.cause.rule, fact.status, fact.error or None, fact.detail or None),
        *(fact.body, fact.body_cut, instant(fact.scheduled_for), instant(fact.started_at)),
        *(fact.duration_ms, fact.lateness_ms, fact.address or None),
        instant(fact.next_attempt_at) if fact.next_attempt_at else None,
        *(item.record.partition, item.record.offset),
    )


async def read(_connection: Any, _items: Sequence[Item]) -> None:
    """An attempt depends on nothing that is stored."""


def apply(items: Sequence[Item], _before: None) -> Changes:
    """The rows of these facts. An attempt is recorded once; a repeat would be nothing."""
    folding = _Folding()
    for item in items:
        folding.add(item)
    return folding.changes()


def subject(fact: Any) -> str:
    return str(getattr(fact, "delivery_id", "") or fact.entity)


DELIVERIES: Final = Projection(
    contract.DOMAIN, facts_topic(contract.DOMAIN), decoder(contract.FACTS), read, apply, subject
)
