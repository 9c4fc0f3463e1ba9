"""What lists of alerts can be asked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tocsin.api.queries.parameters import Filter, Instant, Paging, Severities, Text, listed
from tocsin.events.vocabulary import ALERT_STATUSES, AlertStatus

Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "severity", "-severity"]


def _statuses(value: Any) -> list[str]:
    found = dict.fromkeys(listed(value))
    for word in found:
        if word not in ALERT_STATUSES:
            allowed = {"word": word, "allowed": ALERT_STATUSES}
            raise PydanticCustomError("unknown_status", "{word} is no status of an alert", allowed)
    return list(found)


class AlertFilter(Filter):
    """Which alerts a list has."""

    status: Annotated[list[AlertStatus], BeforeValidator(_statuses)] = Field(
        [], description="Comma list", examples=["firing,acknowledged"]
    )
    severity: Severities = Field([], description="Comma list; synonyms as in reports", examples=["critical,error"])
    source: Text | None = Field(None, description="Exactly this source", examples=["datadog"])
    service: Text | None = Field(None, description="Exactly this service")
    team: Text | None = Field(None, description="Exactly this team")
    environment: Text | None = Field(None, description="Exactly this environment", examples=["production"])
    fingerprint: Text | None = Field(None, description="Every episode of one identity")
    incident_id: Text | None = Field(None, description="The alerts of this incident, those merged into it included")
    suppressed: bool | None = Field(None, description="Kept quiet by a silence right now, or not")
    created_from: Instant | None = None
    created_to: Instant | None = None
    updated_from: Instant | None = None
    updated_to: Instant | None = None


class AlertQuery(AlertFilter, Paging):
    """A page of a filtered list."""

    sort: Sort = "-created_at"
