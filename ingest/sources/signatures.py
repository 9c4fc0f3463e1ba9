"""Who sent these bytes: shared secrets and HMACs, compared in constant time, before anything is parsed.

A verdict is the secret that matched, or why none did. Malformed material is no match, never an exception.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from tocsin.ingest.sources.webhook import Delivery

STALE_AFTER_MS: Final = 5 * 60 * 1000
ORDINALS: Final = ("first", "second")


class Secret(NamedTuple):
    """One live secret. ``label``: its place among those of its source and workspace."""

    value: str
    workspace: str
    label: str


# absent: nothing was presented; wrong: no secret matches; stale: the signed time is too far from now
Refusal = Literal["absent", "wrong", "stale"]
Verdict = Secret | Refusal


def labelled(values: Iterable[str], workspace: str) -> list[Secret]:
    """Secrets in the order they are tried."""
    return [
        Secret(value, workspace, ORDINALS[place] if place < len(ORDINALS) else f"number {place + 1}")
        for place, value in enumerate(values)
    ]


def among(secrets: Sequence[Secret], expected: Iterable[bytes], presented: bytes) -> Verdict:
    """The first secret whose expected value was presented. Every one is compared, so that the time tells nothing."""
    found: Verdict = "wrong"
    for secret, value in zip(secrets, expected, strict=True):
        if hmac.compare_digest(value, presented) and found == "wrong":
            found = secret
    return found


def hmac_hex(presented: str, secrets: Sequence[Secret], message: bytes, prefix: str = "") -> Verdict:
    """HMAC-SHA256 of the message as lower-case hex digits after ``prefix``."""
    if not presented:
        return "absent"
    digests = [
        (prefix + hmac.digest(secret.value.encode(), message, hashlib.sha256).hex()).encode() for secret in secrets
    ]
    return among(secrets, digests, presented.encode("latin-1", "replace"))


def shared_secret(delivery: Delivery, secrets: Sequence[Secret], *names: str) -> Verdict:
    """The secret itself in one of these headers, as Bearer token, or as Basic password."""
    presented = next((found for name in names if (found := delivery.header(name))), "") or _authorization(delivery)
    if presented is None:
        return "absent"
    # digests have one length, so that the time does not tell the secret's
    digests = [hashlib.sha256(secret.value.encode()).digest() for secret in secrets]
    return among(secrets, digests, hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest())


def _authorization(delivery: Delivery) -> str | None:
    """The credentials of the Authorization header: None when there is none, empty when it cannot be read."""
    scheme, _, credentials = delivery.header("authorization").partition(" ")
    if not scheme:
        return None
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def stale(seconds: str, now_ms: int) -> bool:
    """Whether a signed time (Unix seconds) lies more than five minutes away, either way, or is no time."""
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 12):
        return True
    return abs(int(seconds) * 1000 - now_ms) > STALE_AFTER_MS
