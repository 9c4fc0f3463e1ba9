"""What lists of tickets can be asked for: one validated value, whatever route it came by."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tocsin.api.queries.parameters import Filter, Instant, Paging, Severities, Text, listed
from tocsin.events.vocabulary import STATUS_FILTER_SYNONYMS, TICKET_STATUSES, TicketStatus
from tocsin.projections.tables.ticket_search import search_query

SortField = Literal["created_at", "updated_at", "severity"]
Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "severity", "-severity"]


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


class TicketFilter(Filter):
    """Which tickets a list has."""

    status: Statuses = Field([], description="Comma list; also `to-do` (unresolved) and `resolved`", examples=["open"])
    severity: Severities = Field([], description="Comma list; synonyms as in reports", examples=["critical,error"])
    workflow: Text | None = Field(None, description="Exactly this workflow", examples=["nightly-build"])
    identifier: Text | None = Field(None, description="Exactly this identifier")
    source: Text | None = Field(None, description="Exactly this source", examples=["api"])
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

    sort: Sort = "-created_at"

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    @property
    def field(self) -> SortField:
        return self.sort.removeprefix("-")  # type: ignore[return-value]
