"""How OpenAPI describes the webhook routes: one example a sender, and the answer that explains the keys."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tocsin.ingest.routes.webhook_examples import EXAMPLES, GENERIC_EXAMPLE
from tocsin.ingest.sources.catalogue import Sender
from tocsin.problems import responses

_JSON: Final = "application/json"


class WebhookAlert(BaseModel):
    """An alert that was recognised: its fingerprint, the rule and the sender's fields it was made of."""

    fingerprint: str
    rule: str
    fields: dict[str, str]
    transition: str
    alert_entity: str


class WebhookFailure(BaseModel):
    """A workflow failure that was recognised, and the ticket entity it belongs to."""

    workflow: str
    identifier: str
    rule: str
    ticket_entity: str


class WebhookTaken(BaseModel):
    """What became of a delivery. `reason`: why nothing was accepted; `quarantined`: it waits to be replayed."""

    accepted: int
    event_ids: list[str]
    alerts: list[WebhookAlert] | None = None
    failures: list[WebhookFailure] | None = None
    successes: list[WebhookFailure] | None = None
    reason: str | None = None
    quarantined: bool | None = None
    truncated: int | None = None


MODELS: Final[tuple[type[BaseModel], ...]] = (WebhookAlert, WebhookFailure, WebhookTaken)
TAKEN: Final = {
    "accepted": 1,
    "event_ids": ["0b0a52a4-6c3c-5a6f-9a7e-0d3f5a1c2b4d"],
    "alerts": [
        {
            "fingerprint": "sentry:issue:1117540176",
            "rule": "Sentry's issue",
            "fields": {"data.event.issue_id": "1117540176"},
            "transition": "triggered",
            "alert_entity": "a_ldccopes6uacahgduvspztpl34",
        }
    ],
}
_DESCRIPTION: Final = (
    "Verified over the raw body, then stored; 202 once Kafka has it. A genuine delivery is never refused: what says"
    " nothing of an alert is counted, what cannot be read waits in the dead-letter queue. The same delivery again is a"
    " duplicate. 503 asks the sender to repeat."
)
_KEYED: Final = frozenset({"cloudevents"})
ANY_BODY: Final[dict[str, Any]] = {"schema": {}}


def accepted() -> dict[int | str, dict[str, Any]]:
    content = {_JSON: {"schema": {"$ref": "#/components/schemas/WebhookTaken"}, "example": TAKEN}}
    return {202: {"description": "Stored durably", "content": content}}


def of(sender: Sender) -> dict[str, Any]:
    """The arguments of a route."""
    media_type, example, headers = EXAMPLES[sender.name]
    extra: dict[str, Any] = {
        "requestBody": {"required": True, "content": {media_type: {**ANY_BODY, "example": example}}},
        "parameters": [_header(name, description) for name, description in headers.items()],
    }
    if sender.name not in _KEYED:
        extra["security"] = []  # by the sender's own means, described by its headers
    return {
        "operation_id": f"receive_{sender.name}_webhook",
        "summary": f"Webhook of {sender.title}",
        "description": _DESCRIPTION,
        "responses": accepted() | responses(401, 413, 415, *((403, 429) if sender.name in _KEYED else ())),
        "openapi_extra": extra,
    }


GENERIC: Final[dict[str, Any]] = {
    "operation_id": "receive_generic_webhook",
    "summary": "Any JSON, read by a mapper",
    "description": "The mappers are in `MAPPERS_CONFIG_PATH`. " + _DESCRIPTION,
    "responses": accepted() | responses(401, 403, 404, 413, 415, 429),
    "openapi_extra": {
        "requestBody": {"required": True, "content": {_JSON: {**ANY_BODY, "example": GENERIC_EXAMPLE}}},
    },
}
HANDSHAKE: Final[dict[str, Any]] = {
    "operation_id": "allow_cloudevents_sender",
    "summary": "Handshake of CloudEvents web hooks",
    "description": "A sender asks whether it may send; `WebHook-Allowed-Origin` says yes to the origin that asks.",
    "responses": {200: {"description": "Allowed"}},
    "openapi_extra": {"security": []},
}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": description}


def component_schemas() -> dict[str, Any]:
    """The schemas that the descriptions refer to."""
    _, found = models_json_schema(
        [(model, "serialization") for model in MODELS], ref_template="#/components/schemas/{model}"
    )
    return dict(found["$defs"])
