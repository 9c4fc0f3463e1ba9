"""Standard Webhooks: signed by HMAC-SHA256 (``v1``) or ed25519 (``v1a``).

Source: standard-webhooks/standard-webhooks, spec. Signed is ``id.timestamp.body``; the timestamp is the attempt's and
may be five minutes off, either way. A secret is ``whsec_`` and a public key ``whpk_`` before base64. A sender that
rotates signs with both keys: any match is accepted, unknown versions are passed over, a malformed token is no match.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tocsin.ingest.sources import loose
from tocsin.ingest.sources.signatures import Secret, Verdict, stale
from tocsin.ingest.sources.webhook import Delivery, Reading, Unreadable, document, mapping, text, verbatim

SOURCE: Final = "standard"
RULE: Final = "the event's type and the data's own key"
TYPE_RULE: Final = "the event's type, since the data has no key of its own"
_SECRET: Final = "whsec_"  # noqa: S105 - a prefix
_PUBLIC: Final = "whpk_"
_MAX_TOKENS: Final = 20


def verify(delivery: Delivery, secrets: Sequence[Secret]) -> Verdict:
    """``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``."""
    presented = delivery.header("webhook-signature")
    if not presented:
        return "absent"
    name, timestamp = delivery.header("webhook-id"), delivery.header("webhook-timestamp")
    message = f"{name}.{timestamp}.".encode() + delivery.body
    tokens = presented.split(" ")[:_MAX_TOKENS]
    found = [secret for secret in secrets if _signed_with(secret.value, tokens, message)]
    if not found or not name:
        return "wrong"
    return "stale" if stale(timestamp, delivery.now_ms) else found[0]


def usable(secret: str) -> bool:
    """Whether it is a secret or a public key as the specification writes them."""
    key = _decoded(secret.removeprefix(_PUBLIC).removeprefix(_SECRET))
    return key is not None and (len(key) == 32 if secret.startswith(_PUBLIC) else bool(key))


def _signed_with(secret: str, tokens: Sequence[str], message: bytes) -> bool:
    if secret.startswith(_PUBLIC):
        return any(_verifies(secret.removeprefix(_PUBLIC), token, message) for token in tokens)
    key = _decoded(secret.removeprefix(_SECRET))
    if not key:
        return False
    expected = b"v1," + base64.b64encode(hmac.digest(key, message, hashlib.sha256))
    return any(hmac.compare_digest(expected, token.encode("latin-1", "replace")) for token in tokens)


def _verifies(public: str, token: str, message: bytes) -> bool:
    version, _, value = token.partition(",")
    key, signature = _decoded(public), _decoded(value)
    # encoded again, since base64 has several texts for the same bytes
    if version != "v1a" or key is None or signature is None or base64.b64encode(signature).decode() != value:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def parse(delivery: Delivery) -> Reading:
    """The recommended body is ``{type, timestamp, data}``. Raises Unreadable."""
    body = document(delivery.body)
    kind = text(body.get("type"))
    if not kind:
        raise Unreadable("the member type is missing")
    data: dict[str, Any] = mapping(body.get("data"))
    transition, base = loose.state_of(kind, data)
    field, key = loose.identity_in(data)
    identity = {"type": base} | ({f"data.{field}": key} if key else {})
    found = loose.alert(
        delivery,
        SOURCE,
        RULE if key else TYPE_RULE,
        identity,
        transition,
        data,
        # the header's time is the attempt's
        occurred_at=body.get("timestamp"),
        otherwise=base,
        more_tags={},
        context=verbatim(delivery.body),
    )
    return Reading([found], delivery_id=delivery.header("webhook-id"))
