"""Webhook senders against the ingest stage: how each would sign, and what reaches the log."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.unit.sources.given import DATA
from tocsin.ingest.mappers import read_mappers
from tocsin.ingest.sources.signatures import Secret, labelled
from tocsin.ingest.webhook_sources import Sources

MAPPERS = Path(__file__).parents[2] / "deploy" / "mappers.yaml"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
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


def grafana_hmac(content: bytes, secret: str) -> dict[str, str]:
    return {"x-grafana-alerting-signature": hex_of(secret, content)}


def grafana_timed(content: bytes, secret: str) -> dict[str, str]:
    now = str(int(time.time()))
    return {
        "x-grafana-alerting-signature": hex_of(secret, now.encode() + b":" + content),
        "x-grafana-alerting-timestamp": now,
    }


def github(content: bytes, secret: str) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hex_of(secret, content)}


def standard(content: bytes, secret: str) -> dict[str, str]:
    now = str(int(time.time()))
    digest = hmac.digest(base64.b64decode(whsec(secret)), f"msg_1.{now}.".encode() + content, hashlib.sha256)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": now,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def whsec(secret: str) -> str:
    """The secret as Standard Webhooks writes it, without its prefix."""
    return base64.b64encode(secret.encode()).decode()


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
    "grafana": Sending("grafana", data("grafana/group.json"), grafana_hmac, ("x-grafana-alerting-signature",), {}),
    "grafana timed": Sending(
        "grafana",
        data("grafana/group.json"),
        grafana_timed,
        ("x-grafana-alerting-signature", "x-grafana-alerting-timestamp"),
        {},
    ),
    "grafana bearer": Sending("grafana", data("grafana/group.json"), bearer, ("authorization",), {}, covers_body=False),
    "github": Sending(
        "github",
        data("github/workflow_run_completed.json"),
        github,
        ("x-hub-signature-256",),
        {"x-github-event": "workflow_run", "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
    ),
    "standard": Sending(
        "standard",
        data("standard/disk_full.json"),
        standard,
        ("webhook-id", "webhook-timestamp", "webhook-signature"),
        {},
    ),
}


def knowing(secrets: Mapping[str, Sequence[Secret]], *opened: str) -> Sources:
    return Sources(lambda source: secrets.get(source, ()), frozenset(opened))


def two_live() -> Sources:
    """Every source has an old secret and a new one."""
    known = {sending.source: labelled([OLD, NEW], "default") for sending in SENDINGS.values()}
    known["standard"] = labelled(["whsec_" + whsec(OLD), "whsec_" + whsec(NEW)], "default")
    known["pagerduty"] = labelled([ROUTING_KEY], "default")
    return replace(knowing(known), mapper=read_mappers(MAPPERS).get)
