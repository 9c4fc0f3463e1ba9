"""Grafana alerting webhooks, version 1: Alertmanager's frame with links to panels.

Source: grafana.com/docs, Alerting, Webhook notifier. With "HMAC signature" (Grafana 12) the header
``X-Grafana-Alerting-Signature`` is the bare hex HMAC-SHA256 of the body, or of ``timestamp:body`` when a timestamp
header is configured. Grafana has no default name for that header; here it is ``X-Grafana-Alerting-Timestamp``. Without
HMAC the secret comes as Bearer token or Basic password.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.ingest.sources.alertmanager import group
from tocsin.ingest.sources.signatures import Secret, Verdict, hmac_hex, shared_secret, stale
from tocsin.ingest.sources.webhook import Delivery, Reading

SOURCE: Final = "grafana"
FINGERPRINT_RULE: Final = "Grafana's fingerprint of the labels"
SIGNATURE: Final = "x-grafana-alerting-signature"
TIMESTAMP: Final = "x-grafana-alerting-timestamp"


def verify(delivery: Delivery, secrets: Sequence[Secret]) -> Verdict:
    """The signature where there is one, else the shared secret."""
    if SIGNATURE not in delivery.headers:
        return shared_secret(delivery, secrets)
    timestamp = delivery.header(TIMESTAMP)
    message = timestamp.encode() + b":" + delivery.body if TIMESTAMP in delivery.headers else delivery.body
    verdict = hmac_hex(delivery.header(SIGNATURE), secrets, message)
    if isinstance(verdict, Secret) and TIMESTAMP in delivery.headers and stale(timestamp, delivery.now_ms):
        return "stale"
    return verdict


def parse(delivery: Delivery) -> Reading:
    """Raises Unreadable."""
    return group(delivery, SOURCE, FINGERPRINT_RULE)
