"""Events of no particular sender: what their payloads usually call a title, a state, a severity.

CloudEvents and Standard Webhooks fix the envelope and leave the content open. Who needs more than these habits writes a
mapper (``deploy/mappers.yaml``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tocsin.events.alerts import AlertReceived
from tocsin.events.vocabulary import AlertTransition
from tocsin.ingest.sources.webhook import (
    MAX_MESSAGE,
    MAX_TITLE,
    Delivery,
    fingerprint,
    first,
    instant,
    link,
    mapping,
    severity,
    tags,
    text,
)

_STATES: Final[Mapping[str, AlertTransition]] = {
    **dict.fromkeys(("triggered", "firing", "alerting", "opened", "open", "created", "raised", "down"), "triggered"),
    **dict.fromkeys(("repeated", "renotify"), "repeated"),
    **dict.fromkeys(("acknowledged", "acked"), "acknowledged"),
    **dict.fromkeys(("resolved", "recovered", "closed", "cleared", "ok", "up"), "resolved"),
}
_STATE_FIELDS: Final = ("transition", "status", "state", "event_action", "action")
_IDENTITY_FIELDS: Final = ("fingerprint", "dedup_key", "alert_id", "key", "id")


def state_of(kind: str, data: Mapping[str, Any]) -> tuple[AlertTransition, str]:
    """The transition, and the type without its state: ``disk.full.resolved`` is about ``disk.full``."""
    base, _, last = kind.rpartition(".")
    of_type = _STATES.get(last.lower()) if base else None
    said = (_STATES.get(text(data.get(name)).lower()) for name in _STATE_FIELDS)
    return next((one for one in said if one), None) or of_type or "triggered", base if of_type else kind


def identity_in(data: Mapping[str, Any]) -> tuple[str, str]:
    """Field and value of the sender's own name of the alert; both empty when it has none."""
    return next(((name, found) for name in _IDENTITY_FIELDS if (found := text(data.get(name)))), ("", ""))


def alert(
    delivery: Delivery,
    source: str,
    rule: str,
    identity: Mapping[str, str],
    transition: AlertTransition,
    data: Mapping[str, Any],
    *,
    occurred_at: object,
    otherwise: str,
    more_tags: Mapping[str, Any],
    context: msgspec.Raw,
) -> AlertReceived:
    """``otherwise``: the title where the data has none."""
    return AlertReceived(
        source=source,
        fingerprint=fingerprint(source, *identity.values()),
        fingerprint_rule=rule,
        fingerprint_fields=dict(identity),
        transition=transition,
        occurred_at=instant(occurred_at, delivery.now_ms),
        title=first(*(text(data.get(name), MAX_TITLE) for name in ("title", "summary", "name", "message")), otherwise),
        message=first(*(text(data.get(name), MAX_MESSAGE) for name in ("description", "message", "details"))),
        episode=first(text(data.get("episode")), text(data.get("incident_id"))),
        severity=next(
            (found for name in ("severity", "level", "priority") if (found := severity(data.get(name)))),
            severity(more_tags.get("severity")),
        ),
        service=text(data.get("service")),
        team=text(data.get("team")),
        environment=first(text(data.get("environment")), text(data.get("env"))),
        tags=tags({**more_tags, **mapping(data.get("labels")), **mapping(data.get("tags"))}),
        url=first(*(link(data.get(name)) for name in ("url", "link"))),
        context=context,
    )
