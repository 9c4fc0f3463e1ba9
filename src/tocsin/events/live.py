"""Live events: what clients hear of as it happens, written in the transaction of the fact they tell of.

All of a workspace are in one partition of ``tocsin.live.v1``, so they have one order and one cursor. They say that
something changed and what it is called; how it stands now is asked of the query API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class LiveEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One event for clients. ``type`` is one of TYPES; ``occurred_at``: RFC 3339 UTC, when it was decided.

    ticket_id: the ticket it is about, if it is about one. escalation_level: of that ticket, where it is known.
    data: what else the type tells (``incident_id``, ``job_id``, statuses…); small, never the entity as a whole.
    """

    type: str
    occurred_at: str
    ticket_id: str | None = None
    escalation_level: int | None = None
    data: dict[str, Any] = {}


class LiveEvents(msgspec.Struct, frozen=True, gc=False):
    """One record: what one transaction tells the clients of a workspace, in order; a flood takes several.

    An event's id is ``<partition>-<offset>.<index>``, that of the last one of a record ``<partition>-<offset>``.
    """

    events: tuple[LiveEvent, ...]


LIVE_EVENTS: Final = "tocsin.live.LiveEvents.v1"
EVENTS: Final[dict[str, type[Any]]] = {LIVE_EVENTS: LiveEvents}
MAX_EVENTS: Final = 4_000
"""In one record; fewer than a position has room for."""

TYPES: Final[Mapping[str, str]] = {
    "ticket.opened": "a failure opened a ticket",
    "ticket.reopened": "a resolved ticket failed again inside its re-open window",
    "ticket.status_changed": "somebody, or the next success, moved a ticket",
    "ticket.hidden": "a ticket left the lists",
    "sla.warning": "a clock has used a share of its target",
    "sla.breached": "a clock is past its target",
    "sla.escalated": "the escalation level rose",
    "sla.acknowledged": "somebody took it on: the escalation stops",
    "sla.retargeted": "a clock has another target",
    "incident.opened": "alerts opened an incident",
    "incident.status_changed": "an incident moved along its chain, by hand or by policy",
    "incident.severity_raised": "an incident became worse",
    "incident.merged": "an incident was merged into another",
    "job.run_failed": "a run failed finally",
    "job.disabled": "a job was disabled: its endpoint wants no more",
}
"""Every type there is and when it is told; what a client may filter by."""
