"""What routes of commands share: their headers as OpenAPI describes them, and the way from an event to its answer."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Request, Response
from pydantic import StringConstraints

from tocsin import outcomes
from tocsin.authentication import Principal
from tocsin.ingest.commands import Command, Commands
from tocsin.ingest.routes.failures_documentation import IDEMPOTENCY_KEY
from tocsin.ingest.routes.requests import Head, expected_version, head_of, idempotency_key, request_of

IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag the change is based on; 412 when it changed meanwhile",
}
ACTOR: Final = {
    "name": "X-Actor",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "Who acts, when the body does not say; else the name of the key",
}
HEADERS: Final[dict[str, Any]] = {"parameters": [IDEMPOTENCY_KEY, IF_MATCH, ACTOR]}
LATER: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "Stored; not decided within the wait. `status_url` (also Location) will tell"}
}

Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", strip_whitespace=True)]
Reason = Annotated[Words, StringConstraints(max_length=2000)]
Actor = Annotated[Words, StringConstraints(max_length=200)]


def version_wanted(event: type[Any], head: Head) -> dict[str, int | None]:
    """If-Match, for an event that minds it. Raises Problem 422."""
    return {"if_version": expected_version(head)} if "if_version" in event.__struct_fields__ else {}


async def decided(
    commands: Commands,
    domain: str,
    entity: str,
    event: Any,
    request: Request,
    principal: Principal,
    *,
    everywhere: Any | None = None,
) -> Response:
    """The answer to an event that is about one entity. everywhere: what all other partitions are to hear with it."""
    head = head_of(request.scope)
    command = Command(
        domain=domain,
        entity=entity,
        event=event,
        method=request.method,
        path=request.url.path,
        body=await request.body(),
        idempotency_key=idempotency_key(head),
        everywhere=everywhere,
    )
    return outcomes.response(await commands.run(command, request_of(head, principal)))
