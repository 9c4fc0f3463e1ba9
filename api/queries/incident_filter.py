"""What lists of incidents can be asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tocsin.api.queries.parameters import Filter, Instant, Paging, Severities, Text, listed
from tocsin.events.vocabulary import INCIDENT_STATUSES, IncidentStatus

_By = Literal["created_at", "updated_at", "severity", "last_alert_at", "alert_count"]
_Descending = Literal["-created_at", "-updated_at", "-severity", "-last_alert_at", "-alert_count"]
Sort = _By | _Descending


def _statuses(value: Any) -> list[str]:
    found = dict.fromkeys(word.upper() for word in listed(value))
    for word in found:
        if word not in INCIDENT_STATUSES:
            allowed = {"word": word, "allowed": INCIDENT_STATUSES}
            raise PydanticCustomError("unknown_status", "{word} is no status of an incident", allowed)
    return list(found)


class IncidentFilter(Filter):
    """Which incidents a list has."""

    status: Annotated[list[IncidentStatus], BeforeValidator(_statuses)] = Field(
        [], description="Comma list, any case", examples=["OPEN,INVESTIGATING"]
    )
    severity: Severities = Field([], description="Comma list; synonyms as in reports", examples=["critical,error"])
    service: Text | None = Field(None, description="Exactly this service")
    team: Text | None = Field(None, description="Exactly this team")
    environment: Text | None = Field(None, description="Exactly this environment", examples=["production"])
    source: Text | None = Field(None, description="Any of its alerts came from this source", examples=["datadog"])
    assignee: Text | None = Field(None, description="Exactly this assignee; empty: nobody")
    created_from: Instant | None = None
    created_to: Instant | None = None
    updated_from: Instant | None = None
    updated_to: Instant | None = None


class IncidentQuery(IncidentFilter, Paging):
    """A page of a filtered list."""

    sort: Sort = "-created_at"
