"""``GET /commands/{event_id}``: what became of an event."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Response

from tocsin import outcomes
from tocsin.api.documents import CommandOutcome
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.database import UNAVAILABLE
from tocsin.problems import Problem, responses, unavailable
from tocsin.projections.tables.tickets import instant

_DECIDED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "It is decided, and what was decided is visible"}
}
EventId = Annotated[str, Path(max_length=256, description="`event_id` of the answer to the event or command")]


def router(database: outcomes.Queryable) -> APIRouter:
    found = APIRouter(tags=["commands"])

    @found.get(
        "/commands/{event_id}",
        operation_id="get_command",
        summary="The decision on an event",
        description="Known for 24 hours after the decision. Repeat a 404 for an event that was accepted just now.",
        response_model=CommandOutcome,
        responses=_DECIDED | responses(403, 404),
    )
    async def get_command(event_id: EventId, principal: ReadingPrincipal) -> Response:
        outcome = await _find(database, principal.workspace, event_id)
        if outcome is None:
            raise Problem(
                404,
                "not-decided",
                "Not decided",
                "This id is not decided yet, was decided more than 24 hours ago, or was never accepted",
                headers={"Retry-After": "1"},
            )
        return Response(orjson.dumps(_document(outcome)), media_type="application/json")

    return found


async def _find(database: outcomes.Queryable, workspace: str, event_id: str) -> outcomes.Outcome | None:
    if "\x00" in event_id:
        return None
    try:
        return await outcomes.find(database, workspace, event_id)
    except UNAVAILABLE:
        raise unavailable("The outcomes cannot be reached") from None


def _document(outcome: outcomes.Outcome) -> dict[str, Any]:
    answered = outcomes.answer_of(outcome)
    body: Any = answered.body
    if isinstance(body, Problem):
        body = body.document()
    elif body is not None:
        body = orjson.Fragment(body)
    return {
        "event_id": outcome.event_id,
        "status": "decided",
        "decision": outcome.fact_type.split(".")[-2],
        "subject_id": outcome.subject_id,
        "decided_at": instant(outcome.decided_at),
        "answer": {"status": answered.status, "body": body},
    }
