"""Headers that users add to their webhooks: what they may not name, and their limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tocsin.egress.refusal import Refusal

MOST: Final = 32
MAX_NAME: Final = 128
MAX_VALUE: Final = 4096
MAX_ALL: Final = 16 * 1024
"""Bytes of all names and values."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
# hop by hop (RFC 9110 section 7.6.1), framing, the codings of both bodies, and the delivery's own
_OURS: Final = frozenset(
    {"host", "content-length", "content-encoding", "transfer-encoding", "accept-encoding", "connection", "keep-alive"}
    | {"te", "trailer", "upgrade", "expect", "http2-settings", "x-attempt", "x-scheduled-for"}
    | {"proxy-connection", "proxy-authorization", "proxy-authenticate"}
)
_OUR_PREFIXES: Final = ("webhook-", ":")
_SHOWN: Final = 40


def reserved(name: str) -> bool:
    """Whether the sender sets or forbids it."""
    lower = name.lower()
    return lower in _OURS or lower.startswith(_OUR_PREFIXES)


def sendable(name: str, value: str) -> bool:
    """Whether it can be put on the wire without breaking out of its line."""
    return bool(_TOKEN.fullmatch(name) and _VALUE.fullmatch(value))


def check_headers(headers: Mapping[str, str]) -> list[Refusal]:
    """Everything that is wrong; ``at`` is the header's name."""
    found: list[Refusal] = []
    if len(headers) > MOST:
        found.append(Refusal("too_many", f"There are at most {MOST} headers"))
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_ALL:
        found.append(Refusal("too_long", f"All headers together have at most {MAX_ALL} bytes"))
    seen: set[str] = set()
    for name, value in headers.items():
        if refusal := _name(name, seen) or _value(name, value):
            found.append(refusal)
        seen.add(name.lower())
    return found


def _name(name: str, seen: set[str]) -> Refusal | None:
    at = name[:_SHOWN]
    if not _TOKEN.fullmatch(name) or len(name) > MAX_NAME:
        message = f"A header name has 1 to {MAX_NAME} letters, digits or characters of !#$%&'*+-.^_`|~"
        return Refusal("header_name", message, at=at)
    if reserved(name):
        return Refusal("reserved_header", f"{at} is set by the delivery itself", at=at)
    if name.lower() in seen:
        return Refusal("repeated_header", f"{at} is given twice; names differ in more than case", at=at)
    return None


def _value(name: str, value: str) -> Refusal | None:
    at = name[:_SHOWN]
    if len(value) > MAX_VALUE:
        return Refusal("header_value", f"The value of {at} has at most {MAX_VALUE} characters", at=at)
    if not _VALUE.fullmatch(value):
        return Refusal("header_value", f"The value of {at} has visible ASCII characters, spaces and tabs only", at=at)
    if value != value.strip():
        return Refusal("header_value", f"The value of {at} begins or ends with a space", at=at)
    return None
