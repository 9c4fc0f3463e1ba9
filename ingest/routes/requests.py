"""What routes read from the head of a request."""

from __future__ import annotations

import re
from typing import Final

from asgi_correlation_id import correlation_id
from starlette.types import Scope

from tocsin.authentication import Principal
from tocsin.ingest.records import Request, now_ms
from tocsin.problems import FieldError, invalid

_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
# the part after the dot tells how much of what changes by itself was seen; a command asks for the version alone
_IF_MATCH: Final = re.compile(r'(?:W/)?"(\d{1,18})(?:\.\d{1,10})?"')
MAX_KEY_LENGTH: Final = 255

Head = dict[bytes, bytes]


def head_of(scope: Scope) -> Head:
    """The headers by name; of a repeated one, the last."""
    return dict(scope["headers"])


def request_of(head: Head, principal: Principal) -> Request:
    """What the events of this request share."""
    traceparent = head.get(b"traceparent", b"")
    if traceparent and not _TRACEPARENT.fullmatch(traceparent):
        traceparent = b""
    return Request(principal.workspace, now_ms(), correlation_id.get() or "", traceparent.decode())


def idempotency_key(head: Head) -> str:
    """The Idempotency-Key, or empty. Raises Problem 422 when it is blank or too long."""
    value = head.get(b"idempotency-key")
    if value is None:
        return ""
    key = value.decode("latin-1").strip()
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        message = f"Idempotency-Key must have 1 to {MAX_KEY_LENGTH} characters"
        raise invalid([FieldError("Idempotency-Key", "length", message)])
    return key


def expected_version(head: Head) -> int | None:
    """The version named by If-Match; None when absent or ``*``. Raises Problem 422."""
    value = head.get(b"if-match", b"*").decode("latin-1").strip()
    if value == "*":
        return None
    if found := _IF_MATCH.fullmatch(value):
        return int(found.group(1))
    raise invalid([FieldError("If-Match", "etag", 'If-Match must be one ETag as answered, such as "42"')])


def actor_of(named: str | None, head: Head, principal: Principal) -> str:
    """Who acts: the body's word, else X-Actor, else the name of the key."""
    return (named or head.get(b"x-actor", b"").decode("latin-1")).strip()[:200] or principal.name
