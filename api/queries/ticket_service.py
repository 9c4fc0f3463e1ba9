"""What is kept of the service level of one ticket: its clocks, SLA alerts and messages, and the policies they go by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.projections.tables import sla_alerts, sla_clocks, sla_policies, ticket_notifications

ALERTS_SHOWN: Final = 100
NOTIFICATIONS_SHOWN: Final = 100
CLOCKS_SHOWN: Final = 100
_POLICIES_KEPT: Final = 64

# A version never changes, so it is read once a process.
_policies: dict[str, Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Service:
    """``alerts`` and ``notifications``: the newest, newest first. ``calendars``: policy version → name → hours."""

    clocks: Sequence[RowMapping]
    alerts: Sequence[RowMapping]
    notifications: Sequence[RowMapping]
    calendars: Mapping[str, Mapping[str, Any]]


async def of_ticket(connection: AsyncConnection, workspace: str, ticket_id: str) -> Service:
    c, a, n = sla_clocks.c, sla_alerts.c, ticket_notifications.c
    clocks = select(sla_clocks).where(c.workspace == workspace, c.ticket_id == ticket_id)
    clocks = clocks.order_by(c.cycle.desc(), c.metric).limit(CLOCKS_SHOWN)
    alerts = select(sla_alerts).where(a.workspace == workspace, a.ticket_id == ticket_id)
    alerts = alerts.order_by(a.partition.desc(), a.offset.desc()).limit(ALERTS_SHOWN)
    messages = select(ticket_notifications).where(n.workspace == workspace, n.ticket_id == ticket_id)
    messages = messages.order_by(n.offset.desc(), n.notification_id).limit(NOTIFICATIONS_SHOWN)
    rows, told, sent = [(await connection.execute(one)).mappings().all() for one in (clocks, alerts, messages)]
    versions = {row["policy_version"] for row in rows}
    return Service(rows, told, sent, await calendars(connection, versions))


async def calendars(connection: AsyncConnection, versions: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    """The calendars of these versions of the policy; a version that is not known is left out."""
    if missing := [version for version in versions if version not in _policies]:
        p = sla_policies.c
        for version, body in await connection.execute(
            select(p.policy_version, p.body).where(p.policy_version.in_(missing))
        ):
            while len(_policies) >= _POLICIES_KEPT:
                _policies.pop(next(iter(_policies)))
            _policies[version] = orjson.loads(body).get("calendars", {})
    return {version: _policies[version] for version in versions if version in _policies}
