"""Standard Webhooks: signatures of both kinds, and the recommended body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.unit.sources.given import NOW, alert, body, delivery
from tocsin.ingest.sources.signatures import labelled
from tocsin.ingest.sources.standard_webhooks import RULE, TYPE_RULE, parse, usable, verify
from tocsin.ingest.sources.webhook import Delivery, Unreadable

KEY = b"k" * 24
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
PUBLIC = "whpk_" + base64.b64encode(PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
SECRETS = labelled(["whsec_" + base64.b64encode(KEY).decode(), PUBLIC], "default")
SECONDS = NOW // 1000
MESSAGE = f"msg_1.{SECONDS}.".encode() + b"{}"
V1 = "v1," + base64.b64encode(hmac.digest(KEY, MESSAGE, hashlib.sha256)).decode()
V1A = "v1a," + base64.b64encode(PRIVATE.sign(MESSAGE)).decode()


def sent(signature: str, *, name: str = "msg_1", timestamp: str = str(SECONDS), now_ms: int = NOW) -> Delivery:
    headers = {"webhook-id": name, "webhook-timestamp": timestamp, "webhook-signature": signature}
    return Delivery(b"{}", headers, now_ms)


@pytest.mark.parametrize(
    ("signature", "verdict"),
    [
        (V1, SECRETS[0]),
        (V1A, SECRETS[1]),
        (f"v2,whatever v1,AAAA {V1}", SECRETS[0]),
        (f"{V1A} {V1}", SECRETS[0]),
        ("", "absent"),
        (V1[:-1], "wrong"),
        (V1.replace("v1,", "v1a,"), "wrong"),
        (V1A.replace("v1a,", "v1,"), "wrong"),
        (V1A[:-3] + "B==", "wrong"),
        ("v1", "wrong"),
        (",", "wrong"),
        ("v1a,====", "wrong"),
        ("v1,é", "wrong"),
        ("v1a,\x00", "wrong"),
        (f"{'x ' * 30}{V1}", "wrong"),
    ],
)
def test_I1_signatures(signature: str, verdict: object) -> None:
    assert verify(sent(signature), SECRETS) == verdict


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0, SECRETS[0]), (300, SECRETS[0]), (-300, SECRETS[0]), (301, "stale"), (-301, "stale")],
)
def test_I1_the_time_may_be_five_minutes_off(seconds: int, verdict: object) -> None:
    assert verify(sent(V1, now_ms=NOW + seconds * 1000), SECRETS) == verdict


def test_I1_id_and_time_are_signed() -> None:
    assert verify(sent(V1, name="msg_2"), SECRETS) == "wrong"
    assert verify(sent(V1, timestamp=str(SECONDS + 1)), SECRETS) == "wrong"
    assert verify(Delivery(b"{}", {"webhook-signature": V1}, NOW), SECRETS) == "wrong"


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        (SECRETS[0].value, True),
        (PUBLIC, True),
        (base64.b64encode(KEY).decode(), True),
        ("whsec_", False),
        ("whsec_!", False),
        ("whpk_AAAA", False),
    ],
)
def test_secrets_as_the_specification_writes_them(secret: str, expected: bool) -> None:
    assert usable(secret) is expected


@pytest.mark.parametrize(
    ("content", "fingerprint", "rule", "transition"),
    [
        (body("standard/disk_full.json"), "standard:disk.full:db-7", RULE, "triggered"),
        ({"type": "disk.full.resolved", "data": {"id": "db-7"}}, "standard:disk.full:db-7", RULE, "resolved"),
        (
            {"type": "disk.full", "data": {"id": 7, "status": "acknowledged"}},
            "standard:disk.full:7",
            RULE,
            "acknowledged",
        ),
        ({"type": "invoice.paid", "data": {}}, "standard:invoice.paid", TYPE_RULE, "triggered"),
        ({"type": "invoice", "data": 7}, "standard:invoice", TYPE_RULE, "triggered"),
    ],
)
def test_I1_bodies(content: dict[str, Any], fingerprint: str, rule: str, transition: str) -> None:
    reading = parse(delivery(content, webhook_id="msg_1"))
    found = alert(reading)
    assert (found.fingerprint, found.fingerprint_rule, found.transition) == (fingerprint, rule, transition)
    assert reading.delivery_id == "msg_1"


@pytest.mark.parametrize("content", [b"{}", b"[]", b"", b'{"type":null}'])
def test_I2_a_body_without_type_is_unreadable(content: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(delivery(content))
