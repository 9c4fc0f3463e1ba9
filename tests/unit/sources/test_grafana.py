"""Grafana's alerting webhook, version 1."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from tests.unit.sources.given import NOW, body, delivery
from tocsin.events.alerts import AlertReceived
from tocsin.ingest.sources.grafana import FINGERPRINT_RULE, SIGNATURE, TIMESTAMP, parse, verify
from tocsin.ingest.sources.signatures import labelled
from tocsin.ingest.sources.webhook import Delivery

SECRETS = labelled(["old", "new"], "default")


def test_I1_each_alert_has_its_own_status_and_links() -> None:
    firing, resolved = parse(delivery(body("grafana/group.json"))).events
    assert isinstance(firing, AlertReceived)
    assert isinstance(resolved, AlertReceived)
    assert (firing.source, firing.fingerprint) == ("grafana", "grafana:c6eadffa33fcdf37")
    assert (firing.fingerprint_rule, firing.transition) == (FINGERPRINT_RULE, "triggered")
    assert (firing.severity, firing.team) == ("error", "blue")
    assert firing.url == "https://grafana.example.com/d/abc?viewPanel=1"
    assert firing.occurred_at == "2021-10-12T07:51:03.157Z"
    assert (resolved.transition, resolved.occurred_at) == ("resolved", "2021-10-12T08:01:03.000Z")
    assert resolved.url == "https://grafana.example.com/alerting/d1rdpdv7k/edit"


def signed(message: bytes, *, timestamp: str | None = None, content: bytes = b"{}") -> Delivery:
    headers = {SIGNATURE: hmac.new(b"new", message, hashlib.sha256).hexdigest()}
    return Delivery(content, headers | ({} if timestamp is None else {TIMESTAMP: timestamp}), NOW)


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0, SECRETS[1]), (300, SECRETS[1]), (-300, SECRETS[1]), (301, "stale"), (-301, "stale")],
)
def test_I1_a_signed_time_may_be_five_minutes_off(seconds: int, verdict: object) -> None:
    timestamp = str(NOW // 1000 + seconds)
    assert verify(signed(timestamp.encode() + b":{}", timestamp=timestamp), SECRETS) == verdict


def test_I1_a_time_that_was_not_signed_is_wrong() -> None:
    now = str(NOW // 1000)
    assert verify(signed(b"{}"), SECRETS) == SECRETS[1]
    assert verify(signed(b"{}", timestamp=now), SECRETS) == "wrong"
    assert verify(signed(now.encode() + b":{}"), SECRETS) == "wrong"
    assert verify(signed(b"soon:{}", timestamp="soon"), SECRETS) == "stale"


def test_I1_without_hmac_the_secret_itself_is_presented() -> None:
    assert verify(Delivery(b"{}", {"authorization": "Bearer old"}, NOW), SECRETS) == SECRETS[0]
    assert verify(Delivery(b"{}", {}, NOW), SECRETS) == "absent"
    # an empty signature is no way round it
    assert verify(Delivery(b"{}", {SIGNATURE: "", "authorization": "Bearer old"}, NOW), SECRETS) == "absent"
