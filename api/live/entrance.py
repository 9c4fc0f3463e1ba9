"""Who may listen: keys as everywhere, single-use tokens, and only pages of hosts that are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from tocsin import stream_tokens
from tocsin.api.live.cursor import Cursor
from tocsin.api.live.cursor import parse as parse_cursor
from tocsin.api.live.types import MAX_PATTERNS, Types, UnknownType
from tocsin.api.live.types import parse as parse_types
from tocsin.authentication import Authenticator, Principal
from tocsin.database import UNAVAILABLE
from tocsin.events.live import TYPES
from tocsin.problems import FieldError, Problem, invalid, unavailable

PARAMETERS = ("last_event_id", "token", "types")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks for. ``cursor``: None = from now on. ``positions``: it wants to be able to resume."""

    types: Types
    cursor: Cursor | None
    positions: bool


def wish_of(connection: HTTPConnection, default_types: str = "") -> Wish:
    """Raises Problem 422. The header Last-Event-ID, which a browser sends by itself, is newer than its URL."""
    query = connection.query_params
    if unknown := sorted(set(query) - set(PARAMETERS)):
        raise invalid([FieldError(unknown[0], "unknown_parameter", "There is no such parameter", PARAMETERS)])
    given = [part.strip() for text in query.getlist("types") for part in text.split(",") if part.strip()]
    text = connection.headers.get("last-event-id")
    text = query.get("last_event_id") if text is None else text
    try:
        types = parse_types((given or [default_types] if default_types else given)[: MAX_PATTERNS + 1])
    except UnknownType as error:
        raise invalid([FieldError("types", "unknown_type", str(error), sorted(TYPES))]) from None
    if len(given) > MAX_PATTERNS:
        raise invalid([FieldError("types", "too_many", f"At most {MAX_PATTERNS} types can be named; use sla.*")])
    try:
        cursor = parse_cursor(text) if text else None
    except ValueError as error:
        raise invalid([FieldError("last_event_id", "bad_id", str(error))]) from None
    return Wish(types, cursor, positions=text is not None)


async def admit(connection: HTTPConnection, database: stream_tokens.Database) -> Principal:
    """Who is asking, by key or by ``?token=``. Raises Problem 401, 403, 429, 503."""
    authenticator: Authenticator = connection.app.state.authenticator
    token = connection.query_params.get("token")
    if token is None:
        return await authenticator.admit(connection.scope, "read")
    try:
        found = await stream_tokens.redeem(database, token)
    except UNAVAILABLE:
        raise unavailable("Tokens cannot be checked now: the database does not answer") from None
    if found is None:
        raise await authenticator.refused(connection.scope, "The token is not known, was used, or has expired")
    workspace, name = found
    return Principal(workspace, name, frozenset({"read"}))


def origin_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The page's origin, None when no browser sent this for a page; two of them are one that is none."""
    found = [value.decode("latin-1").strip().lower() for name, value in headers if name == b"origin"]
    return None if not found else ",".join(found)


def check_origin(connection: HTTPConnection, allowed: Iterable[str]) -> None:
    """A browser sends a WebSocket's credentials for any page: without this check every page could listen.

    Raises Problem 403 for a page of another host than this one's that is not listed.
    """
    origin = origin_of(connection.scope["headers"])
    host = connection.headers.get("host", "").lower()
    if origin is None or origin in allowed or (host and origin.partition("://")[2] == host):
        return
    detail = "Pages of this origin may not listen; TOCSIN_ALLOWED_ORIGINS lists those that may"
    raise Problem(403, "origin-not-allowed", "Forbidden", detail)
