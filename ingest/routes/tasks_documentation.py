"""How OpenAPI describes the commands on tasks."""

from __future__ import annotations

from typing import Any, Final

from tocsin.ingest.routes.commanding import ACTOR, HEADERS, LATER
from tocsin.ingest.routes.failures_documentation import IDEMPOTENCY_KEY
from tocsin.problems import responses

_REGISTERED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The token was registered with the same body before"},
    201: {
        "description": "The task, with `callback_url`, and `task_token` where tocsin issued it: both are shown once",
    },
}
_CHANGED: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "The task after it"}}
_REFUSED: Final = responses(400, 403, 404, 409, 413, 422)
_MATCHED: Final = responses(400, 403, 404, 409, 412, 413, 422)
_KEYED: Final[dict[str, Any]] = {"parameters": [IDEMPOTENCY_KEY, ACTOR]}

REGISTER: Final[dict[str, Any]] = {
    "operation_id": "register_task",
    "summary": "Register a token that a workflow waits for",
    "description": "The id follows from the token, so registering the same token with the same body again is the same"
    " task. With an `Idempotency-Key` an issued token is the same, too.",
    "responses": _REGISTERED | LATER | responses(400, 403, 409, 413, 422),
    "openapi_extra": _KEYED,
}
SETTLE: Final[dict[str, Any]] = {
    "operation_id": "settle_task",
    "summary": "Say how the outside job ended; the first settlement holds",
    "description": "The same settlement again answers 200, another one 409 `settled`.",
    "responses": _CHANGED | LATER | _REFUSED,
    "openapi_extra": _KEYED,
}
CANCEL: Final[dict[str, Any]] = {
    "operation_id": "cancel_task",
    "summary": "Let nobody wait any longer; the workflow hears of a failure",
    "responses": _CHANGED | LATER | _MATCHED,
    "openapi_extra": HEADERS,
}
POLL: Final[dict[str, Any]] = {
    "operation_id": "poll_task",
    "summary": "Ask the outside job now",
    "responses": _CHANGED | LATER | _MATCHED,
    "openapi_extra": HEADERS,
}
EXTEND: Final[dict[str, Any]] = {
    "operation_id": "extend_task",
    "summary": "Give a task another deadline",
    "responses": _CHANGED | LATER | _MATCHED,
    "openapi_extra": HEADERS,
}
HEARTBEAT: Final[dict[str, Any]] = {
    "operation_id": "heartbeat_task",
    "summary": "Say that the worker lives: the heartbeat clock begins anew, the deadline stays",
    "responses": _CHANGED | LATER | _REFUSED,
    "openapi_extra": _KEYED,
}
CALLBACK: Final[dict[str, Any]] = {
    "operation_id": "task_callback",
    "summary": "The URL by which an outside job says how it ended",
    "description": "`callback_url` of a registration; whoever has it needs no key. A result of more than 262,144 bytes"
    " ends the task as FAILED.",
    "responses": {204: {"description": "Decided"}} | LATER | responses(400, 404, 409, 413, 422),
    "openapi_extra": {"parameters": [IDEMPOTENCY_KEY], "security": []},
}
