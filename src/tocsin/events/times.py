"""Instants on the wire: RFC 3339, UTC, ``Z``, milliseconds. In state and timers: integer Unix milliseconds."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1)


def rfc3339(milliseconds: int) -> str:
    """``1700000000123`` → ``2023-11-14T22:13:20.123Z``."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_text(seconds)}.{rest:03d}Z"


def unix_ms(text: str) -> int:
    """The reverse of rfc3339 for any RFC 3339 text with an offset; finer digits are cut.

    Raises ValueError for text that is no date-time or has no offset.
    """
    if len(text) == 24 and text[13] == text[16] == ":" and text[19] == "." and text[23] == "Z":
        digits = text[20:23]
        if digits.isdecimal() and digits.isascii():
            return _second(text[:19]) + int(digits)
    return _parsed(text)


# Instants of a batch differ, their seconds hardly: what a calendar has to say is remembered by the second.


@functools.lru_cache(4096)
def _text(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


@functools.lru_cache(4096)
def _second(text: str) -> int:
    return _parsed(f"{text}Z")


def _parsed(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; add Z or +hh:mm")
    return round_down_ms(moment)


def round_down_ms(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
