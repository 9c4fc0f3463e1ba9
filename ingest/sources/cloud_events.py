"""CloudEvents 1.0 over HTTP: binary, structured and batched.

Source: cloudevents/spec, HTTP Protocol Binding 1.0.2. ``source`` and ``id`` together name an event, so a repeat of it,
also within another batch, is a duplicate. Admitted by API key, since the specification signs nothing.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from tocsin.events.alerts import AlertReceived
from tocsin.ingest.sources import loose
from tocsin.ingest.sources.json_text import assemble, one_line
from tocsin.ingest.sources.webhook import Delivery, Reading, Unreadable, decoded, document, mapping, text

SOURCE: Final = "cloudevents"
RULE: Final = "the event's source, type and subject"
KEY_RULE: Final = "the event's source and type, and the data's own key"
_PREFIX: Final = "ce-"
_ATTRIBUTES: Final = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "data", "data_base64", "datacontenttype", "dataschema"}
)
_MAX_ATTRIBUTE: Final = 1_000


def parse(delivery: Delivery) -> Reading:
    """Raises Unreadable, also when one event of a batch is none."""
    content_type = delivery.header("content-type").lower()
    if content_type.startswith("application/cloudevents-batch"):
        events = decoded(delivery.body)
        if not isinstance(events, list):
            raise Unreadable("a batch is a JSON array")
        texts = msgspec.json.decode(delivery.body, type=list[msgspec.Raw])
        found = [_event(delivery, mapping(event), bytes(own)) for event, own in zip(events, texts, strict=True)]
    elif content_type.startswith("application/cloudevents") or f"{_PREFIX}specversion" not in delivery.headers:
        found = [_event(delivery, document(delivery.body), delivery.body)]
    else:
        found = [_event(delivery, *_structured(delivery, content_type))]
    return Reading(
        [event for event, _ in found],
        event_ids=[name for _, name in found],
        reason="" if found else "the batch is empty",
    )


def _structured(delivery: Delivery, content_type: str) -> tuple[dict[str, Any], bytes]:
    """A binary event in the structured form: the attributes of the headers, and the body as its data."""
    attributes: dict[str, Any] = {
        name.removeprefix(_PREFIX): _unquoted(name, value)
        for name, value in delivery.headers.items()
        if name.startswith(_PREFIX)
    }
    parts: dict[str, bytes | msgspec.Raw] = {name: msgspec.json.encode(value) for name, value in attributes.items()}
    if not delivery.body:
        return attributes, assemble(parts)
    if "json" in content_type or not content_type:
        return {**attributes, "data": decoded(delivery.body)}, assemble({**parts, "data": delivery.body})
    try:
        data: dict[str, str] = {"data": delivery.body.decode()}
    except UnicodeDecodeError:
        data = {"data_base64": base64.b64encode(delivery.body).decode()}
    parts |= {name: msgspec.json.encode(value) for name, value in data.items()}
    return {**attributes, **data}, assemble(parts)


def _unquoted(name: str, value: str) -> str:
    try:
        return unquote(value.strip(), errors="strict")
    except UnicodeDecodeError:
        raise Unreadable(f"the header {name} is not percent-encoded UTF-8") from None


def _event(delivery: Delivery, event: dict[str, Any], own: bytes) -> tuple[AlertReceived, str]:
    """The alert, and the name of the event."""
    if text(event.get("specversion")) != "1.0":
        raise Unreadable("specversion is not 1.0")
    identifier, source, kind = (_required(event, name) for name in ("id", "source", "type"))
    data = _data(event)
    transition, base = loose.state_of(kind, data)
    identity = {"source": source, "type": base}
    field, key = loose.identity_in(data)
    subject = text(event.get("subject"), _MAX_ATTRIBUTE)
    if subject:
        identity["subject"] = subject
    elif key:
        identity[f"data.{field}"] = key
    found = loose.alert(
        delivery,
        SOURCE,
        KEY_RULE if key and not subject else RULE,
        identity,
        transition,
        data,
        occurred_at=event.get("time"),
        otherwise=f"{base} {subject}".strip()[:500],
        more_tags={name: value for name, value in event.items() if name not in _ATTRIBUTES},
        context=msgspec.Raw(one_line(own.strip())),
    )
    return found, f"{source} {identifier}"


def _required(event: dict[str, Any], name: str) -> str:
    if found := text(event.get(name), _MAX_ATTRIBUTE):
        return found
    raise Unreadable(f"the attribute {name} is missing")


def _data(event: dict[str, Any]) -> dict[str, Any]:
    """The members of the data; text is the message of it."""
    data = event.get("data")
    if isinstance(encoded := event.get("data_base64"), str):
        try:
            data = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError):
            return {}
    if isinstance(data, str):
        return {"description": data}
    return mapping(data)
