"""What is kept of an answer's headers, and when it asks to be tried again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MOST_HEADERS: Final = 32
MAX_NAME: Final = 128
MAX_VALUE: Final = 512

_SECRET: Final = frozenset(
    {"set-cookie", "set-cookie2", "cookie", "authorization", "proxy-authorization", "authentication-info"}
)
_SECRET_ENDINGS: Final = ("-key", "-token", "-secret")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")


def kept_headers(raw: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """The first 32 in lower case, each shortened, none that may hold a secret."""
    named = ((_text(name, MAX_NAME).lower(), value) for name, value in raw)
    kept = [(name, _text(value, MAX_VALUE)) for name, value in named if not secret(name)]
    return tuple(kept[:MOST_HEADERS])


def secret(name: str) -> bool:
    """Whether a header of this lower-case name is kept from logs."""
    return name in _SECRET or name.endswith(_SECRET_ENDINGS)


def _text(value: bytes, most: int) -> str:
    return _UNPRINTABLE.sub("\ufffd", value[:most].decode("utf-8", "replace"))


def retry_after(value: str, now_ms: int) -> int | None:
    """Seconds, of a number or an HTTP date (RFC 9110 section 10.2.3); None when it is neither."""
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return int(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0, math.ceil((_utc(moment) - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds()))


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
