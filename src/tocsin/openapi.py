"""The FastAPI application before any route, and the document that describes all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import FastAPI

import tocsin
from tocsin import problems

_DESCRIPTION: Final = """\
Failures, alerts, tickets and scheduled jobs on one event log.

Errors are RFC 9457 problem documents; `type` is a stable URI. A 2xx to a write means that Kafka has stored it on all
replicas in sync. A 503 to a write is ambiguous: repeat it with the same `Idempotency-Key` (or `event_id`), then it
counts once. Every answer carries `X-Request-ID`.
"""
_SECURITY: Final = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
    "Basic": {"type": "http", "scheme": "basic", "description": "The key as password, with any user name"},
}
_OPEN_PREFIX: Final = "/health"


class Application(FastAPI):
    """FastAPI whose document also holds the schemas and security schemes that routes only refer to."""

    def __init__(self) -> None:
        super().__init__(
            title="tocsin",
            version=tocsin.__version__,
            description=_DESCRIPTION,
            docs_url=None,  # its page loads scripts from elsewhere
            redoc_url=None,
            # a body of another type than JSON is refused: forms of foreign pages cannot reach the API
            strict_content_type=True,
        )
        self.component_schemas: list[Callable[[], Mapping[str, Any]]] = []  # made when the document is first asked for

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            components = document.setdefault("components", {})
            beside = {name: schema for made in self.component_schemas for name, schema in made().items()}
            components["schemas"] = dict(sorted((beside | components.get("schemas", {})).items()))
            components["securitySchemes"] = _SECURITY
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    operation.setdefault("security", [] if path.startswith(_OPEN_PREFIX) else _ANY_SCHEME)
                    _without_default_validation_error(operation)
            components["schemas"].pop("HTTPValidationError", None)
            components["schemas"].pop("ValidationError", None)
        assert self.openapi_schema is not None  # noqa: S101 - set above or by FastAPI
        return self.openapi_schema


_ANY_SCHEME: Final[list[dict[str, list[str]]]] = [{name: []} for name in _SECURITY]


def _without_default_validation_error(operation: dict[str, Any]) -> None:
    """FastAPI promises its own 422 where a route declares none; ours is a problem document."""
    content = operation["responses"].get("422", {}).get("content", {})
    if content.get("application/json", {}).get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
        operation["responses"]["422"] = problems.responses(422)[422]


def application() -> Application:
    """An application whose every error is a problem document."""
    app = Application()
    app.component_schemas.append(problems.component_schemas)
    problems.install(app)
    return app
