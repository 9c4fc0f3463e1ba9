"""Which SLA policy governs, and since when in each partition."""

from __future__ import annotations

from typing import Any, Final

import orjson
from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.projections.tables import sla_policies, sla_policy_activations
from tocsin.projections.tables.tickets import instant

ACTIVATIONS_SHOWN: Final = 200
_p, _a = sla_policies.c, sla_policy_activations.c


async def policy(connection: AsyncConnection) -> dict[str, Any]:
    """The document of ``GET /sla/policy``."""
    last_of_each = select(_a.partition, func.max(_a.offset)).group_by(_a.partition)
    latest = select(sla_policy_activations).where(tuple_(_a.partition, _a.offset).in_(last_of_each))
    governing = (await connection.execute(latest)).mappings().all()
    newest = select(sla_policy_activations).order_by(_a.applied_at.desc(), _a.partition).limit(ACTIVATIONS_SHOWN)
    log = (await connection.execute(newest)).mappings().all()
    active = None
    if governing:
        last = max(governing, key=lambda row: (row["applied_at"], row["partition"]))
        body = select(_p.body).where(_p.policy_version == last["policy_version"])
        found = (await connection.execute(body)).scalar_one()
        active = {
            "policy_version": last["policy_version"],
            "applied_at": instant(last["applied_at"]),
            "body": orjson.Fragment(found),
        }
    return {
        "active": active,
        "in_step": len({row["policy_version"] for row in governing}) <= 1,
        "activations": [
            {
                "policy_version": row["policy_version"],
                "partition": row["partition"],
                "applied_at": instant(row["applied_at"]),
            }
            for row in log
        ],
    }
