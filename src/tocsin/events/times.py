"""Instants on the wire: RFC 3339, UTC, ``Z``, milliseconds. In state and timers: integer Unix milliseconds."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1)


@functools.lru_cache(1024)  # a batch shares its instants
def rfc3339(milliseconds: int) -> str:
    """``1700000000123`` → ``2023-11-14T22:13:20.123Z``."""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds") + "Z"


@functools.lru_cache(1024)
def unix_ms(text: str) -> int:
    """The reverse of rfc3339 for any RFC 3339 text with an offset; finer digits are cut.

    Raises ValueError for text that is no date-time or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; add Z or +hh:mm")
    return round_down_ms(moment)


def round_down_ms(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
