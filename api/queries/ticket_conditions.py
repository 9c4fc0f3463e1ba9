"""The filters of ticket lists as SQL conditions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, cast, exists, literal, literal_column
from sqlalchemy.dialects.postgresql import TSQUERY

from tocsin.api.queries.parameters import RANKS
from tocsin.api.queries.ticket_filter import TicketFilter
from tocsin.events.vocabulary import DEFAULT_TIER, PRIORITIES, TICKET_STATUSES
from tocsin.projections.tables import ticket_search, tickets
from tocsin.projections.tables.ticket_search import search_query

_t = tickets.c


def conditions(workspace: str, wanted: TicketFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_t.workspace == workspace]
    if not wanted.include_hidden:
        found.append(~_t.hidden)
    if wanted.status and set(wanted.status) != set(TICKET_STATUSES):
        found.append(_one_of(_t.status, wanted.status))
    if wanted.severity:
        found.append(_one_of(_t.severity_rank, [RANKS[severity] for severity in wanted.severity]))
    found += _served(wanted)
    for column in (_t.workflow, _t.identifier, _t.source):
        if (value := getattr(wanted, column.name)) is not None:
            found.append(column == value)
    if wanted.created_from is not None:
        found.append(_t.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        found.append(_t.created_at < wanted.created_to)
    found += _updated(wanted.updated_from, wanted.updated_to)
    if is_search(wanted):
        s = ticket_search.c
        found.append(
            exists().where(s.workspace == _t.workspace, s.ticket_id == _t.ticket_id, has_words(wanted.q or ""))
        )
    return found


def _served(wanted: TicketFilter) -> list[ColumnElement[bool]]:
    """Priority, SLA and what only reports tell. Said as the partial indexes say it, so that they can be used."""
    found: list[ColumnElement[bool]] = []
    if wanted.priority and set(wanted.priority) != set(PRIORITIES):
        found.append(_one_of(_t.priority, wanted.priority))
    if wanted.sla_state:
        found.append(_one_of(_t.sla_state, wanted.sla_state))
    if wanted.customer_tier:
        found.append(_one_of(_t.customer_tier, wanted.customer_tier))
        if DEFAULT_TIER not in wanted.customer_tier:
            found.append(_t.customer_tier != literal_column(f"'{DEFAULT_TIER}'"))
    if wanted.assignee is not None:
        found.append(_t.assignee == wanted.assignee)
        if wanted.assignee:
            found.append(_t.assignee != literal_column("''"))
    if wanted.tag is not None:
        found += [_t.tags.contains([wanted.tag]), _t.tags != literal_column("'[]'::jsonb")]
    if wanted.escalation_level_from:
        found += [_t.escalation_level >= wanted.escalation_level_from, _t.escalation_level > literal_column("0")]
    return found


def _one_of(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _updated(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    """The index knows whole seconds; a bound within a second needs the row as well."""
    found: list[ColumnElement[bool]] = []
    if since is not None:
        found.append(_t.updated_second >= since.replace(microsecond=0))
        if since.microsecond:
            found.append(_t.updated_at >= since)
    if until is not None:
        if until.microsecond:
            found += [_t.updated_second <= until.replace(microsecond=0), _t.updated_at < until]
        else:
            found.append(_t.updated_second < until)
    return found


def is_search(wanted: TicketFilter) -> bool:
    return bool(wanted.q and wanted.q.strip())


def has_words(q: str) -> ColumnElement[bool]:
    return ticket_search.c.words.op("@@")(cast(literal(search_query(q)), TSQUERY))
