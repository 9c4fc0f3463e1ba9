"""PagerDuty's Events API v2, so that a sender switches by changing the host of its URL.

Source: developer.pagerduty.com, Events API v2. The routing key in the body decides whose event it is and scopes
``dedup_key``; wrong events are 400 in PagerDuty's shape. Its own key for an event without ``dedup_key`` is random; here
it follows from the body, so that a retry has the key of the first attempt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.events.alerts import AlertReceived
from tocsin.events.vocabulary import SEVERITIES, AlertTransition
from tocsin.ingest.sources.json_text import assemble, members, one_line
from tocsin.ingest.sources.signatures import Secret, Verdict, among
from tocsin.ingest.sources.webhook import (
    MAX_MESSAGE,
    MAX_TITLE,
    Delivery,
    Reading,
    Unreadable,
    document,
    fingerprint,
    instant,
    link,
    mapping,
    severity,
    tags,
    text,
)

SOURCE: Final = "pagerduty"
RULE: Final = "PagerDuty's dedup_key within its routing key"
GENERATED_RULE: Final = "the body, since the event has no dedup_key"
MAX_BODY_BYTES: Final = 512 * 1024
MAX_DEDUP_KEY: Final = 255
_ACTIONS: Final[Mapping[str, AlertTransition]] = {
    "trigger": "triggered",
    "acknowledge": "acknowledged",
    "resolve": "resolved",
}


class Invalid(ValueError):
    """An event PagerDuty would refuse. ``errors``: a sentence for each reason."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = list(errors)


def verify(delivery: Delivery, secrets: Sequence[Secret]) -> Verdict:
    """The routing key in the body; older clients send ``X-Routing-Key``."""
    presented = routing_key(delivery)
    if not presented:
        return "absent"
    digests = [hashlib.sha256(secret.value.encode()).digest() for secret in secrets]
    return among(secrets, digests, hashlib.sha256(presented.encode("utf-8", "replace")).digest())


def routing_key(delivery: Delivery) -> str:
    """Empty when there is none, also in a body that cannot be read."""
    try:
        return text(document(delivery.body).get("routing_key")) or delivery.header("x-routing-key")
    except Unreadable:
        return ""


def readable(delivery: Delivery) -> dict[str, Any]:
    """The event, if it says whose it is. Raises Invalid."""
    try:
        body = document(delivery.body)
    except Unreadable as error:
        raise Invalid([str(error)]) from None
    if not routing_key(delivery):
        raise Invalid(["'routing_key' is missing or blank"])
    return body


def check(delivery: Delivery) -> None:
    """Raises Invalid with every reason to refuse the event."""
    body = readable(delivery)
    action, key = text(body.get("event_action")), body.get("dedup_key")
    errors = []
    if action not in _ACTIONS:
        errors.append("'event_action' must be one of trigger, acknowledge, resolve")
    if key is not None and not isinstance(key, str):
        errors.append("'dedup_key' must be a string")
    elif isinstance(key, str) and len(key) > MAX_DEDUP_KEY:
        errors.append(f"'dedup_key' is longer than {MAX_DEDUP_KEY} characters")
    elif action in {"acknowledge", "resolve"} and not text(key, MAX_DEDUP_KEY):
        errors.append("'dedup_key' is missing or blank")
    if action == "trigger":
        errors += _payload_errors(body.get("payload"))
    if errors:
        raise Invalid(errors)


def _payload_errors(payload: object) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or not an object"]
    errors = [f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not text(payload.get(name))]
    if payload.get("severity") not in SEVERITIES:
        errors.append(f"'payload.severity' must be one of {', '.join(SEVERITIES)}")
    return errors


def parse(delivery: Delivery) -> Reading:
    """Reads an event that ``check`` let pass."""
    body = document(delivery.body)
    payload = mapping(body.get("payload"))
    scope = hashlib.sha256(routing_key(delivery).encode("utf-8", "replace")).hexdigest()[:12]
    given = text(body.get("dedup_key"), MAX_DEDUP_KEY)
    key = given or hashlib.sha256(delivery.body).hexdigest()[:32]
    found = AlertReceived(
        source=SOURCE,
        fingerprint=fingerprint(SOURCE, scope, key),
        fingerprint_rule=RULE if given else GENERATED_RULE,
        fingerprint_fields={"routing_key": f"SHA-256 {scope}…", "dedup_key": key},
        transition=_ACTIONS[text(body.get("event_action"))],
        occurred_at=instant(payload.get("timestamp"), delivery.now_ms),
        title=text(payload.get("summary"), MAX_TITLE),
        message=text(payload.get("summary"), MAX_MESSAGE),
        severity=severity(payload.get("severity")),
        service=text(payload.get("component")),
        tags=tags({name: payload.get(name) for name in ("source", "component", "group", "class")}),
        url=link(body.get("client_url")) or _first_link(body),
        context=msgspec.Raw(_without_key(delivery.body)),
    )
    return Reading([found], timeless="timestamp" not in payload)


def dedup_key(reading: Reading) -> str:
    """The key to answer with."""
    [event] = reading.events
    return event.fingerprint_fields["dedup_key"] if isinstance(event, AlertReceived) else ""


def _first_link(body: dict[str, Any]) -> str:
    links = body.get("links")
    found = [link(mapping(one).get("href")) for one in links] if isinstance(links, list) else []
    return next(filter(None, found), "")


def _without_key(body: bytes) -> bytes:
    """The event verbatim but for the routing key, which is a secret."""
    found = members(body)
    found.pop("routing_key", None)
    return one_line(assemble(found))
