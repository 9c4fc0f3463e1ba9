"""All SQL about alerts, and what lists of them can be asked for. Every statement is bound to a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.api.queries.ticket_filter import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    MAX_OFFSET,
    RANKS,
    Instant,
    Severities,
    Text,
    listed,
)
from tocsin.events.vocabulary import ALERT_STATUSES, AlertStatus
from tocsin.projections.tables import alert_history, alerts, payloads

HISTORY_SHOWN: Final = 200
_a = alerts.c
Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "severity", "-severity"]
_SORT_COLUMNS: Final[dict[str, tuple[ColumnElement[Any], ...]]] = {
    "created_at": (_a.created_at, _a.alert_id),
    "updated_at": (_a.updated_at, _a.alert_id),
    "severity": (_a.severity_rank, _a.alert_id),
}


def _statuses(value: Any) -> list[str]:
    found = dict.fromkeys(listed(value))
    for word in found:
        if word not in ALERT_STATUSES:
            allowed = {"word": word, "allowed": ALERT_STATUSES}
            raise PydanticCustomError("unknown_status", "{word} is no status of an alert", allowed)
    return list(found)


class AlertQuery(BaseModel):
    """A page of a filtered list; every filter narrows the others. ``*_from`` is inclusive, ``*_to`` exclusive."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[list[AlertStatus], BeforeValidator(_statuses)] = Field(
        [], description="Comma list", examples=["firing,acknowledged"]
    )
    severity: Severities = Field([], description="Comma list; synonyms as in reports", examples=["critical,error"])
    source: Text | None = Field(None, description="Exactly this source", examples=["datadog"])
    service: Text | None = Field(None, description="Exactly this service")
    team: Text | None = Field(None, description="Exactly this team")
    environment: Text | None = Field(None, description="Exactly this environment", examples=["production"])
    fingerprint: Text | None = Field(None, description="Every episode of one identity")
    created_from: Instant | None = None
    created_to: Instant | None = None
    updated_from: Instant | None = None
    updated_to: Instant | None = None
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    sort: Sort = "-created_at"
    shape: Literal["page", "array"] = Field("page", description="`array`: the bare items")


@dataclass(frozen=True, slots=True)
class Page:
    """``total``: rows of the whole list, exactly."""

    rows: Sequence[RowMapping]
    total: int


@dataclass(frozen=True, slots=True)
class Detail:
    """``payload``: the body of a context over 4 KiB; None when there is none, or when it has not arrived yet."""

    row: RowMapping
    payload: str | None
    history: Sequence[RowMapping]


async def page(connection: AsyncConnection, workspace: str, query: AlertQuery) -> Page:
    """Raises what the reader raises."""
    where = conditions(workspace, query)
    columns = _SORT_COLUMNS[query.sort.removeprefix("-")]
    order = [column.desc() if query.sort.startswith("-") else column.asc() for column in columns]
    statement = select(alerts).where(*where).order_by(*order).offset(query.offset or None).limit(query.limit + 1)
    found = (await connection.execute(statement)).mappings().all()
    if len(found) <= query.limit and (found or not query.offset):
        return Page(found, query.offset + len(found))  # the last page knows the total without counting
    total = (await connection.execute(select(func.count()).select_from(alerts).where(*where))).scalar_one()
    return Page(found[: query.limit], int(total))


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
    return Detail(row, payload, history[::-1])


def conditions(workspace: str, wanted: AlertQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_a.workspace == workspace]
    if wanted.status:
        found.append(_a.status.in_(wanted.status))
    if wanted.severity:
        found.append(_a.severity_rank.in_([RANKS[severity] for severity in wanted.severity]))
    for column in (_a.source, _a.service, _a.team, _a.environment, _a.fingerprint):
        if (value := getattr(wanted, column.name)) is not None:
            found.append(column == value)
    for column in (_a.created_at, _a.updated_at):
        name = column.name.removesuffix("_at")
        if (since := getattr(wanted, f"{name}_from")) is not None:
            found.append(column >= since)
        if (until := getattr(wanted, f"{name}_to")) is not None:
            found.append(column < until)
    return found


def _history(workspace: str, alert_id: str) -> Select[Any]:
    h = alert_history.c
    of_alert = select(alert_history).where(h.workspace == workspace, h.alert_id == alert_id)
    return of_alert.order_by(h.partition.desc(), h.offset.desc()).limit(HISTORY_SHOWN)
