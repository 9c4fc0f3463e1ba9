"""All SQL about tasks and their polls. Every statement is bound to a workspace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries import listing
from tocsin.api.queries.listing import Listing, Page
from tocsin.api.queries.task_filter import PolledQuery, TaskFilter, TaskQuery
from tocsin.projections.tables import payloads, task_polls, tasks

_t, _p = tasks.c, task_polls.c
TASKS: Final = Listing(
    tasks, _t.task_id, {"created_at": _t.created_at, "updated_at": _t.updated_at, "deadline": _t.deadline_order}
)
# within one task, which is all this is ever asked of
POLLS: Final = Listing(task_polls, _p.run_id, {"poll": _p.poll})


@dataclass(frozen=True, slots=True)
class Detail:
    """``result``: of one over 4 KiB; None when there is none, or when it has not arrived yet."""

    row: RowMapping
    result: str | None


@dataclass(frozen=True, slots=True)
class Inbox:
    """What waits now, for metrics."""

    waiting: int
    without_deadline: int
    oldest_seconds: float


async def page(connection: AsyncConnection, workspace: str, query: TaskQuery) -> Page:
    """Raises Problem 422 for a cursor that is none, and what the reader raises."""
    return await listing.page(connection, TASKS, conditions(workspace, query), query)


async def detail(connection: AsyncConnection, workspace: str, task_id: str) -> Detail | None:
    """One task; None when this workspace has none of that id."""
    statement = select(tasks).where(_t.workspace == workspace, _t.task_id == task_id)
    row = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        return None
    result = None
    if row["result_digest"] is not None:
        body = select(payloads.c.body).where(payloads.c.digest == row["result_digest"])
        result = (await connection.execute(body)).scalar_one_or_none()
    return Detail(row, result)


def conditions(workspace: str, wanted: TaskFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_t.workspace == workspace]
    if wanted.status:
        found.append(_t.status.in_(wanted.status))
    if wanted.confirmation:
        found.append(_t.confirmation.in_(wanted.confirmation))
    for name in ("owner", "external_job_id"):
        if (value := getattr(wanted, name)) is not None:
            found.append(_t[name] == value)
    if wanted.has_deadline is not None:
        found.append(_t.deadline.is_not(None) if wanted.has_deadline else _t.deadline.is_(None))
    if wanted.min_age_seconds is not None:
        found.append(_t.created_at <= datetime.now(UTC) - timedelta(seconds=wanted.min_age_seconds))
    return found + listing.within(wanted, _t.created_at, _t.updated_at)


async def polls(connection: AsyncConnection, workspace: str, task_id: str, query: PolledQuery) -> Page | None:
    """A page of what its polls found; None when this workspace has no such task."""
    known = select(_t.task_id).where(_t.workspace == workspace, _t.task_id == task_id)
    if (await connection.execute(known)).one_or_none() is None:
        return None
    where = [_p.workspace == workspace, _p.task_id == task_id]
    return await listing.page(connection, POLLS, where, query)


async def settled(connection: AsyncConnection, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of (workspace, task id) that are settled."""
    statement = select(_t.workspace, _t.task_id).where(
        tuple_(_t.workspace, _t.task_id).in_(list(keys)), _t.settled_at.is_not(None)
    )
    return {(row.workspace, row.task_id) for row in await connection.execute(statement)}


async def inbox(connection: AsyncConnection) -> Inbox:
    """Of all workspaces."""
    statement = select(
        func.count().label("waiting"),
        func.count().filter(_t.deadline.is_(None)).label("without_deadline"),
        func.extract("epoch", func.now() - func.min(_t.created_at)).label("oldest"),
    ).where(_t.settled_at.is_(None))
    row = (await connection.execute(statement)).one()
    return Inbox(row.waiting, row.without_deadline, float(row.oldest or 0))
