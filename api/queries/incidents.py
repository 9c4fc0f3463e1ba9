"""All SQL about incidents. Every statement is bound to a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import cast

from tocsin.api.queries import listing
from tocsin.api.queries.alerts import ALERTS
from tocsin.api.queries.incident_filter import IncidentFilter, IncidentQuery
from tocsin.api.queries.listing import Listing, Page
from tocsin.api.queries.memberships import belongs_to
from tocsin.api.queries.parameters import RANKS
from tocsin.projections.tables import alerts, incident_actions, incidents

ALERTS_SHOWN: Final = 100
ACTIONS_SHOWN: Final = 50
_i, _a = incidents.c, incident_actions.c
INCIDENTS: Final = Listing(
    incidents,
    _i.incident_id,
    {
        "created_at": _i.created_at,
        "updated_at": _i.updated_at,
        "severity": _i.severity_rank,
        "last_alert_at": _i.last_alert_at,
        "alert_count": _i.alert_count,
    },
)

# all of one incident are of one partition, so the offset is their order
ACTIONS: Final = Listing(incident_actions, _a.offset, {"at": _a.at})


@dataclass(frozen=True, slots=True)
class Detail:
    """``alerts``: the newest; ``alerts_total``: all of them. ``actions``: the newest, newest first."""

    row: RowMapping
    alerts: Sequence[RowMapping]
    alerts_total: int
    actions: Sequence[RowMapping]


async def page(connection: AsyncConnection, workspace: str, query: IncidentQuery) -> Page:
    """Raises Problem 422 for a cursor that is none, and what the reader raises."""
    return await listing.page(connection, INCIDENTS, conditions(workspace, query), query)


async def detail(connection: AsyncConnection, workspace: str, incident_id: str) -> Detail | None:
    """One incident; None when this workspace has none of that id."""
    row = await one(connection, workspace, incident_id)
    if row is None:
        return None
    members = [alerts.c.workspace == workspace, belongs_to(workspace, incident_id)]
    newest = select(alerts).where(*members).order_by(*ALERTS.order("-created_at")).limit(ALERTS_SHOWN)
    found = (await connection.execute(newest)).mappings().all()
    total = len(found) if len(found) < ALERTS_SHOWN else await listing.count(connection, ALERTS, members)
    latest = select(incident_actions).where(*_of(workspace, incident_id)).order_by(*ACTIONS.order("-at"))
    actions = (await connection.execute(latest.limit(ACTIONS_SHOWN))).mappings().all()
    return Detail(row, found, total, actions)


async def one(connection: AsyncConnection, workspace: str, incident_id: str) -> RowMapping | None:
    statement = select(incidents).where(_i.workspace == workspace, _i.incident_id == incident_id)
    return (await connection.execute(statement)).mappings().one_or_none()


def conditions(workspace: str, wanted: IncidentFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_i.workspace == workspace]
    if wanted.status:
        found.append(_i.status.in_(wanted.status))
    if wanted.severity:
        found.append(_i.severity_rank.in_([RANKS[severity] for severity in wanted.severity]))
    for column in (_i.service, _i.team, _i.environment):
        if (value := getattr(wanted, column.name)) is not None:
            found.append(column == value)
    if wanted.source is not None:
        found.append(_i.sources.contains(cast([wanted.source], JSONB)))
    if wanted.assignee is not None:
        found.append(_i.assignee == wanted.assignee if wanted.assignee else _i.assignee.is_(None))
    return found + listing.within(wanted, _i.created_at, _i.updated_at)


async def timeline(connection: AsyncConnection, workspace: str, incident_id: str, query: listing.Paged) -> Page | None:
    """A page of its actions; None when this workspace has no such incident."""
    if await one(connection, workspace, incident_id) is None:
        return None
    return await listing.page(connection, ACTIONS, _of(workspace, incident_id), query)


def _of(workspace: str, incident_id: str) -> list[ColumnElement[bool]]:
    return [_a.workspace == workspace, _a.incident_id == incident_id]
