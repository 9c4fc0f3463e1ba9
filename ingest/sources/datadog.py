"""Datadog webhooks. The body is whatever the user's template says; ours is ``deploy/datadog-webhook.json``.

Source: docs.datadoghq.com/integrations/webhooks. Values are text, dates are milliseconds; a variable that has no value
stays empty or stands there literally (``$ALERT_ID``). Nothing is signed: a shared secret comes in a custom header or as
Basic password. Besides our template the spellings of the default payload, Keep, incident.io, Rootly, ilert and SIGNL4
are understood. ``id`` is no delivery id, since templates put the monitor there: the body names the delivery.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.events.alerts import AlertReceived
from tocsin.events.vocabulary import AlertTransition, Severity
from tocsin.ingest.sources.signatures import Secret, Verdict, shared_secret
from tocsin.ingest.sources.webhook import (
    MAX_MESSAGE,
    MAX_TITLE,
    MAX_URL,
    Delivery,
    Reading,
    Unreadable,
    document,
    fields_as_json,
    fingerprint,
    first,
    form,
    instant,
    link,
    mapping,
    severity,
    tags,
    text,
    verbatim,
)

SOURCE: Final = "datadog"
MONITOR_RULE: Final = "Datadog's monitor and group"
AGGREGATION_RULE: Final = "Datadog's aggregation key"
TITLE_RULE: Final = "the title without its state, since the template sends no monitor id"

# What a template may call each thing, best first. Names are compared in lower case without "_", "-" and "$".
_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "monitor": ("alertid", "monitorid"),
    "scope": ("alertscope", "scope", "scopes", "monitorgroup"),
    "cycle": ("alertcyclekey", "cyclekey"),
    "aggregation": ("aggregkey", "aggregationkey", "deduplicationkey"),
    "transition": ("alerttransition", "transition", "monitorstatus", "alertstate", "state", "status"),
    "type": ("alerttype",),
    "priority": ("alertpriority", "priority", "severity"),
    "title": ("alerttitle", "eventtitle", "title", "subject"),
    "message": ("textonlymsg", "eventmsg", "body", "message", "text", "description", "msg"),
    "link": ("link", "url", "alerturl", "sourceurl", "eventurl"),
    "tags": ("tags",),
    "host": ("hostname", "host"),
    "date": ("date", "dateposix", "lastupdated"),
    "metric": ("alertmetric", "metric"),
    "status": ("alertstatus",),
}
_TRANSITIONS: Final[Mapping[str, AlertTransition]] = {
    "triggered": "triggered",
    "alert": "triggered",
    "warn": "triggered",
    "no data": "triggered",
    "re-triggered": "repeated",
    "re-warn": "repeated",
    "re-no data": "repeated",
    "renotify": "repeated",
    "recovered": "resolved",
    "ok": "resolved",
}
_OF_TYPE: Final[Mapping[str, AlertTransition]] = {"success": "resolved"}
_UNSET: Final = re.compile(r"\$[A-Z_]+(\[.*\])?")
# "[P2] [Re-Triggered on {host:db-7}] Disk is full"
_STATE: Final = re.compile(r"^\s*(?:\[P[1-5]\]\s*)?\[([A-Za-z -]+?)(?: on \{[^}]*\})?\]\s*")


def verify(delivery: Delivery, secrets: Sequence[Secret]) -> Verdict:
    """``X-Webhook-Secret``, Bearer, or the Basic password of the URL."""
    return shared_secret(delivery, secrets, "x-webhook-secret")


def parse(delivery: Delivery) -> Reading:
    """Raises Unreadable."""
    body, context = _of_form(delivery.body) if delivery.is_form else _of_json(delivery.body)
    fields = _fields(body)
    title, state = _title_and_state(fields["title"])
    transition = _transition(fields["transition"] or state, fields["type"])
    rule, name, identity = _identity(fields, title)
    found = _tags(fields["tags"])
    return Reading(
        [
            AlertReceived(
                source=SOURCE,
                fingerprint=name,
                fingerprint_rule=rule,
                fingerprint_fields=identity,
                transition=transition,
                occurred_at=instant(fields["date"], delivery.now_ms),
                title=first(title, fields["metric"], f"Datadog monitor {fields['monitor']}"),
                message=first(fields["message"], fields["status"]),
                episode=fields["cycle"],
                severity=_severity(fields, fields["transition"] or state),
                service=found.get("service", ""),
                team=found.get("team", ""),
                environment=first(found.get("env", ""), found.get("environment", "")),
                tags=tags({**found, "host": fields["host"]}),
                url=link(fields["link"]),
                context=context,
            )
        ],
        timeless=not fields["date"],
    )


def _of_json(body: bytes) -> tuple[dict[str, Any], msgspec.Raw]:
    return document(body), verbatim(body)


def _of_form(body: bytes) -> tuple[dict[str, Any], msgspec.Raw]:
    """A field for each member of the payload ("Encode as form"); some proxies send the whole as ``payload``."""
    fields = form(body)
    if list(fields) == ["payload"]:
        return _of_json(fields["payload"].encode())
    return dict(fields), fields_as_json(fields)


def _fields(body: dict[str, Any]) -> dict[str, str]:
    """The value of each thing under any of its names, also one level down (``metadata``, ``monitor``)."""
    flat: dict[str, str] = {}
    for outer, value in body.items():
        for name, inner in ({outer: value} if not isinstance(value, dict) else _prefixed(outer, value)).items():
            found = ",".join(map(text, inner)) if isinstance(inner, list) else text(inner, MAX_MESSAGE)
            if found and not _UNSET.fullmatch(found):
                flat.setdefault(_plain(name), found)
    limits = {"title": MAX_TITLE, "message": MAX_MESSAGE, "tags": MAX_MESSAGE, "link": MAX_URL}
    return {
        thing: next((flat[name] for name in names if name in flat), "")[: limits.get(thing, 200)]
        for thing, names in _SPELLINGS.items()
    }


def _prefixed(outer: str, value: object) -> dict[str, Any]:
    """``{"monitor": {"id": 1}}`` is also ``monitor_id``."""
    inner = mapping(value)
    return {**{outer + name: item for name, item in inner.items()}, **(inner if outer == "metadata" else {})}


def _plain(name: str) -> str:
    return re.sub(r"[_$ -]", "", name).lower()


def _title_and_state(title: str) -> tuple[str, str]:
    found = _STATE.match(title)
    if found is None or found.group(1).strip().lower() not in _TRANSITIONS:
        return title, ""
    return title[found.end() :].strip(), found.group(1).strip()


def _transition(word: str, kind: str) -> AlertTransition:
    """What no template or version of Datadog names otherwise is a trigger: better one alert too many."""
    return _TRANSITIONS.get(word.lower()) or _OF_TYPE.get(kind.lower()) or "triggered"


def _severity(fields: dict[str, str], word: str) -> Severity | None:
    """The monitor's priority where it has one, else how bad the transition is."""
    if found := severity(fields["priority"]):
        return found
    if word.lower() in {"warn", "re-warn"}:
        return "warning"
    return severity(fields["type"])


def _identity(fields: dict[str, str], title: str) -> tuple[str, str, dict[str, str]]:
    """Rule, fingerprint, fields. Raises Unreadable when nothing identifies the alert."""
    if fields["monitor"]:
        scope = ",".join(sorted(part.strip() for part in fields["scope"].split(",") if part.strip()))
        found = {"alert_id": fields["monitor"], "alert_scope": scope}
        return MONITOR_RULE, fingerprint(SOURCE, "monitor", fields["monitor"], scope), found
    if fields["aggregation"]:
        return (
            AGGREGATION_RULE,
            fingerprint(SOURCE, "aggregation", fields["aggregation"]),
            {"aggreg_key": fields["aggregation"]},
        )
    if title:
        return TITLE_RULE, fingerprint(SOURCE, "title", title.lower()), {"title": title}
    raise Unreadable("neither a monitor id nor an aggregation key nor a title; use deploy/datadog-webhook.json")


def _tags(value: str) -> dict[str, str]:
    """``env:prod,service:web,urgent`` as a mapping; a tag without value is ``true``."""
    pairs = (part.strip().partition(":") for part in value.split(",") if part.strip())
    return tags({name: content or "true" for name, _, content in pairs})
