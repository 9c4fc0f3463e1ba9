"""All SQL about jobs, their slots and their attempts. Every statement is bound to a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import cast

from tocsin.api.queries import listing
from tocsin.api.queries.job_filter import JobFilter, JobQuery, LogQuery, SlotQuery
from tocsin.api.queries.listing import Listing, Page
from tocsin.projections.tables import job_slots, jobs, payloads
from tocsin.projections.tables.job_logs import job_logs

_j, _s, _l = jobs.c, job_slots.c, job_logs.c
JOBS: Final = Listing(
    jobs, _j.job_id, {"created_at": _j.created_at, "updated_at": _j.updated_at, "next_run": _j.next_run_order}
)
# within one job, which is all these are ever asked of
SLOTS: Final = Listing(job_slots, _s.spec_version, {"slot": _s.slot})
LOGS: Final = Listing(job_logs, _l.delivery_id, {"started_at": _l.started_at})


@dataclass(frozen=True, slots=True)
class Detail:
    """``payload``: the body of one over 4 KiB; None when there is none, or when it has not arrived yet."""

    row: RowMapping
    payload: str | None


async def page(connection: AsyncConnection, workspace: str, query: JobQuery) -> Page:
    """Raises Problem 422 for a cursor that is none, and what the reader raises."""
    return await listing.page(connection, JOBS, conditions(workspace, query), query)


async def detail(
    connection: AsyncConnection, workspace: str, job_id: str, *, include_deleted: bool = False
) -> Detail | None:
    """One job; None when this workspace has none of that id."""
    row = await _one(connection, workspace, job_id)
    if row is None or (row["status"] == "deleted" and not include_deleted):
        return None
    payload = None
    if row["payload_digest"] is not None:
        body = select(payloads.c.body).where(payloads.c.digest == row["payload_digest"])
        payload = (await connection.execute(body)).scalar_one_or_none()
    return Detail(row, payload)


async def _one(connection: AsyncConnection, workspace: str, job_id: str) -> RowMapping | None:
    statement = select(jobs).where(_j.workspace == workspace, _j.job_id == job_id)
    return (await connection.execute(statement)).mappings().one_or_none()


def conditions(workspace: str, wanted: JobFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_j.workspace == workspace]
    if wanted.status:
        found.append(_j.status.in_(wanted.status))
    if not wanted.include_deleted and "deleted" not in wanted.status:
        found.append(_j.status != "deleted")
    if wanted.name is not None:
        found.append(_j.name == wanted.name)
    if wanted.q is not None:
        found.append(or_(*(column.icontains(wanted.q, autoescape=True) for column in (_j.name, _j.callback_url))))
    if wanted.tag is not None:
        found.append(_j.tags.contains(cast([wanted.tag], JSONB)))
    return found + listing.within(wanted, _j.created_at, _j.updated_at)


async def slots(connection: AsyncConnection, workspace: str, job_id: str, query: SlotQuery) -> Page | None:
    """A page of its slots, also of a deleted one; None when this workspace has no such job."""
    if await _one(connection, workspace, job_id) is None:
        return None
    where = [_s.workspace == workspace, _s.job_id == job_id]
    if query.verdict:
        where.append(_s.verdict.in_(query.verdict))
    return await listing.page(connection, SLOTS, where, query)


async def logs(connection: AsyncConnection, workspace: str, job_id: str, query: LogQuery) -> Page | None:
    """A page of its attempts, also of a deleted one; None when this workspace has no such job."""
    if await _one(connection, workspace, job_id) is None:
        return None
    where = [_l.workspace == workspace, _l.job_id == job_id]
    where += [_l[name] == value for name in ("run_id", "outcome") if (value := getattr(query, name)) is not None]
    return await listing.page(connection, LOGS, where, query)
