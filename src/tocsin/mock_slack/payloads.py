"""What Slack makes of the body of a webhook: a message, or one of its refusals.

Sources: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (JSON, or a form with ``payload``;
``ok``) and https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks (statuses and words).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

from tocsin.mock_slack.blocks import mistake

MOST_ATTACHMENTS: Final = 100
LONGEST_TEXT: Final = 40_000
"""Characters; what is longer is cut (https://docs.slack.dev/changelog/2018-truncating-really-long-messages)."""
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Refused:
    """``status`` and ``word`` as Slack answers them; ``reason`` is for whoever wrote the sender."""

    status: int
    word: str
    reason: str


def read(content_type: str, body: bytes) -> Mapping[str, Any] | Refused:
    """The payload of a message that Slack would show."""
    try:
        payload = orjson.loads(_json(content_type, body))
    except ValueError as error:
        return Refused(400, "invalid_payload", f"no JSON: {error}")
    if not isinstance(payload, dict):
        return Refused(400, "invalid_payload", "the payload is no JSON object")
    return _refused(payload) or _cut(payload)


def _json(content_type: str, body: bytes) -> bytes | str:
    """Raises ValueError."""
    if content_type.partition(";")[0].strip().lower() != _FORM:
        return body
    fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=16)
    if len(fields.get("payload", ())) != 1:
        raise ValueError("a form has one field payload")
    return fields["payload"][0]


def _refused(payload: Mapping[str, Any]) -> Refused | None:
    text, blocks, attachments = payload.get("text"), payload.get("blocks"), payload.get("attachments")
    if text is not None and not isinstance(text, str):
        return Refused(400, "invalid_payload", "text is no string")
    if attachments is not None and not isinstance(attachments, list):
        return Refused(400, "invalid_payload", "attachments is no array")
    if attachments and len(attachments) > MOST_ATTACHMENTS:
        return Refused(400, "too_many_attachments", f"{len(attachments)} attachments, at most {MOST_ATTACHMENTS}")
    if blocks is not None and (wrong := mistake(blocks)):
        return Refused(400, "invalid_blocks", wrong)
    if not (text and text.strip()) and not blocks and not attachments:
        return Refused(400, "no_text", "neither text nor blocks nor attachments")
    return None


def _cut(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    text = payload.get("text") or ""
    return payload if len(text) <= LONGEST_TEXT else {**payload, "text": text[:LONGEST_TEXT]}
