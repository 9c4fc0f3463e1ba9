"""Any other JSON, read by a mapper: dotted paths to its values, and tables for their words.

A mapper comes from ``MAPPERS_CONFIG_PATH`` (see ``mappers.py``); here it is applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tocsin.events.alerts import AlertReceived
from tocsin.events.vocabulary import AlertTransition
from tocsin.ingest.sources.json_text import one_line
from tocsin.ingest.sources.webhook import (
    MAX_MESSAGE,
    MAX_TITLE,
    Delivery,
    Reading,
    Unreadable,
    decoded,
    fingerprint,
    first,
    instant,
    link,
    severity,
    tags,
    text,
)

IGNORED: Final = "ignored"
TRANSITIONS: Final[Mapping[str, AlertTransition]] = {
    "triggered": "triggered",
    "repeated": "repeated",
    "acknowledged": "acknowledged",
    "resolved": "resolved",
}


@dataclass(frozen=True, slots=True)
class Value:
    """Where a value is: the first path that holds one, its word exchanged by ``values``, else ``default``."""

    paths: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    default: str = ""

    def of(self, item: object, limit: int = 200) -> str:
        found = first(*(text(at(item, path), limit) for path in self.paths))
        return self.values.get(found, self.values.get(found.lower(), found if not self.values else "")) or self.default


_NOTHING: Final = Value()


@dataclass(frozen=True, slots=True)
class Mapper:
    """How the payloads of one sender are read. ``items``: the path of a list whose members are an alert each."""

    name: str
    fingerprint: tuple[str, ...]
    source: str
    title: Value
    transition: Value
    items: str = ""
    delivery_id: Value = _NOTHING
    message: Value = _NOTHING
    severity: Value = _NOTHING
    service: Value = _NOTHING
    team: Value = _NOTHING
    environment: Value = _NOTHING
    url: Value = _NOTHING
    occurred_at: Value = _NOTHING
    episode: Value = _NOTHING
    tags: Mapping[str, Value] = field(default_factory=dict)


def at(item: object, path: str) -> Any:
    """The value at ``monitor.checks.0.name``; None when there is none."""
    for step in path.split(".") if path else ():
        if isinstance(item, dict):
            item = item.get(step)
        elif isinstance(item, list) and step.isdecimal() and len(step) < 6 and int(step) < len(item):
            item = item[int(step)]
        else:
            return None
    return item


def parse(mapper: Mapper, delivery: Delivery) -> Reading:
    """Raises Unreadable."""
    body = decoded(delivery.body)
    items = at(body, mapper.items) if mapper.items else [body]
    if not isinstance(items, list):
        raise Unreadable(f"{mapper.items} is no list")
    found = [_alert(mapper, delivery, item, whole=not mapper.items) for item in items]
    alerts = [one for one in found if one is not None]
    return Reading(
        alerts,
        reason="" if alerts else "the mapper ignores it" if found else f"{mapper.items} is empty",
        delivery_id=mapper.delivery_id.of(body, 1_000),
        timeless=not any(mapper.occurred_at.of(item) for item in items),
    )


def _alert(mapper: Mapper, delivery: Delivery, item: object, *, whole: bool) -> AlertReceived | None:
    word = mapper.transition.of(item)
    if word == IGNORED:
        return None
    transition = TRANSITIONS.get(word)
    if transition is None:
        paths = " or ".join(mapper.transition.paths)
        raise Unreadable(f"the mapper gives no transition for {paths} = {_shown(item, mapper.transition)!r}")
    identity = {path: text(at(item, path)) for path in mapper.fingerprint}
    if missing := [path for path, value in identity.items() if not value]:
        raise Unreadable(f"{', '.join(missing)} is missing, which the fingerprint is made of")
    name = fingerprint(mapper.source, *identity.values())
    return AlertReceived(
        source=mapper.source,
        fingerprint=name,
        fingerprint_rule=f"the mapper {mapper.name}",
        fingerprint_fields=identity,
        transition=transition,
        occurred_at=instant(mapper.occurred_at.of(item), delivery.now_ms),
        title=first(mapper.title.of(item, MAX_TITLE), name),
        message=mapper.message.of(item, MAX_MESSAGE),
        episode=mapper.episode.of(item),
        severity=severity(mapper.severity.of(item)),
        service=mapper.service.of(item),
        team=mapper.team.of(item),
        environment=mapper.environment.of(item),
        tags=tags({tag: value.of(item) for tag, value in mapper.tags.items()}),
        url=link(mapper.url.of(item, MAX_MESSAGE)),
        context=msgspec.Raw(one_line(delivery.body.strip()) if whole else msgspec.json.encode(item)),
    )


def _shown(item: object, value: Value) -> str:
    return first(*(text(at(item, path), 40) for path in value.paths))
