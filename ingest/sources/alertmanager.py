"""Prometheus Alertmanager, webhook version 4; Grafana's webhook has the same frame.

Source: prometheus.io/docs/alerting/latest/configuration, ``webhook_config``; alertmanager ``notify/webhook``. The
group's status is firing while any alert of it fires, so each alert's own status counts. Delivery is at least once and
peers repeat each other: an episode is fingerprint and ``startsAt``. Nothing is signed: Bearer or Basic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.events.alerts import AlertReceived
from tocsin.events.topics import INLINE_PAYLOAD_BYTES
from tocsin.events.vocabulary import AlertTransition
from tocsin.ingest.sources.json_text import assemble, extended, members, one_line
from tocsin.ingest.sources.signatures import Secret, Verdict, shared_secret
from tocsin.ingest.sources.webhook import (
    MAX_MESSAGE,
    MAX_TITLE,
    Delivery,
    Reading,
    Unreadable,
    document,
    fingerprint,
    first,
    instant,
    link,
    mapping,
    severity,
    tags,
    text,
)

SOURCE: Final = "alertmanager"
FINGERPRINT_RULE: Final = "Alertmanager's fingerprint of the labels"
LABELS_RULE: Final = "the labels, since the sender gives no fingerprint"
_TRANSITIONS: Final[Mapping[str, AlertTransition]] = {"firing": "triggered", "resolved": "resolved"}


def verify(delivery: Delivery, secrets: Sequence[Secret]) -> Verdict:
    """``http_config.authorization`` (Bearer) or ``basic_auth`` (password)."""
    return shared_secret(delivery, secrets)


def parse(delivery: Delivery) -> Reading:
    """Raises Unreadable, also for the payload of a template, which may have any shape."""
    return group(delivery, SOURCE, FINGERPRINT_RULE)


def group(delivery: Delivery, source: str, rule: str) -> Reading:
    """The alerts of one notification, of Alertmanager or of a sender with the same frame."""
    body = document(delivery.body)
    alerts = body.get("alerts")
    if not isinstance(alerts, list):
        raise Unreadable("there is no list of alerts")
    events = [
        _alert(delivery, alert, place, context, source, rule)
        for place, (alert, context) in enumerate(zip(alerts, _contexts(delivery.body), strict=True))
    ]
    truncated = body.get("truncatedAlerts")
    return Reading(
        events,
        reason="" if events else "the group has no alerts",
        truncated=truncated if isinstance(truncated, int) and truncated > 0 else 0,
    )


def _contexts(body: bytes) -> list[bytes]:
    """Each alert verbatim; what its group says is member ``group`` of each, unless it is long."""
    frame = members(body)
    alerts = msgspec.json.decode(frame.pop("alerts"), type=list[msgspec.Raw])
    said = one_line(assemble(frame))
    group = {"group": msgspec.Raw(said)} if len(said) <= INLINE_PAYLOAD_BYTES else {}
    return [one_line(extended(bytes(alert), group)) for alert in alerts]


def _alert(delivery: Delivery, alert: object, place: int, context: bytes, source: str, rule: str) -> AlertReceived:
    found = mapping(alert)
    transition = _TRANSITIONS.get(text(found.get("status")).lower())
    if transition is None:
        raise Unreadable(f"alerts.{place}.status is neither firing nor resolved")
    labels = tags(mapping(found.get("labels")))
    annotations = mapping(found.get("annotations"))
    rule, name, identity = _identity(found, labels, source, rule, place)
    return AlertReceived(
        source=source,
        fingerprint=name,
        fingerprint_rule=rule,
        fingerprint_fields=identity,
        transition=transition,
        # while it fires, endsAt is the year 1
        occurred_at=instant(found.get("endsAt" if transition == "resolved" else "startsAt"), delivery.now_ms),
        title=first(text(annotations.get("summary"), MAX_TITLE), labels.get("alertname", ""), name),
        message=first(
            text(annotations.get("description"), MAX_MESSAGE),
            text(annotations.get("message"), MAX_MESSAGE),
            text(found.get("valueString"), MAX_MESSAGE),
        ),
        episode=text(found.get("startsAt")),
        severity=severity(labels.get("severity")) or severity(labels.get("priority")),
        service=first(*(labels.get(label, "") for label in ("service", "app", "job"))),
        team=first(labels.get("team", ""), labels.get("owner", "")),
        environment=first(*(labels.get(label, "") for label in ("environment", "env"))),
        tags=labels,
        url=first(
            *(link(found.get(field)) for field in ("panelURL", "dashboardURL", "generatorURL")),
            link(annotations.get("runbook_url")),
        ),
        context=msgspec.Raw(context),
    )


def _identity(
    alert: dict[str, Any], labels: dict[str, str], source: str, rule: str, place: int
) -> tuple[str, str, dict[str, str]]:
    if given := text(alert.get("fingerprint")):
        return rule, fingerprint(source, given), {"fingerprint": given}
    if not labels:
        raise Unreadable(f"alerts.{place} has neither a fingerprint nor labels")
    digest = hashlib.sha256(msgspec.json.encode(labels, order="sorted")).hexdigest()[:16]
    return LABELS_RULE, fingerprint(source, "labels", digest), labels
