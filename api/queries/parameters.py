"""The words every list shares: what a parameter may say, and how a page is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from tocsin.events.vocabulary import SEVERITIES, SEVERITY_SYNONYMS, Severity
from tocsin.problems import wrong_field

MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 50
MAX_OFFSET: Final = 10_000_000
# as the computed column severity_rank has them
RANKS: Final[dict[Severity, int]] = {"critical": 4, "error": 3, "warning": 2, "info": 1}


def listed(value: Any) -> list[str]:
    """Values of a parameter given once with commas, or several times."""
    parts = value if isinstance(value, list | tuple) else [value]
    return [word for part in parts for one in str(part).split(",") if (word := one.strip().lower())]


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


def words(name: str, allowed: Sequence[str], synonyms: Mapping[str, str] = {}) -> BeforeValidator:
    """Reads a comma list of words, in any case, each one allowed or a synonym of one that is."""

    def read(value: Any) -> list[str]:
        found: dict[str, None] = {}
        for word in listed(value):
            meant = synonyms.get(word, word)
            if meant not in allowed:
                told = {"word": word, "name": name, "allowed": allowed}
                raise PydanticCustomError(f"unknown_{name}", "{word} is no {name}", told)
            found[meant] = None
        return list(found)

    return BeforeValidator(read)


Severities = Annotated[list[Severity], BeforeValidator(_severities)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Text = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00]*$")]


class Filter(BaseModel):
    """Every filter narrows the others. ``*_from`` is inclusive, ``*_to`` exclusive."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paging(BaseModel):
    """Which page of a list, and in what order; ``sort`` is declared by each list."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    cursor: Annotated[str, StringConstraints(max_length=1024)] | None = Field(
        None, description="`next_cursor` of the page before; stays right while rows are added"
    )
    shape: Literal["page", "array"] = Field("page", description="`array`: the bare items")

    @model_validator(mode="after")
    def _one_way_to_page(self) -> Paging:
        if self.cursor is not None and self.offset:
            raise wrong_field("cursor", "cursor_and_offset", "cursor and offset exclude each other")
        return self
