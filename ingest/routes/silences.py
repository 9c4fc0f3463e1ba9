"""Commands on silences: create one, end one. Every partition hears of both, since every partition has alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from fastapi import APIRouter, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tocsin.authentication import Writer
from tocsin.events import alerts as contract
from tocsin.events.identity import SILENCE_ID, hash_part
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.ingest.commands import Commands
from tocsin.ingest.records import keyed_id, new_ids, now_ms
from tocsin.ingest.routes.commanding import ACTOR, LATER, Actor, Reason, decided
from tocsin.ingest.routes.failures_documentation import IDEMPOTENCY_KEY
from tocsin.ingest.routes.requests import actor_of, head_of, idempotency_key
from tocsin.problems import not_found, responses, wrong_field

ENTITY: Final = "silences"
"""All silences of a workspace are recorded, and their commands answered, by the owner of this entity."""
_FIELD: Final = r"^(source|title|message|severity|service|team|environment|fingerprint|tag:[^\x00]{1,200})$"
_CLOCK: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_HEADERS: Final[dict[str, Any]] = {"parameters": [IDEMPOTENCY_KEY, ACTOR]}
_DAY_MS: Final = 86_400_000

SilenceId = Annotated[str, Path(description="Id of the silence", examples=["s_mzxw6ytboi5dcmrtgq2tmnzyha"])]
_Value = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MatcherGiven(_Given):
    """Holds when the field has one of the values; `*` and `?` stand for any text, letter case does not count."""

    field: Annotated[
        str,
        Field(
            pattern=_FIELD,
            description="source, title, message, severity, service, team, environment, fingerprint or tag:<name>",
        ),
    ]
    values: Annotated[list[_Value], Field(min_length=1, max_length=10)]
    negated: bool = False


class RecurrenceGiven(_Given):
    """A window that comes again, by the clock of a zone."""

    start: Annotated[str, Field(pattern=_CLOCK, examples=["02:00"])]
    duration_ms: Annotated[int, Field(ge=60_000, le=7 * _DAY_MS)]
    timezone: Annotated[str, Field(max_length=100, examples=["Europe/Berlin"])]
    weekdays: Annotated[
        list[Annotated[int, Field(ge=0, le=6)]],
        Field(max_length=7, description="On which it starts, 0 = Monday; empty: every day"),
    ] = []

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise PydanticCustomError("unknown_timezone", "an IANA name is needed, such as Europe/Berlin") from None
        return value


class SilenceGiven(_Given):
    """Alerts that meet all matchers raise no incident while it lasts; they are kept, counted, and looked at again
    when it ends."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "matchers": [{"field": "service", "values": ["orders"]}],
                    "ends_at": "2026-11-21T04:00:00Z",
                    "reason": "database upgrade",
                }
            ]
        }
    )

    matchers: Annotated[list[MatcherGiven], Field(min_length=1, max_length=10)]
    starts_at: AwareDatetime | None = Field(None, description="Now, unless it says otherwise")
    ends_at: AwareDatetime | None = Field(None, description="Needed unless it recurs")
    recurrence: RecurrenceGiven | None = None
    reason: Reason | None = None
    actor: Actor | None = None

    @model_validator(mode="after")
    def _lasts(self) -> SilenceGiven:
        begin = self.starts_at or datetime.now(UTC)
        if self.ends_at is None and self.recurrence is None:
            raise wrong_field("ends_at", "no_end", "ends_at is needed, unless the silence recurs")
        if self.ends_at is not None and self.ends_at <= max(begin, datetime.now(UTC)):
            raise wrong_field("ends_at", "ends_too_early", "ends_at must be later than starts_at and than now")
        if self.ends_at is not None and self.recurrence is None and self.ends_at - begin > timedelta(days=366):
            raise wrong_field("ends_at", "too_long", "a silence lasts a year at most; one that recurs may last longer")
        return self


def router(commands: Commands) -> APIRouter:
    """``POST /silences`` and ``DELETE /silences/{id}``."""
    found = APIRouter(tags=["silences"])

    @found.post(
        "/silences",
        operation_id="create_silence",
        summary="Keep alerts quiet, once or in recurring maintenance windows",
        status_code=201,
        response_class=Response,
        responses={201: {"description": "The silence; Location names it"}} | LATER | responses(400, 403, 409, 422),
        openapi_extra=_HEADERS,
    )
    async def create(given: SilenceGiven, request: Request, principal: Writer) -> Response:
        head = head_of(request.scope)
        key = idempotency_key(head)
        workspace = principal.workspace
        cause = keyed_id(workspace, request.method, request.url.path, key) if key else new_ids(1)[0]
        silence = _silence(given, f"s_{hash_part(workspace, cause)}", actor_of(given.actor, head, principal))
        event = contract.SilenceRequested(silence=silence, recorded=True)
        others = contract.SilenceRequested(silence=silence)
        return await decided(commands, contract.DOMAIN, ENTITY, event, request, principal, everywhere=others)

    @found.delete(
        "/silences/{silence_id}",
        operation_id="end_silence",
        summary="End a silence; alerts it kept quiet are looked at again at once",
        status_code=204,
        response_class=Response,
        responses=LATER | responses(403, 404),
        openapi_extra=_HEADERS,
    )
    async def end(silence_id: SilenceId, request: Request, principal: Writer) -> Response:
        if not SILENCE_ID.fullmatch(silence_id):
            raise not_found("silence")
        actor = actor_of(None, head_of(request.scope), principal)
        event = contract.SilenceEndRequested(silence_id=silence_id, actor=actor, recorded=True)
        others = msgspec.structs.replace(event, recorded=False)
        return await decided(commands, contract.DOMAIN, ENTITY, event, request, principal, everywhere=others)

    return found


def _silence(given: SilenceGiven, silence_id: str, actor: str) -> contract.Silence:
    recurrence = given.recurrence
    return contract.Silence(
        silence_id=silence_id,
        matchers=tuple(contract.Matcher(one.field, tuple(one.values), one.negated) for one in given.matchers),
        starts_at=rfc3339(round_down_ms(given.starts_at.astimezone(UTC)) if given.starts_at else now_ms()),
        ends_at=rfc3339(round_down_ms(given.ends_at.astimezone(UTC))) if given.ends_at else "",
        recurrence=contract.Recurrence(
            start=recurrence.start,
            duration_ms=recurrence.duration_ms,
            timezone=recurrence.timezone,
            weekdays=tuple(sorted(set(recurrence.weekdays))),
        )
        if recurrence
        else None,
        reason=given.reason or "",
        created_by=actor,
    )
