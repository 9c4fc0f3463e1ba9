"""All SQL about alerts. Every statement is bound to a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries import listing
from tocsin.api.queries.alert_filter import AlertFilter, AlertQuery
from tocsin.api.queries.listing import Listing, Page
from tocsin.api.queries.memberships import belongs_to, incidents_of
from tocsin.api.queries.parameters import RANKS, Paging
from tocsin.projections.tables import alert_counts, alert_history, alerts, payloads
from tocsin.projections.tables.alert_counts import DIMENSIONS

HISTORY_SHOWN: Final = 200
_a = alerts.c
ALERTS: Final = Listing(
    alerts,
    _a.alert_id,
    {"created_at": _a.created_at, "updated_at": _a.updated_at, "severity": _a.severity_rank},
)


@dataclass(frozen=True, slots=True)
class Detail:
    """``payload``: the body of a context over 4 KiB; None when there is none, or when it has not arrived yet."""

    row: RowMapping
    payload: str | None
    history: Sequence[RowMapping]
    incident_id: str | None


async def page(connection: AsyncConnection, workspace: str, query: AlertQuery) -> tuple[Page, dict[str, str]]:
    """A page, and the incidents of its alerts. Raises Problem 422 for a cursor that is none."""
    kept = _kept_count(workspace, query)
    found = await listing.page(connection, ALERTS, conditions(workspace, query), query, kept)
    return found, await incidents_of(connection, workspace, [row["alert_id"] for row in found.rows])


async def detail(connection: AsyncConnection, workspace: str, alert_id: str) -> Detail | None:
    """One alert; None when this workspace has none of that id."""
    one = select(alerts).where(_a.workspace == workspace, _a.alert_id == alert_id)
    row = (await connection.execute(one)).mappings().one_or_none()
    if row is None:
        return None
    payload = None
    if row["context"] is None and row["context_digest"]:
        body = select(payloads.c.body).where(payloads.c.digest == row["context_digest"])
        payload = (await connection.execute(body)).scalar_one_or_none()
    history = (await connection.execute(_history(workspace, alert_id))).mappings().all()
    incident = await incidents_of(connection, workspace, [alert_id])
    return Detail(row, payload, history[::-1], incident.get(alert_id))


def conditions(workspace: str, wanted: AlertFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_a.workspace == workspace]
    if wanted.status:
        found.append(_a.status.in_(wanted.status))
    if wanted.severity:
        found.append(_a.severity_rank.in_([RANKS[severity] for severity in wanted.severity]))
    for column in (_a.source, _a.service, _a.team, _a.environment, _a.fingerprint):
        if (value := getattr(wanted, column.name)) is not None:
            found.append(column == value)
    if wanted.incident_id is not None:
        found.append(belongs_to(workspace, wanted.incident_id))
    if wanted.suppressed is not None:
        quiet = _a.suppressed_by != []
        found.append(quiet if wanted.suppressed else ~quiet)
    return found + listing.within(wanted, _a.created_at, _a.updated_at)


def _kept_count(workspace: str, wanted: AlertFilter) -> Select[Any] | None:
    """The total from the kept counts; None where they do not tell it: they know one dimension at a time."""
    c = alert_counts.c
    asked = {name: value for name in DIMENSIONS if (value := getattr(wanted, name)) is not None}
    others = wanted.model_fields_set - {"status", "severity", *DIMENSIONS, *Paging.model_fields, "sort"}
    if len(asked) > 1 or any(getattr(wanted, name) is not None for name in others):
        return None
    dimension, value = next(iter(asked.items()), ("", ""))
    statement = select(func.coalesce(func.sum(c.alerts), 0)).where(
        c.workspace == workspace, c.dimension == dimension, c.value == value
    )
    if wanted.status:
        statement = statement.where(c.status.in_(wanted.status))
    if wanted.severity:
        statement = statement.where(c.severity.in_(wanted.severity))
    return statement


def _history(workspace: str, alert_id: str) -> Select[Any]:
    h = alert_history.c
    of_alert = select(alert_history).where(h.workspace == workspace, h.alert_id == alert_id)
    return of_alert.order_by(h.partition.desc(), h.offset.desc()).limit(HISTORY_SHOWN)
