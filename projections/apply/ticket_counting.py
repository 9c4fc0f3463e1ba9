"""The kept counts of tickets, as a batch changes them. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tocsin.projections.apply.ticket_known import Known
from tocsin.projections.projection import Row
from tocsin.projections.tables.ticket_counts import DIMENSIONS, KINDS

COUNTED_BY: Final = (*KINDS, *DIMENSIONS)


def add_counts(counts: Counter[Row], workspace: str, ticket: Known) -> None:
    """What one ticket adds to each combination of values, and takes from another."""
    before = tuple(ticket.before[name] for name in COUNTED_BY) if ticket.before else None
    after = tuple(map(ticket.get, COUNTED_BY))
    if before != after:
        if before is not None:
            counts[workspace, ticket.partition, before] -= 1
        counts[workspace, ticket.partition, after] += 1


def count_rows(counts: Counter[Row]) -> list[Row]:
    cells: Counter[Row] = Counter()
    for (
        workspace,
        partition,
        (status, hidden, severity, priority, sla_state, level, *values),
    ), number in counts.items():
        kind = status, hidden, severity, priority, sla_state or "", level
        for dimension, value in (("", ""), *zip(DIMENSIONS, values, strict=True)):
            cells[workspace, dimension, value, *kind, partition] += number
    return [(*key, number) for key, number in cells.items() if number]
