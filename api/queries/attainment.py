"""How many goals were met, and how long answers and resolutions took, over a range of time (S11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator
from sqlalchemy import Column, ColumnElement, Select, and_, func, select, union_all
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries.parameters import Filter, Instant, Text, words
from tocsin.api.queries.ticket_filter import Priorities, Tiers
from tocsin.events.vocabulary import METRICS, Metric
from tocsin.problems import FieldError, invalid, wrong_field
from tocsin.projections.tables import sla_clocks

MAX_GROUPS: Final = 1_000
_DEFAULT_DAYS: Final = 30
_MAX_DAYS: Final = 366
_c = sla_clocks.c
# Every group is one of a metric: answers and resolutions are never added up.
_GROUPS: Final[dict[str, tuple[Column[Any], ...]]] = {
    "metric": (_c.metric,),
    "priority": (_c.metric, _c.priority),
    "tier": (_c.metric, _c.customer_tier),
    "workflow": (_c.metric, _c.workflow),
}


class AttainmentQuery(Filter):
    """Which clocks are reported: by when they were decided, i.e. missed at their due time or else stopped."""

    since: Instant | None = Field(None, alias="from", description="Inclusive; 30 days before `to`, unless given")
    until: Instant | None = Field(None, alias="to", description="Exclusive; now, unless given")
    group_by: Literal["metric", "priority", "tier", "workflow"] = "metric"
    metric: Annotated[list[Metric], words("metric", METRICS)] = Field([], description="Comma list")
    priority: Priorities = Field([], description="Comma list")
    customer_tier: Tiers = Field([], description="Comma list")
    workflow: Text | None = Field(None, description="Exactly this workflow")
    format: Literal["json", "csv"] | None = Field(None, description="Also by Accept: text/csv")

    @model_validator(mode="after")
    def _a_range(self) -> AttainmentQuery:
        since, until = self.range(datetime.now(UTC))
        if since >= until:
            raise wrong_field("from", "range", "from must be before to")
        if until - since > timedelta(days=_MAX_DAYS):
            raise wrong_field("from", "range", f"a range lasts {_MAX_DAYS} days at most")
        return self

    def range(self, now: datetime) -> tuple[datetime, datetime]:
        until = self.until or now
        return self.since or until - timedelta(days=_DEFAULT_DAYS), until


async def attainment(
    connection: AsyncConnection, workspace: str, wanted: AttainmentQuery, now: datetime
) -> list[dict[str, Any]]:
    """One document a group. Raises Problem 422 when there are too many, and what the reader raises."""
    since, until = wanted.range(now)
    columns = _GROUPS[wanted.group_by]
    where = _conditions(workspace, wanted)
    statements = (
        _verdicts(columns, where, since, until),
        _overdue(columns, where, since, min(until, now)),
        _durations(columns, where, since, until, wanted.metric or METRICS),
    )
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for statement in statements:
        for row in await _groups(connection, statement):
            group = tuple(row[column.name] for column in columns)
            found.setdefault(group, dict(_NOTHING)).update(
                {name: value for name, value in row.items() if name in _NOTHING and value is not None}
            )
    if len(found) > MAX_GROUPS:
        raise _too_many()
    return [
        _document(dict(zip((str(column.name) for column in columns), group, strict=True)), found[group])
        for group in sorted(found)
    ]


_NOTHING: Final[dict[str, Any]] = {
    **dict.fromkeys(("met", "missed", "overdue", "ended"), 0),
    **dict.fromkeys(("business_p50_ms", "business_p90_ms", "wall_p50_ms", "wall_p90_ms")),
}


def _document(group: dict[str, Any], numbers: dict[str, Any]) -> dict[str, Any]:
    met, breached = numbers["met"], numbers["missed"] + numbers["overdue"]
    times = {name: None if numbers[name] is None else round(numbers[name]) for name in list(_NOTHING)[4:]}
    return {
        **group,
        "met": met,
        "breached": breached,
        "overdue": numbers["overdue"],
        "attainment_percent": round(100 * met / (met + breached), 2) if met + breached else None,
        "ended": numbers["ended"],
        **times,
    }


async def _groups(connection: AsyncConnection, statement: Select[Any]) -> Sequence[RowMapping]:
    rows: Sequence[RowMapping] = (await connection.execute(statement.limit(MAX_GROUPS + 1))).mappings().all()
    if len(rows) > MAX_GROUPS:
        raise _too_many()
    return rows


def _too_many() -> Exception:
    message = f"there are more than {MAX_GROUPS} groups; narrow them down by workflow, priority or customer_tier"
    return invalid([FieldError("group_by", "too_many_groups", message)])


def _conditions(workspace: str, wanted: AttainmentQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_c.workspace == workspace]
    for column in (_c.metric, _c.priority, _c.customer_tier):
        if values := getattr(wanted, column.name):
            found.append(column.in_(values))
    if wanted.workflow is not None:
        found.append(_c.workflow == wanted.workflow)
    return found


def _verdicts(
    columns: Sequence[Column[Any]], where: list[ColumnElement[bool]], since: datetime, until: datetime
) -> Select[Any]:
    """A breach counts when its time had come, whatever became of the clock; else it was met when it stopped."""
    missed = func.count().filter(_c.breached_at.is_not(None)).label("missed")
    met = func.count().filter(_c.breached_at.is_(None)).label("met")
    decided = _c.verdict_at.is_not(None), _c.verdict_at >= since, _c.verdict_at < until
    return select(*columns, missed, met).where(*where, *decided).group_by(*columns)


def _overdue(
    columns: Sequence[Column[Any]], where: list[ColumnElement[bool]], since: datetime, until: datetime
) -> Select[Any]:
    """Missed by now, and not noticed yet."""
    running = and_(_c.stage == "in_progress", _c.breached_at.is_(None), _c.due_at >= since, _c.due_at < until)
    return select(*columns, func.count().label("overdue")).where(*where, running).group_by(*columns)


def _durations(
    columns: Sequence[Column[Any]],
    where: list[ColumnElement[bool]],
    since: datetime,
    until: datetime,
    metrics: Sequence[Metric],
) -> Select[Any]:
    """One part a metric: each is sorted less, and the parts may be worked on side by side."""
    ended = and_(_c.stage == "completed", _c.stopped_at >= since, _c.stopped_at < until)
    percentiles = [
        func.percentile_cont(share).within_group(of).label(f"{of.name.removesuffix('_ms')}_p{round(share * 100)}_ms")
        for of in (_c.business_ms, _c.wall_ms)
        for share in (0.5, 0.9)
    ]
    parts = [
        select(*columns, func.count().label("ended"), *percentiles)
        .where(*where, _c.metric == metric, ended)
        .group_by(*columns)
        for metric in metrics
    ]
    return select(union_all(*parts).subquery())
