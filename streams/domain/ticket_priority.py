"""The priority of a failure's ticket: of its severity, raised by a more severe repeat until a report has set it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tocsin.events import tickets as contract
from tocsin.events.commands import Fact
from tocsin.events.vocabulary import PRIORITIES, PRIORITY_OF_SEVERITY, Priority
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.sla_state import ORDINARY, Sla
from tocsin.streams.domain.ticket_state import Episode

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


def with_priority(episode: Episode, fact: Any, received: Received) -> Sequence[Fact]:
    """A repeat that is more severe than the ticket's priority raises it."""
    event: contract.FailureReported = received.event
    if event.severity not in raising_severities(episode.sla):
        return (fact,)
    before = (episode.sla or ORDINARY).priority
    raised = contract.PriorityRaised(
        entity=received.entity,
        at=fact.at,
        cause=received.cause("severity_above_priority", severity=event.severity),
        ticket_id=fact.ticket_id,
        from_priority=before,
        priority=PRIORITY_OF_SEVERITY[event.severity],
        severity=event.severity,
    )
    return (fact, raised)
