"""What lists of tickets can be asked for: one validated value, whatever route it came by."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from tocsin.events.vocabulary import (
    SEVERITIES,
    SEVERITY_SYNONYMS,
    STATUS_FILTER_SYNONYMS,
    TICKET_STATUSES,
    Severity,
    TicketStatus,
)
from tocsin.projections.tables.ticket_search import search_query

MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 50
MAX_OFFSET: Final = 10_000_000
# as the computed column severity_rank has them
RANKS: Final[dict[Severity, int]] = {"critical": 4, "error": 3, "warning": 2, "info": 1}

SortField = Literal["created_at", "updated_at", "severity"]
Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "severity", "-severity"]


def listed(value: Any) -> list[str]:
    """Values of a parameter given once with commas, or several times."""
    parts = value if isinstance(value, list | tuple) else [value]
    return [word for part in parts for one in str(part).split(",") if (word := one.strip().lower())]


def _statuses(value: Any) -> list[str]:
    found: dict[str, None] = {}
    for word in listed(value):
        for status in STATUS_FILTER_SYNONYMS.get(word, (word,)):
            if status not in TICKET_STATUSES:
                allowed = (*TICKET_STATUSES, *STATUS_FILTER_SYNONYMS)
                raise PydanticCustomError("unknown_status", "{word} is no status", {"word": word, "allowed": allowed})
            found[status] = None
    return list(found)


def _severities(value: Any) -> list[str]:
    found: dict[str, None] = {}
    for word in listed(value):
        if word not in SEVERITY_SYNONYMS:
            raise PydanticCustomError(
                "unknown_severity", "{word} is no severity", {"word": word, "allowed": SEVERITIES}
            )
        found[SEVERITY_SYNONYMS[word]] = None
    return list(found)


_DATE_TIME: Final = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
_PLUS_AS_SPACE: Final = re.compile(r" (?=\d\d:?\d\d$)")


def _instant(value: Any) -> Any:
    # an unescaped + of an offset arrives as a space
    text = _PLUS_AS_SPACE.sub("+", str(value).strip())
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or not _DATE_TIME.match(text):
        raise PydanticCustomError("date_time", "an RFC 3339 date-time is needed, such as 2026-11-20T22:13:20Z")
    if moment.tzinfo is None:
        raise PydanticCustomError("offset_missing", "the time has no offset; add Z or +hh:mm")
    return moment


def _searchable(value: Any) -> Any:
    if str(value).strip() and not search_query(str(value)):
        raise PydanticCustomError("no_word", "there is no word to search for")
    return value


Statuses = Annotated[list[TicketStatus], BeforeValidator(_statuses)]
Severities = Annotated[list[Severity], BeforeValidator(_severities)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Text = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00]*$")]


class TicketFilter(BaseModel):
    """Every filter narrows the others. ``*_from`` is inclusive, ``*_to`` exclusive."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


class TicketQuery(TicketFilter):
    """A page of a filtered list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    cursor: Annotated[str, StringConstraints(max_length=1024)] | None = Field(
        None, description="`next_cursor` of the page before; stays right while tickets are added"
    )
    sort: Sort = "-created_at"
    shape: Literal["page", "array"] = Field("page", description="`array`: the bare items")

    @model_validator(mode="after")
    def _one_way_to_page(self) -> TicketQuery:
        if self.cursor is not None and self.offset:
            raise PydanticCustomError("cursor_and_offset", "cursor and offset exclude each other")
        return self

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    @property
    def field(self) -> SortField:
        return self.sort.removeprefix("-")  # type: ignore[return-value]
