"""A page as an answer: the envelope or the bare array, the total, and links to the pages beside it (RFC 8288)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import orjson
from fastapi import Request, Response

from tocsin.api.queries.listing import Paged
from tocsin.problems import not_found

JSON: Final = "application/json"
LISTED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page, newest first unless sorted otherwise",
        "headers": {
            "X-Total-Count": {
                "description": "Rows of the whole list, where all were counted",
                "schema": {"type": "integer"},
            },
            "Link": {"description": "RFC 8288: first, prev, next", "schema": {"type": "string"}},
        },
    }
}
SHOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "As it is now",
        "headers": {"ETag": {"description": "The version, quoted", "schema": {"type": "string"}}},
    },
    304: {"description": "It is still at the version of `If-None-Match`"},
}
IF_NONE_MATCH: Final[dict[str, Any]] = {
    "parameters": [{"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}]
}


def comparable(id_: str, kind: str) -> str:
    """The id, when the database could know it: text there has no NUL. Raises Problem 404."""
    if "\x00" in id_:
        raise not_found(kind)
    return id_


class Shaped(Paged, Protocol):
    @property
    def shape(self) -> str: ...


class Counted(Protocol):
    @property
    def total(self) -> int: ...
    @property
    def next_cursor(self) -> str | None: ...


def page_response(
    request: Request, query: Shaped, page: Counted, items: Sequence[Mapping[str, Any]], *, total_exact: bool = True
) -> Response:
    """total_exact: else there are more than ``total``, which the body then says and the header does not."""
    body: Any = items
    if query.shape == "page":
        body = {
            "items": items,
            "total": page.total,
            "limit": query.limit,
            "offset": query.offset,
            "next_cursor": page.next_cursor,
            **({} if total_exact else {"total_exact": False}),
        }
    headers = {"X-Total-Count": str(page.total)} if total_exact else {}
    if link := _link(request, query, page):
        headers["Link"] = link
    return Response(orjson.dumps(body), headers=headers, media_type=JSON)


def entity_response(request: Request, body: Mapping[str, Any], version: object, *, complete: bool = True) -> Response:
    """The entity with its ETag, or 304 when the client has it. complete: whether it may be kept by the client."""
    etag = f'"{version}"'
    headers = {"ETag": etag} if complete else {}
    if complete and matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(orjson.dumps(body), headers=headers, media_type=JSON)


def matches(if_none_match: str, etag: str) -> bool:
    """Weak comparison, RFC 9110 section 13.1.2."""
    given = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return "*" in given or etag in given


def _link(request: Request, query: Paged, page: Counted) -> str:
    """The pages beside this one; a client that follows a cursor goes on with cursors."""
    given = [(name, value) for name, value in request.query_params.multi_items() if name not in ("offset", "cursor")]
    links: dict[str, list[tuple[str, str]]] = {"first": given}
    if query.cursor is None and query.offset:
        links["prev"] = [*given, ("offset", str(max(0, query.offset - query.limit)))]
    if page.next_cursor is not None:
        by_offset = ("offset", str(query.offset + query.limit))
        links["next"] = [*given, by_offset if query.cursor is None else ("cursor", page.next_cursor)]
    path = request.url.path
    return ", ".join(
        f'<{path}{"?" if parameters else ""}{urlencode(parameters)}>; rel="{relation}"'
        for relation, parameters in links.items()
    )
