"""The documents of the event log, printed from its own table and types: AsyncAPI 3 and ``docs/events.md``."""

from __future__ import annotations

import functools
import inspect
import json
import operator
import types
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from tocsin.events import alerts, deliveries, incidents, jobs, live, tasks, tickets
from tocsin.events.topics import LIVE, Topic, events_topic, facts_topic, topics

# One line per domain: the registries of what comes in and of what was decided.
_TYPES: Final[dict[str, dict[str, Any]]] = {
    events_topic("tickets"): tickets.EVENTS,
    facts_topic("tickets"): tickets.FACTS,
    events_topic("alerts"): alerts.EVENTS,
    facts_topic("alerts"): alerts.FACTS,
    events_topic("incidents"): incidents.EVENTS,
    facts_topic("incidents"): incidents.FACTS,
    events_topic("jobs"): jobs.EVENTS,
    facts_topic("jobs"): jobs.FACTS,
    events_topic("deliveries"): deliveries.EVENTS,
    facts_topic("deliveries"): deliveries.FACTS,
    events_topic("tasks"): tasks.EVENTS,
    facts_topic("tasks"): tasks.FACTS,
    LIVE: live.EVENTS,
}
_REFERENCES: Final = "#/components/schemas/{name}"
_ACTIONS: Final = ("send", "receive")

HEADERS: Final = {
    "ce_specversion": "always 1.0",
    "ce_id": "unique per workspace and source",
    "ce_type": "type and version of the value",
    "ce_source": "who reported it",
    "ce_time": "when it was accepted, RFC 3339 UTC",
    "ce_workspace": "whose it is",
    "ce_origin": "partition:offset of the record this one repeats, dlq:partition:offset after a replay",
    "ce_causationid": "id of what caused it",
    "ce_correlationid": "id of the request it began with",
    "traceparent": "W3C trace context",
    "content-type": "application/json",
}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of every type, by its name."""
    every = [_describable(cls) for registry in _TYPES.values() for cls in registry.values()]
    _, components = msgspec.json.schema_components(every, ref_template=_REFERENCES)
    return {name: components[name] for name in sorted(components)}


@functools.cache
def _describable(cls: Any) -> Any:
    """The same struct with Any for Raw: msgspec cannot put a default that is Raw into a schema."""
    fields: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(cls):
        raw = field.type is msgspec.Raw
        default = None if raw and not field.required else field.default
        again: Any = msgspec.field(  # type: ignore[call-overload]  # either may be msgspec's "none"
            default=default, default_factory=field.default_factory, name=field.encode_name
        )
        fields.append((field.name, Any if raw else _replaced(field.type), again))
    made = msgspec.defstruct(cls.__name__, fields, kw_only=True)
    made.__doc__ = _documentation(cls)
    return made


def _replaced(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _describable(annotation)
    if isinstance(annotation, types.UnionType):
        return functools.reduce(operator.or_, map(_replaced, annotation.__args__))
    if isinstance(annotation, types.GenericAlias):
        return types.GenericAlias(annotation.__origin__, tuple(map(_replaced, annotation.__args__)))  # type: ignore[arg-type]
    return annotation


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document."""
    table = topics()
    messages = {name: _message(name, cls) for registry in _TYPES.values() for name, cls in registry.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "tocsin",
            "version": "1.0.0",
            "description": "Records are CloudEvents 1.0 in Kafka binary mode: attributes in ce_* headers, JSON values.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in table},
        "operations": {
            f"{action}.{topic.name}": {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}}
            for topic in table
            for action in _ACTIONS
        },
        "components": {"messages": messages, "schemas": {**schemas(), "Headers": _headers()}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": topic.name,
        "description": f"{topic.purpose}. Key: {topic.key}.",
        "bindings": {"kafka": {"topic": topic.name, "topicConfiguration": _binding(topic), "bindingVersion": "0.5.0"}},
    }
    if registry := _TYPES.get(topic.name):
        channel["messages"] = {name: {"$ref": f"#/components/messages/{name}"} for name in registry}
    return channel


def _binding(topic: Topic) -> dict[str, Any]:
    known: dict[str, Callable[[str], Any]] = {
        "cleanup.policy": _policies,
        "retention.ms": int,
        "retention.bytes": int,
        "max.message.bytes": int,
    }
    return {name: known[name](value) for name, value in topic.configuration.items() if name in known}


def _policies(value: str) -> list[str]:
    return value.split(",")


def _message(name: str, cls: type[Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": cls.__name__,
        "summary": _summary(cls),
        "contentType": "application/json",
        "headers": {"$ref": _REFERENCES.format(name="Headers")},
        "payload": {"$ref": _REFERENCES.format(name=cls.__name__)},
    }


def _headers() -> dict[str, Any]:
    properties = {name: {"type": "string", "description": text} for name, text in HEADERS.items()}
    required = ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_workspace"]
    return {"type": "object", "properties": properties, "required": required}


def _summary(cls: type[Any]) -> str:
    return (_documentation(cls).splitlines() or [""])[0]


def _documentation(cls: type[Any]) -> str:
    """The type's own docstring; empty when it has none, where ``__doc__`` would give its parent's."""
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "")


def asyncapi_json() -> str:
    return json.dumps(asyncapi(), indent=2, ensure_ascii=False) + "\n"


# --- docs/events.md -------------------------------------------------------------------------------------------------


def markdown() -> str:
    """``docs/events.md``."""
    lines = [
        "# Topics, events and facts",
        "",
        "Printed by `tocsin topics --markdown` from `src/tocsin/events/`; do not edit.",
        "",
        "Records are CloudEvents 1.0 in Kafka binary mode: attributes travel as headers, the value is plain JSON.",
        "",
        *_rows(("header", "meaning"), [(f"`{name}`", text) for name, text in HEADERS.items()]),
        "",
        "## Topics",
        "",
        *_rows(
            ("topic", "key", "what", "settings"),
            [(f"`{topic.name}`", topic.key, topic.purpose, _settings(topic)) for topic in topics()],
        ),
    ]
    for topic, registry in _TYPES.items():
        lines += ["", f"## Types in `{topic}`"]
        for name, cls in registry.items():
            lines += ["", f"### `{name}`", *_described(cls)]
    return "\n".join(lines) + "\n"


def _settings(topic: Topic) -> str:
    return "<br>".join(f"`{name}={value}`" for name, value in topic.configuration.items())


def _described(cls: type[Any]) -> list[str]:
    lines = ["", text] if (text := _documentation(cls)) else []
    fields = msgspec.structs.fields(cls)
    rows = [(f"`{field.encode_name}`", _type_name(field.type), "yes" if field.required else "") for field in fields]
    return [*lines, "", *_rows(("field", "type", "required"), rows)]


def _type_name(annotation: object) -> str:
    text = annotation.__name__ if isinstance(annotation, type) and not _is_generic(annotation) else str(annotation)
    for prefix in (
        "typing.",
        "msgspec._core.",
        "msgspec.",
        "tocsin.events.commands.",
        "tocsin.events.tickets.",
        "tocsin.events.alerts.",
        "tocsin.events.incidents.",
        "tocsin.events.jobs.",
    ):
        text = text.replace(prefix, "")
    return f"`{text}`".replace("|", "\\|")


def _is_generic(annotation: object) -> bool:
    return hasattr(annotation, "__origin__")


def _rows(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ("---",) * len(header), *rows)]
