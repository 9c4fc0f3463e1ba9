"""Reports about tickets of other systems (S1): an array, read whole or refused whole. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from tocsin.events.identity import REPORTED_TICKET_ID, entity_of_ticket
from tocsin.events.tickets import TicketReported
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.events.vocabulary import (
    PRIORITIES,
    PRIORITY_SYNONYMS,
    STATUS_BODY_SYNONYMS,
    TICKET_STATUSES,
    Priority,
    TicketStatus,
)
from tocsin.ingest.sources.json_text import check_depth, check_encoding
from tocsin.problems import FieldError, Problem, field_errors, invalid, malformed

MAX_ITEMS: Final = 5_000
MAX_ERRORS: Final = 100
MAX_TAGS: Final = 50
_YEARS: Final = range(1970, 2100)
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _id(value: Any) -> Any:
    """Many systems number their tickets."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _word(allowed: Sequence[str], synonyms: Mapping[str, str], name: str) -> Any:
    def read(value: Any) -> str:
        word = value.strip().lower() if isinstance(value, str) else ""
        found = synonyms.get(word, word)
        if found not in allowed:
            more = sorted(synonym for synonym in synonyms if synonym not in allowed)
            raise PydanticCustomError(
                "enum",
                "one of {words} is needed for {name}",
                {"words": ", ".join(allowed), "name": name, "allowed": [*allowed, *more]},
            )
        return found

    return BeforeValidator(read)


def _instant(value: Any) -> str:
    """RFC 3339 with an offset → UTC with milliseconds."""
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or not _DATE_TIME.match(value.strip()):
        raise PydanticCustomError("date_time", "an RFC 3339 date-time is needed, such as 2026-11-20T22:13:20Z")
    if moment.tzinfo is None:
        raise PydanticCustomError("offset_missing", "the time has no offset; add Z or +hh:mm")
    if moment.year not in _YEARS:
        raise PydanticCustomError("range", "the year is from 1970 to 2099", {"allowed": ["1970..2099"]})
    return rfc3339(round_down_ms(moment))


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


_Words = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$", strip_whitespace=True)]
_Name = Annotated[_Words, StringConstraints(max_length=200)]
_Instant = Annotated[str, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Priorities = Annotated[Priority, _word(PRIORITIES, PRIORITY_SYNONYMS, "priority")]
Statuses = Annotated[TicketStatus, _word(TICKET_STATUSES, STATUS_BODY_SYNONYMS, "status")]


class TicketReport(BaseModel):
    """How a ticket stands in the system it comes from. A field that is absent or null leaves what was known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[
        str,
        BeforeValidator(_id),
        StringConstraints(pattern=REPORTED_TICKET_ID.pattern),
        Field(description="The reporter's own id; one that begins with `t_` is a failure's ticket"),
    ]
    priority: Annotated[Priorities, Field(description="Also urgent, normal, P1 to P4")]
    created_at: _Instant
    updated_at: Annotated[_Instant, Field(description="A report older than the last accepted one changes nothing")]
    status: Annotated[Statuses, Field(description="Also to-do (open) and resolved (done)")]
    customer_tier: Annotated[
        str, BeforeValidator(_lower), StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$"), Field(examples=["premium"])
    ]
    title: Annotated[_Words, StringConstraints(max_length=500)] | None = None
    url: Annotated[_Words, StringConstraints(max_length=2_048, pattern=r"^(https?://[^\s\x00-\x1f]+)?$")] | None = None
    assignee: _Name | None = None
    requester: _Name | None = None
    tags: (
        Annotated[
            list[Annotated[_Words, StringConstraints(min_length=1, max_length=100)]],
            Field(max_length=MAX_TAGS),
            AfterValidator(_once),
        ]
        | None
    ) = None

    def event(self, *, notify: bool) -> TicketReported:
        return TicketReported(
            ticket_id=self.id,
            priority=self.priority,
            status=self.status,
            created_at=self.created_at,
            updated_at=self.updated_at,
            customer_tier=self.customer_tier,
            title=self.title,
            url=self.url,
            assignee=self.assignee,
            requester=self.requester,
            tags=None if self.tags is None else tuple(self.tags),
            notify=notify,
        )


_reports: Final = TypeAdapter(list[TicketReport])


def read(text: bytes, *, notify: bool) -> list[tuple[str, TicketReported]]:
    """The entity and the event of each item, in order. Raises Problem: 400 for no JSON, 422 naming each field."""
    check_encoding(text)
    check_depth(text)
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise malformed(str(error)) from None
    if not isinstance(given, list):
        raise invalid([FieldError("body", "type", "An array of tickets is needed; put a single one into [ ]")])
    if len(given) > MAX_ITEMS:
        raise invalid([FieldError("body", "too_long", f"There are {len(given)} tickets, {MAX_ITEMS} are allowed")])
    try:
        reports = _reports.validate_python(given)
    except ValidationError as error:
        raise _refused(error) from None
    return [(entity_of_ticket(report.id), report.event(notify=notify)) for report in reports]


def _refused(error: ValidationError) -> Problem:
    found = error.errors(include_url=False, include_input=False)
    problem = invalid([_indexed(one) for one in field_errors(found[:MAX_ERRORS])])
    more = len(found) - MAX_ERRORS
    if more > 0:
        problem.detail = f"{len(found)} fields are wrong; the first {MAX_ERRORS} are named"
    return problem


def _indexed(error: FieldError) -> FieldError:
    """``3.priority`` → ``[3].priority``."""
    index, _, field = error.field.partition(".")
    return FieldError(f"[{index}].{field}" if field else f"[{index}]", error.code, error.message, error.allowed)
