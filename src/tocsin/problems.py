"""Errors on the wire: RFC 9457 problem details, one shape for every route, plain ASGI or FastAPI.

A ``type`` is a stable absolute URI under https://tocsin.dev/problems/; exception text never reaches a client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog
from asgi_correlation_id import correlation_id
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.types import Send

TYPE_BASE: Final = "https://tocsin.dev/problems/"
MEDIA_TYPE: Final = "application/problem+json"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong: its path (``items.3.severity``), a stable code, a sentence, and what would be right."""

    field: str
    code: str
    message: str
    allowed: Sequence[str] | None = None

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {"field": self.field, "code": self.code, "message": self.message}
        if self.allowed is not None:
            found["allowed"] = list(self.allowed)
        return found


class Problem(Exception):
    """An answer that is an error. ``code`` names the type URI; extensions become members of the document."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(f"{status} {code}: {detail or title}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extensions = extensions

    def document(self) -> dict[str, Any]:
        """The members of the problem, in reading order; empty ones are left out."""
        found: dict[str, Any] = {"type": TYPE_BASE + self.code, "title": self.title, "status": self.status}
        if self.detail:
            found["detail"] = self.detail
        if self.errors:
            found["errors"] = [error.document() for error in self.errors]
        return found | {name: value for name, value in self.extensions.items() if value is not None}

    def body(self) -> bytes:
        return orjson.dumps(self.document(), default=str)


def invalid(errors: Sequence[FieldError], status: int = 422) -> Problem:
    """What was sent can be read but not accepted; every wrong field is named."""
    count = len(errors)
    detail = errors[0].message if count == 1 else f"{count} fields are wrong"
    return Problem(status, "invalid-request", "The request is not valid", detail, errors)


def malformed(detail: str) -> Problem:
    return Problem(400, "malformed-json", "The body is not valid JSON", detail)


def not_found(what: str) -> Problem:
    return Problem(404, "not-found", "Not found", f"There is no such {what}")


def unavailable(detail: str, retry_after_seconds: int = 2) -> Problem:
    """Something this answer depends on is down. What was sent may have been kept: see the idempotency rules."""
    headers = {"Retry-After": str(retry_after_seconds)}
    return Problem(503, "unavailable", "Temporarily unavailable", detail, headers=headers)


def response(problem: Problem) -> Response:
    return Response(problem.body(), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


async def send_problem(problem: Problem, send: Send) -> None:
    """Answers with the problem from a plain ASGI application."""
    body = problem.body()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


# --- handlers -------------------------------------------------------------------------------------------------------


def install(app: FastAPI) -> None:
    """Every error of the application becomes a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_unhandled)


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class alone
    return response(error)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = error.errors()
    if broken := next((one for one in errors if one["type"] == "json_invalid"), None):
        return response(malformed(f"{broken['ctx']['error']} at position {broken['loc'][-1]}"))
    return response(invalid(field_errors(errors)))


_STATUS_CODES: Final = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    415: "unsupported-media-type",
}


async def _on_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = _STATUS_CODES.get(error.status_code, f"http-{error.status_code}")
    return response(Problem(error.status_code, code, error.detail, headers=error.headers))


async def _on_unhandled(request: Request, error: Exception) -> Response:
    route = request.scope.get("route")
    # the template of a path, since a path may itself be a secret
    log.error("request failed", path=getattr(route, "path", request.url.path), exc_info=error)
    return response(internal())


def internal() -> Problem:
    """The answer to a bug: nothing but the id under which the log explains it."""
    detail = "The failure was logged under the correlation id"
    return Problem(500, "internal", "Internal error", detail, correlation_id=correlation_id.get())


def wrong_field(field: str, code: str, message: str, allowed: Sequence[str] | None = None) -> PydanticCustomError:
    """What a validator of a whole model raises: pydantic itself would name none of its fields."""
    context: dict[str, Any] = {"field": field} | ({} if allowed is None else {"allowed": list(allowed)})
    return PydanticCustomError(code, message, context)


def field_errors(errors: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's errors in our shape. The input itself is not repeated: it may be secret or huge."""
    return [
        FieldError(
            ".".join(str(part) for part in (*_path(error["loc"]), *_named(error))) or "body",
            str(error["type"]),
            str(error["msg"]).removeprefix("Value error, "),
            _allowed(error),
        )
        for error in errors
    ]


def _path(location: Sequence[Any]) -> Sequence[Any]:
    return location[1:] if location and location[0] in {"body", "query", "path", "header"} else location


def _named(error: Mapping[str, Any]) -> Sequence[str]:
    """The field that ``wrong_field`` named."""
    context: Mapping[str, Any] = error.get("ctx") or {}
    return [context["field"]] if error["type"] != "json_invalid" and "field" in context else []


def _allowed(error: Mapping[str, Any]) -> list[str] | None:
    context: Mapping[str, Any] = error.get("ctx") or {}
    if isinstance(allowed := context.get("allowed"), list | tuple):
        return [str(one) for one in allowed]
    if error["type"] == "literal_error":
        return [part.strip("'") for part in str(context.get("expected", "")).replace(" or ", ", ").split(", ")]
    return None


# --- OpenAPI --------------------------------------------------------------------------------------------------------


class FieldErrorModel(BaseModel):
    """A wrong field."""

    field: str
    code: str
    message: str
    allowed: list[str] | None = None


class ProblemModel(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldErrorModel] | None = None
    correlation_id: str | None = None


_DESCRIPTIONS: Final = {
    400: "The body is not valid JSON",
    401: "No key, or a wrong one",
    403: "The key lacks the scope",
    404: "Unknown id",
    409: "The present state does not allow it; `allowed` lists what would be",
    412: "`If-Match` is stale",
    413: "The body is too large",
    415: "Only JSON, and no content encoding",
    422: "A field is wrong; `errors` names each",
    429: "Too many attempts",
    500: "Internal error; the log explains it under `correlation_id`",
    503: "A dependency is down; retry after `Retry-After` seconds",
}


def component_schemas() -> dict[str, Any]:
    """The schemas that ``responses`` refers to."""
    _, found = models_json_schema([(ProblemModel, "serialization")], ref_template="#/components/schemas/{model}")
    return dict(found["$defs"])


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` argument of a route that may answer these problems (401, 500 and 503 always)."""
    reference = {"schema": {"$ref": "#/components/schemas/ProblemModel"}}
    return {
        status: {
            "description": _DESCRIPTIONS.get(status, "A problem"),
            # only the problem media type: a declared model would also promise application/json
            "content": {MEDIA_TYPE: reference},
        }
        for status in sorted({*statuses, 401, 500, 503})
    }
