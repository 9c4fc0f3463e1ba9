"""``GET /events`` (SSE), ``WS /ws/alerts`` and ``POST /stream-tokens``."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response, WebSocket
from pydantic import BaseModel, Field

from tocsin import stream_tokens
from tocsin.api.live import entrance, socket
from tocsin.api.live.live import Live
from tocsin.api.live.sse import EventStream
from tocsin.authentication import Reader as ReadingPrincipal
from tocsin.database import UNAVAILABLE
from tocsin.problems import responses, unavailable

_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events; the data of each is a JSON object `{id, type, occurred_at, ticket_id,"
        " escalation_level, data}`. Named events besides: `reset` (events may be missing: read anew), `stalled` and"
        " `resumed` (the log cannot be read, and can again)",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
# read by ``entrance.wish_of``; declared for the document
TypesParameter = Annotated[
    list[str] | None, Query(alias="types", description="Types, comma-separated: `sla.*,ticket.opened`; default all")
]
CursorParameter = Annotated[
    str | None, Query(alias="last_event_id", description="Id of the last event seen: what came after it is sent first")
]
TokenParameter = Annotated[str | None, Query(alias="token", description="Of `POST /stream-tokens`, instead of a key")]
CursorHeader = Annotated[
    str | None, Header(alias="Last-Event-ID", description="As `last_event_id`; browsers send it when they reconnect")
]


class StreamToken(BaseModel):
    """For `?token=` of `GET /events` and `WS /ws/alerts`, once."""

    token: str
    expires_in: int = Field(description="Seconds")


def router(live: Live) -> APIRouter:
    found = APIRouter(tags=["live events"])

    @found.get(
        "/events",
        operation_id="stream_events",
        summary="Live events as they happen",
        description="Resumes without a gap behind `Last-Event-ID` for seven days.",
        response_class=Response,
        responses=_STREAM | responses(403, 422),
    )
    async def stream_events(
        request: Request,
        _types: TypesParameter = None,
        _cursor: CursorParameter = None,
        _token: TokenParameter = None,
        _header: CursorHeader = None,
    ) -> Response:
        entrance.check_origin(request, live.origins)
        listening = await live.subscribe(request, entrance.wish_of(request), "sse")
        return EventStream(listening, entrance.origin_of(request.scope["headers"]))

    @found.websocket("/ws/alerts")
    async def alerts(websocket: WebSocket) -> None:
        await socket.serve(websocket, live)

    @found.post(
        "/stream-tokens",
        operation_id="create_stream_token",
        summary="A token for a browser's live events",
        description="Good for one connection within 60 seconds, with the scope `read` of your workspace.",
        response_model=StreamToken,
        responses=responses(403),
    )
    async def create_stream_token(principal: ReadingPrincipal, answer: Response) -> StreamToken:
        try:
            token = await stream_tokens.issue(live.tokens, principal.workspace, principal.name)
        except UNAVAILABLE:
            raise unavailable("Tokens cannot be issued now: the database does not answer") from None
        answer.headers["Cache-Control"] = "no-store"
        return StreamToken(token=token, expires_in=stream_tokens.LIFE_SECONDS)

    return found
