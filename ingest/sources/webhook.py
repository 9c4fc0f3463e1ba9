"""One webhook delivery as it came and what it says; how the values of any sender become fields of an event.

Readers of values never fail: what is missing, of another type or too long becomes empty or is cut. Only a parser
decides that a delivery cannot be understood, and says so with Unreadable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from tocsin.events.alerts import AlertReceived
from tocsin.events.tickets import FailureReported, SuccessReported
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.events.vocabulary import SEVERITY_SYNONYMS, Severity
from tocsin.ingest.sources.json_text import one_line, too_deep

Event = AlertReceived | FailureReported | SuccessReported
OPEN: Final = "open"
"""``verified_by`` of a source that the installation opened to everybody."""

MAX_AHEAD_MS: Final = 5 * 60 * 1000
MAX_FINGERPRINT: Final = 400
MAX_TITLE: Final = 500
MAX_MESSAGE: Final = 10_000
MAX_NAME: Final = 200
MAX_URL: Final = 2_048
MAX_TAGS: Final = 100
# Below: seconds since 1970, from here on: milliseconds. As seconds it would be the year 5138.
_FIRST_MILLISECONDS: Final = 100_000_000_000


class Unreadable(ValueError):
    """A delivery that is genuine but cannot be understood; ``str(error)`` says why. It is kept, not lost."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """``headers`` by lower-case name. ``now_ms``: Unix milliseconds of its arrival. ``mapper``: of a generic one."""

    body: bytes
    headers: Mapping[str, str]
    now_ms: int
    verified_by: str = ""
    mapper: str = ""

    def header(self, name: str) -> str:
        return self.headers.get(name, "").strip()

    @property
    def is_form(self) -> bool:
        """curl -d says form and sends JSON, so the text has a word in it too."""
        declared = self.header("content-type").lower().startswith("application/x-www-form-urlencoded")
        return declared and self.body.lstrip()[:1] not in {b"{", b"["}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a delivery says.

    ``reason``: why there are no events. ``delivery_id``: the sender's name of this delivery, the same on a retry; empty
    when it has none (then the body itself is the name). ``event_ids``: the same for each event, where a delivery is a
    batch of independent ones. ``truncated``: alerts the sender left out. ``timeless``: neither name nor time is in it,
    so that the same bytes some time later are no repeat but news.
    """

    events: Sequence[Event] = ()
    reason: str = ""
    delivery_id: str = ""
    event_ids: Sequence[str] = ()
    truncated: int = 0
    timeless: bool = False


# --- JSON and forms -------------------------------------------------------------------------------------------------


def decoded(body: bytes) -> Any:
    """The JSON value of a body. Raises Unreadable."""
    try:
        body.decode()  # the decoder looks at the encoding only where it makes a string
        if too_deep(body):
            raise Unreadable("the body is nested too deeply")
        return msgspec.json.decode(body)
    except UnicodeDecodeError as error:
        raise Unreadable(f"the body is not UTF-8: byte {error.start} cannot be read") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable(f"the body is not JSON: {str(error)[:200]}") from None


def document(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises Unreadable."""
    found = decoded(body)
    if not isinstance(found, dict):
        raise Unreadable("the body is not a JSON object")
    return found


def form(body: bytes) -> dict[str, str]:
    """The fields of a form; of a repeated one, the last. Raises Unreadable."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1_000, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise Unreadable("the body is not a form in UTF-8") from None
    return dict(pairs)


def verbatim(body: bytes) -> msgspec.Raw:
    """A body known to be JSON as context: its own text, on one line."""
    return msgspec.Raw(one_line(body.strip()))


def fields_as_json(fields: Mapping[str, str]) -> msgspec.Raw:
    """The fields of a form as context."""
    return msgspec.Raw(msgspec.json.encode(fields))


# --- values ---------------------------------------------------------------------------------------------------------


def text(value: object, limit: int = MAX_NAME) -> str:
    """A scalar as text without NUL, at most ``limit`` characters; empty for anything else."""
    if isinstance(value, str):
        return value.replace("\x00", "").strip()[:limit]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:limit] if isinstance(value, int | float) else ""


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def first(*values: str) -> str:
    return next((value for value in values if value), "")


def link(value: object) -> str:
    """An http(s) link, else empty: nothing else may become one on a page."""
    found = text(value, MAX_URL + 1)
    return found if len(found) <= MAX_URL and found.lower().startswith(("https://", "http://")) else ""


def tags(pairs: Mapping[str, Any]) -> dict[str, str]:
    """The scalars among them, the first MAX_TAGS."""
    read = ((text(name), text(value)) for name, value in islice(pairs.items(), MAX_TAGS))
    return {name: value for name, value in read if name and value}


def severity(value: object) -> Severity | None:
    """The severity a word means (P1, fatal, high…); None when it means none."""
    return SEVERITY_SYNONYMS.get(text(value).lower())


def instant(value: object, now_ms: int) -> str:
    """RFC 3339 of a time in RFC 3339, in seconds or in milliseconds since 1970; of now when it is none.

    Now also for a time more than five minutes ahead: a wrong clock must not outrank every later word.
    """
    found = _milliseconds(value)
    return rfc3339(now_ms if found is None or not 0 < found <= now_ms + MAX_AHEAD_MS else found)


def _milliseconds(value: object) -> int | None:
    try:
        if isinstance(value, str) and not value.strip().replace(".", "", 1).isdecimal():
            moment = datetime.fromisoformat(value.strip())
            return round_down_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            number = float(value)
            return int(number if number >= _FIRST_MILLISECONDS else number * 1000)
    except (ValueError, OverflowError):
        pass
    return None


def fingerprint(*parts: str) -> str:
    """``sentry:issue:123``; one that would be too long ends in the digest of what was cut."""
    found = ":".join(part.replace("\x00", "") for part in parts)
    if len(found) <= MAX_FINGERPRINT:
        return found
    return found[: MAX_FINGERPRINT - 33] + "~" + hashlib.sha256(found.encode()).hexdigest()[:32]
