"""The kept counts of alerts, as a batch changes them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from tocsin.projections.projection import Row
from tocsin.projections.tables.alert_counts import DIMENSIONS, alert_counts
from tocsin.projections.writes import Write, columns_of

COUNTED_BY: Final = ("status", "severity", *DIMENSIONS)

# A row at zero goes: whether it ever was above zero depends on where a batch ended.
COUNTS: Final = Write(
    "merge alert_counts",
    columns_of(alert_counts),
    """
    MERGE INTO alert_counts AS old USING {changed}
    ON  old.workspace = changed.workspace AND old.dimension = changed.dimension AND old.value = changed.value
    AND old.status = changed.status AND old.severity = changed.severity AND old.partition = changed.partition
    WHEN MATCHED AND old.alerts + changed.alerts = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET alerts = old.alerts + changed.alerts
    WHEN NOT MATCHED THEN INSERT (workspace, dimension, value, status, severity, partition, alerts)
        VALUES (changed.workspace, changed.dimension, changed.value, changed.status, changed.severity,
                changed.partition, changed.alerts)
    """,
)


class Counts:
    """What the alerts of a batch add to each count, and take from it."""

    def __init__(self) -> None:
        self._cells: Counter[Row] = Counter()

    def change(
        self, workspace: str, partition: int, before: Mapping[str, Any] | None, changed: Mapping[str, Any]
    ) -> None:
        """One alert. ``before``: None when it is new; ``changed``: its columns that are not None differ from that."""
        old = None if before is None else tuple(before[name] for name in COUNTED_BY)
        given = (changed.get(name) for name in COUNTED_BY)
        new = tuple(value if value is not None or old is None else old[at] for at, value in enumerate(given))
        if old == new:
            return
        if old is not None:
            self._add(workspace, partition, old, -1)
        self._add(workspace, partition, new, 1)

    def _add(self, workspace: str, partition: int, values: Row, number: int) -> None:
        status, severity, *where = values
        for dimension, value in (("", ""), *zip(DIMENSIONS, where, strict=True)):
            self._cells[workspace, dimension, value, status, severity, partition] += number

    def rows(self) -> list[Row]:
        return [(*key, number) for key, number in self._cells.items() if number]
