"""The priority of a failure's ticket: of its severity, raised by a more severe repeat until a report has set it."""

from __future__ import annotations

from typing import Final

from tocsin.events.vocabulary import PRIORITIES, PRIORITY_OF_SEVERITY, Priority
from tocsin.streams.domain.sla_state import ORDINARY, Sla

_NONE: Final[frozenset[str]] = frozenset()
_ABOVE: Final[dict[Priority, frozenset[str]]] = {
    priority: frozenset(
        severity
        for severity, its_priority in PRIORITY_OF_SEVERITY.items()
        if PRIORITIES.index(its_priority) < PRIORITIES.index(priority)
    )
    for priority in PRIORITIES
}


def raising_severities(sla: Sla | None) -> frozenset[str]:
    """Severities of a repeat that raise the ticket's priority. It never falls by itself: that would gain time."""
    if sla is None:
        return _ABOVE[ORDINARY.priority]
    return _NONE if sla.reported_at else _ABOVE[sla.priority]
