"""Standard Webhooks signatures of what is sent: HMAC-SHA256 over ``id.timestamp.body``, version ``v1``.

Source: standard-webhooks/standard-webhooks, spec. A secret is ``whsec_`` and base64 of 24 to 64 bytes; during a
rotation two sign, and the receiver accepts either.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
LEAST_BYTES: Final = 24
MOST_BYTES: Final = 64
MOST_SECRETS: Final = 2


def secret_text(key: bytes) -> str:
    """A new secret of random bytes, as it is shown once. Raises ValueError for too few or too many."""
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"a signing secret has {LEAST_BYTES} to {MOST_BYTES} bytes")
    return PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The bytes that sign. Raises ValueError, whose text never repeats the secret."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"a signing secret begins with {PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"a signing secret is base64 after {PREFIX}") from None
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"a signing secret has {LEAST_BYTES} to {MOST_BYTES} bytes")
    return key


def signature(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The header ``webhook-signature``; ``timestamp`` in Unix seconds. Raises ValueError for a secret that is none."""
    if not 1 <= len(secrets) <= MOST_SECRETS:
        raise ValueError(f"1 to {MOST_SECRETS} signing secrets are live")
    message = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(_token(key_of(secret), message) for secret in secrets)


def _token(key: bytes, message: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, message, hashlib.sha256)).decode()
