"""Amazon SNS as a sender: messages signed with a key of the tests, and the certificate of that key."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tocsin.ingest.fetch import FetchError
from tocsin.ingest.sources import sns

TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
SUBSCRIBE_URL = f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
_KEY = generate_private_key(65537, 2048)
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
CERTIFICATE = (
    x509.CertificateBuilder()
    .subject_name(_NAME)
    .issuer_name(_NAME)
    .public_key(_KEY.public_key())
    .serial_number(1)
    .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
    .sign(_KEY, SHA256())
    .public_bytes(Encoding.PEM)
)


def message(content: object, *, version: str = "1", subject: str | None = "ALARM", **changes: str) -> dict[str, str]:
    """A notification; ``content``: text, or what becomes JSON."""
    found = {
        "Type": "Notification",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": TOPIC,
        **({} if subject is None else {"Subject": subject}),
        "Message": content if isinstance(content, str) else json.dumps(content),
        "Timestamp": "2026-01-31T12:00:00.000Z",
        "SigningCertURL": CERTIFICATE_URL,
    }
    return _signed(found | changes, version)


def subscription(**changes: str) -> dict[str, str]:
    found = {
        "Type": "SubscriptionConfirmation",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1c",
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe to the topic.",
        "SubscribeURL": SUBSCRIBE_URL,
        "Timestamp": "2026-01-31T12:00:00.000Z",
        "SigningCertURL": CERTIFICATE_URL,
    }
    return _signed(found | changes, "2")


def _signed(found: Mapping[str, str], version: str) -> dict[str, str]:
    algorithm: Any = SHA1() if version == "1" else SHA256()  # noqa: S303 - as SNS signs
    signature = _KEY.sign(sns.string_to_sign(found), PKCS1v15(), algorithm)
    return {**found, "SignatureVersion": version, "Signature": base64.b64encode(signature).decode()}


class MemoryFetch:
    """SNS's own addresses in memory; notes what is asked for."""

    def __init__(self) -> None:
        self.answers = {CERTIFICATE_URL: CERTIFICATE, SUBSCRIBE_URL: b"<ConfirmSubscriptionResponse/>"}
        self.asked: list[str] = []

    async def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.answers:
            raise FetchError("not there")
        return self.answers[url]
