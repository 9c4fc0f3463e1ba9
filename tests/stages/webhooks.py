"""Webhook senders against the ingest stage: how each would sign, and what reaches the log."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.unit.sources.given import DATA
from tocsin.ingest.sources.signatures import Secret, labelled
from tocsin.ingest.webhook_sources import Sources

OLD, NEW = "old-secret", "new-secret"
Sign = Callable[[bytes, str], dict[str, str]]


@dataclass(frozen=True)
class Sending:
    """A delivery as its sender makes it. ``signed``: the names of headers whose every bit counts."""

    source: str
    body: bytes
    sign: Sign
    signed: tuple[str, ...]
    headers: Mapping[str, str]
    path: str = ""
    covers_body: bool = True

    @property
    def route(self) -> str:
        return self.path or f"/webhooks/{self.source}"


def hex_of(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def sentry(content: bytes, secret: str) -> dict[str, str]:
    return {"sentry-hook-signature": hex_of(secret, content)}


def header(name: str) -> Sign:
    return lambda _content, secret: {name: secret}


def bearer(_content: bytes, secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def basic(_content: bytes, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"user:{secret}".encode()).decode()}


def data(name: str) -> bytes:
    return (DATA / name).read_bytes().strip()


SENDINGS: dict[str, Sending] = {
    "sentry": Sending(
        "sentry",
        data("sentry/event_alert_triggered.json"),
        sentry,
        ("sentry-hook-signature",),
        {"sentry-hook-resource": "event_alert", "request-id": "4e6a1ac9f4b1"},
    ),
    "datadog": Sending(
        "datadog",
        data("datadog/ours_triggered.json"),
        header("x-webhook-secret"),
        ("x-webhook-secret",),
        {},
        covers_body=False,
    ),
    "datadog basic": Sending("datadog", data("datadog/keep.json"), basic, (), {}, covers_body=False),
    "alertmanager": Sending(
        "alertmanager", data("alertmanager/group.json"), bearer, ("authorization",), {}, covers_body=False
    ),
    "alertmanager basic": Sending("alertmanager", data("alertmanager/group.json"), basic, (), {}, covers_body=False),
}


def knowing(secrets: Mapping[str, Sequence[Secret]], *opened: str) -> Sources:
    return Sources(lambda source: secrets.get(source, ()), frozenset(opened))


def two_live() -> Sources:
    """Every source has an old secret and a new one."""
    return knowing({sending.source: labelled([OLD, NEW], "default") for sending in SENDINGS.values()})
