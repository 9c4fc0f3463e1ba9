"""What an answer about an outside job says: done, failed, still at it, or nothing that can be read. Pure.

The whole answer is read where it arrives and only what was found of it travels on.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from tocsin.events import json_path
from tocsin.events.deliveries import PollAnswer, PollReading
from tocsin.events.tasks import MAX_RESULT_BYTES, too_large
from tocsin.events.topics import INLINE_PAYLOAD_BYTES
from tocsin.events.vocabulary import PollState

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Of an answer that is read; a result has less, but may be wrapped in more."""
_SHOWN: Final = 1024


def read(reading: PollReading, text: str, *, cut: bool = False) -> tuple[PollAnswer, bytes]:
    """The answer, and the result that is to be in the payloads topic before it (empty: none)."""
    if cut:
        return PollAnswer(state="unreadable", detail=f"the answer has more than {MAX_ANSWER_BYTES} bytes"), b""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return PollAnswer(state="unreadable", detail="the answer is not JSON"), b""
    word = _word(json_path.find(document, reading.status_path))
    if word is None:
        return PollAnswer(state="unreadable", detail=f"the answer has no status at {reading.status_path}"), b""
    state = _state(word, reading)
    if state == "completed":
        return _completed(word, json_path.find(document, reading.result_path))
    detail = text[:_SHOWN] if state == "failed" else ""
    return PollAnswer(state=state, external_status=word[:_SHOWN], detail=detail), b""


def _word(found: Any) -> str | None:
    """A status as a word; numbers and booleans as JSON has them."""
    if isinstance(found, str):
        return found
    if isinstance(found, bool | int | float):
        return msgspec.json.encode(found).decode()
    return None


def _state(word: str, reading: PollReading) -> PollState:
    if _among(word, reading.completed_values):
        return "completed"
    return "failed" if _among(word, reading.failed_values) else "running"


def _among(word: str, values: tuple[str, ...]) -> bool:
    return word.strip().casefold() in {value.casefold() for value in values}


def _completed(word: str, result: Any) -> tuple[PollAnswer, bytes]:
    """Without anything at its path the result is null."""
    encoded = msgspec.json.encode(None if result is json_path.MISSING else result)
    found = PollAnswer(state="completed", external_status=word[:_SHOWN])
    if len(encoded) > MAX_RESULT_BYTES:
        detail = too_large(len(encoded))
        return msgspec.structs.replace(found, state="oversize", detail=detail), b""
    if len(encoded) > INLINE_PAYLOAD_BYTES:
        return msgspec.structs.replace(found, result_digest=hashlib.sha256(encoded).hexdigest()), encoded
    return msgspec.structs.replace(found, result=msgspec.Raw(encoded)), b""
