"""What lists of tickets can be asked for: one validated value, whatever route it came by."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from tocsin.api.queries.parameters import Filter, Instant, Paging, Severities, Text, listed, words
from tocsin.events.vocabulary import (
    PRIORITIES,
    PRIORITY_SYNONYMS,
    SLA_STATES,
    STATUS_FILTER_SYNONYMS,
    TICKET_STATUSES,
    Priority,
    SlaState,
    TicketStatus,
)
from tocsin.projections.tables.ticket_search import search_query

SortField = Literal["created_at", "updated_at", "severity", "next_due_at"]
Sort = Literal[
    "created_at", "-created_at", "updated_at", "-updated_at", "severity", "-severity", "next_due_at", "-next_due_at"
]


def _statuses(value: Any) -> list[str]:
    found: dict[str, None] = {}
    for word in listed(value):
        for status in STATUS_FILTER_SYNONYMS.get(word, (word,)):
            if status not in TICKET_STATUSES:
                allowed = (*TICKET_STATUSES, *STATUS_FILTER_SYNONYMS)
                raise PydanticCustomError("unknown_status", "{word} is no status", {"word": word, "allowed": allowed})
            found[status] = None
    return list(found)


def _searchable(value: Any) -> Any:
    if str(value).strip() and not search_query(str(value)):
        raise PydanticCustomError("no_word", "there is no word to search for")
    return value


Statuses = Annotated[list[TicketStatus], BeforeValidator(_statuses)]
Priorities = Annotated[list[Priority], words("priority", PRIORITIES, PRIORITY_SYNONYMS)]
SlaStates = Annotated[list[SlaState], words("sla_state", SLA_STATES)]
Tiers = Annotated[list[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]], BeforeValidator(listed)]


class TicketFilter(Filter):
    """Which tickets a list has."""

    status: Statuses = Field([], description="Comma list; also `to-do` (unresolved) and `resolved`", examples=["open"])
    severity: Severities = Field([], description="Comma list; synonyms as in reports", examples=["critical,error"])
    workflow: Text | None = Field(None, description="Exactly this workflow", examples=["nightly-build"])
    identifier: Text | None = Field(None, description="Exactly this identifier")
    source: Text | None = Field(None, description="Exactly this source", examples=["api"])
    priority: Priorities = Field([], description="Comma list; synonyms as in reports", examples=["critical,high"])
    sla_state: SlaStates = Field([], description="Comma list: on_track, at_risk, breached, paused")
    customer_tier: Tiers = Field([], description="Comma list")
    assignee: Text | None = Field(None, description="Exactly this one; empty: nobody")
    tag: Text | None = Field(None, description="Has this tag", examples=["team:payments"])
    escalation_level_from: int | None = Field(None, ge=0, le=1_000, description="At least this level")
    q: Annotated[Text, BeforeValidator(_searchable)] | None = Field(
        None, description="Has every one of these words in workflow, identifier or message; `word*` for a beginning"
    )
    created_from: Instant | None = None
    created_to: Instant | None = None
    updated_from: Instant | None = None
    updated_to: Instant | None = None
    include_hidden: bool = Field(False, description="Hidden tickets too")


class TicketQuery(TicketFilter, Paging):
    """A page of a filtered list."""

    sort: Sort = Field("-created_at", description="By next_due_at: those of which nothing falls due are last")

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    @property
    def field(self) -> SortField:
        return self.sort.removeprefix("-")  # type: ignore[return-value]
