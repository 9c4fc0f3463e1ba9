"""The numbers of the dashboard, from the kept counts, and the tickets that are at risk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.events.vocabulary import PRIORITIES, SLA_STATES, TICKET_STATUSES, UNRESOLVED
from tocsin.projections.tables import ticket_counts, tickets

AT_RISK_SHOWN: Final = 50
_c, _t = ticket_counts.c, tickets.c
_NAMES: Final = {"status": TICKET_STATUSES, "priority": PRIORITIES, "sla_state": SLA_STATES}


async def counts(connection: AsyncConnection, workspace: str) -> dict[str, dict[str, int]]:
    """Tickets that are not hidden, by status, priority and SLA state; every value is there."""
    found: dict[str, dict[str, int]] = {name: dict.fromkeys(values, 0) for name, values in _NAMES.items()}
    columns = [_c[name] for name in _NAMES]
    statement = (
        select(func.sum(_c.tickets), *columns)
        .where(_c.workspace == workspace, _c.dimension == "", ~_c.hidden)
        .group_by(*columns)
    )
    for number, *values in await connection.execute(statement):
        for name, value in zip(_NAMES, values, strict=True):
            if value in (of := found[name]):
                of[value] += int(number)
    return found


async def at_risk(connection: AsyncConnection, workspace: str) -> Sequence[RowMapping]:
    """Unresolved tickets that have passed a warning and missed nothing yet, the next due first."""
    statement = (
        select(tickets)
        .where(_t.workspace == workspace, _t.sla_state == "at_risk", ~_t.hidden, _t.status.in_(UNRESOLVED))
        .order_by(_t.next_due_order, _t.ticket_id)
        .limit(AT_RISK_SHOWN)
    )
    return (await connection.execute(statement)).mappings().all()


async def open_by_state(connection: AsyncConnection) -> dict[str, int]:
    """Unresolved tickets of all workspaces by SLA state; ``none``: without clocks."""
    statement = (
        select(_c.sla_state, func.sum(_c.tickets))
        .where(_c.dimension == "", ~_c.hidden, _c.status.in_(UNRESOLVED))
        .group_by(_c.sla_state)
    )
    found: dict[str, int] = dict.fromkeys((*SLA_STATES, "none"), 0)
    for state, number in await connection.execute(statement):
        found[state or "none"] = int(number)
    return found
