"""Amazon SNS messages over HTTP: their envelope, what of it is signed, and which addresses in it may be fetched.

Source: docs.aws.amazon.com/sns, "Verifying the signatures of Amazon SNS messages". Anybody can post an envelope that
names any address, so an address is fetched only when it is SNS's own: https, ``sns.<region>.amazonaws.com(.cn)``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from tocsin.ingest.sources.webhook import Unreadable, document

Envelope = Mapping[str, str]

NOTIFICATION: Final = "Notification"
SUBSCRIPTION: Final = "SubscriptionConfirmation"
_UNSUBSCRIPTION: Final = "UnsubscribeConfirmation"
# In byte order, as they are signed; Subject only where it is present.
_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    _UNSUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_ALGORITHMS: Final = {"1": SHA1(), "2": SHA256()}  # noqa: S303 - as SNS signs
_OPTIONAL: Final = "Subject"
_HOST: Final = re.compile(r"sns\.[a-z0-9-]{3,32}\.amazonaws\.com(\.cn)?")


def envelope(body: bytes) -> Envelope | None:
    """The text members of an envelope; None for anything else, such as a message delivered raw."""
    try:
        found = document(body)
    except Unreadable:
        return None
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    required = {name for name in _SIGNED.get(texts.get("Type", ""), ()) if name != _OPTIONAL}
    return texts if required and required <= texts.keys() else None


def string_to_sign(message: Envelope) -> bytes:
    """``Key\\nValue\\n`` for each signed member."""
    names = [name for name in _SIGNED[message["Type"]] if name in message]
    return "".join(f"{name}\n{message[name]}\n" for name in names).encode()


def trusted(url: str, *, certificate: bool = False) -> bool:
    """Whether an address is SNS's own and may be fetched."""
    if not url.isascii() or any(character.isspace() or character in "\\@" for character in url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and port in {None, 443}
        and _HOST.fullmatch(parts.netloc.removesuffix(":443")) is not None
        and (not certificate or (parts.path.endswith(".pem") and not parts.query and not parts.fragment))
    )


def is_certificate(pem: bytes) -> bool:
    try:
        x509.load_pem_x509_certificate(pem)
    except ValueError:
        return False
    return True


def may_be_signed(message: Envelope) -> bool:
    """Whether there is a signature that a certificate could prove; without one nothing needs to be fetched."""
    return bool(message.get("Signature")) and message.get("SignatureVersion", "") in _ALGORITHMS


def signed_by(message: Envelope, certificate: bytes, now_ms: int) -> bool:
    """Whether the key of a certificate (PEM) signed the message. Version 1 is SHA-1, version 2 SHA-256."""
    algorithm = _ALGORITHMS.get(message.get("SignatureVersion", ""))
    given = message.get("Signature", "")
    try:
        signature = base64.b64decode(given, validate=True)
        found = x509.load_pem_x509_certificate(certificate)
    except (binascii.Error, ValueError):
        return False
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    key = found.public_key()
    if algorithm is None or not isinstance(key, RSAPublicKey):
        return False
    # encoded again, since base64 has several texts for the same bytes
    if base64.b64encode(signature).decode() != given:
        return False
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        return False
    try:
        key.verify(signature, string_to_sign(message), PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True
