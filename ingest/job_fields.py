"""One reader per field of a job: a JSON value in, the value of a spec out, or what is wrong with it. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tocsin import secret_headers
from tocsin.cron import DST_POLICIES, FORMATS, ScheduleError, zone
from tocsin.egress.headers import check_headers
from tocsin.egress.policy import EgressPolicy
from tocsin.egress.refusal import Refusal
from tocsin.encryption import Cipher
from tocsin.errors import StartError
from tocsin.events.vocabulary import CATCHUPS, OVERLAPS
from tocsin.problems import FieldError

MAX_NAME: Final = 200
MAX_ATTEMPTS: Final = 20
MAX_JITTER_SECONDS: Final = 3_600
MAX_CATCHUP_WINDOW_SECONDS: Final = 31 * 86_400
MAX_TAGS: Final = 20
MAX_TAG: Final = 64
MAX_STATUSES: Final = 50
_SHOWN: Final = 40
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

Reader = Callable[[Any], Any]


class Wrong(ValueError):
    """Everything that is wrong with one field; the paths are relative to it."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__()
        self.errors = errors


def wrong(code: str, message: str, allowed: Iterable[str] | None = None, at: str = "") -> Wrong:
    return Wrong(FieldError(at, code, message, None if allowed is None else tuple(allowed)))


# --- plain values ---------------------------------------------------------------------------------------------------


def text(most: int) -> Reader:
    """Text of 1 to ``most`` characters on one line, spaces around it cut."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong("type", "text is needed")
        found = value.strip()
        if not 0 < len(found) <= most:
            raise wrong("length", f"1 to {most} characters are needed")
        if _CONTROL.search(found):
            raise wrong("control_character", "text has no control characters")
        return found

    return read


def one_of(*words: str) -> Reader:
    def read(value: Any) -> str:
        if value not in words or not isinstance(value, str):
            raise wrong("enum", f"one of {', '.join(words)} is needed", words)
        return value

    return read


def whole(least: int, most: int) -> Reader:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong("type", "a whole number is needed")
        if not least <= value <= most:
            raise wrong("range", f"a whole number from {least} to {most} is needed", (f"{least}..{most}",))
        return value

    return read


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise wrong("type", "true or false is needed", ("true", "false"))
    return value


def items_of(one: Reader, most: int) -> Reader:
    """A list without repeats, each item read by ``one``."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise wrong("type", "a list is needed")
        if len(value) > most:
            raise wrong("too_many", f"there are at most {most}")
        found: dict[Any, None] = {}
        errors: list[FieldError] = []
        for at, item in enumerate(value):
            try:
                found[one(item)] = None
            except Wrong as error:
                errors += [dataclasses.replace(inner, field=str(at)) for inner in error.errors]
        if errors:
            raise Wrong(*errors)
        return tuple(found)

    return read


def _timezone(value: Any) -> str:
    found = str(text(64)(value))
    try:
        zone(found)
    except ScheduleError as error:
        raise wrong(error.code, error.message, error.allowed) from None
    return found


# --- where it goes --------------------------------------------------------------------------------------------------


def _url(policy: EgressPolicy) -> Reader:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong("type", "text is needed")
        judged = policy.check_url(value)
        if isinstance(judged, Refusal):
            raise wrong(judged.code, judged.message, judged.allowed)
        return value

    return read


def _headers(cipher: Cipher, *, keeping: bool) -> Reader:
    """``keeping``: there is a job already, whose values ``***`` keeps."""

    def read(value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise wrong("type", "an object is needed: names and values")
        errors = [
            FieldError(name[:_SHOWN], "type", f"The value of {name[:_SHOWN]} is text")
            for name, one in value.items()
            if type(one) is not str
        ]
        named = {name: one for name, one in value.items() if isinstance(one, str)}
        errors += [FieldError(one.at, one.code, one.message, one.allowed) for one in check_headers(named)]
        errors += _misused(named, keeping=keeping)
        if errors:
            raise Wrong(*errors)
        return _sealed(named, cipher)

    return read


def _misused(headers: Mapping[str, str], *, keeping: bool) -> list[FieldError]:
    found = []
    for name, value in headers.items():
        at = name[:_SHOWN]
        if value == secret_headers.MASK and not keeping:
            found.append(FieldError(at, "masked", f"{at}: *** keeps the value of a job; here there is none yet"))
        if secret_headers.is_sealed(value):
            message = f"The value of {at} begins with {secret_headers.PREFIX}, which marks encrypted values"
            found.append(FieldError(at, "reserved_value", message))
    return found


def _sealed(headers: Mapping[str, str], cipher: Cipher) -> dict[str, str]:
    found = {}
    for name, value in headers.items():
        try:
            kept = value == secret_headers.MASK or not secret_headers.is_secret(name)
            found[name] = value if kept else secret_headers.seal(value, cipher)
        except StartError:
            message = f"{name} is secret and cannot be kept: this installation has no TOCSIN_ENCRYPTION_KEYS"
            raise Wrong(FieldError(name, "no_encryption_key", message)) from None
    return found


# --- the table ------------------------------------------------------------------------------------------------------


def readers(policy: EgressPolicy, cipher: Cipher, *, keeping: bool) -> Mapping[str, tuple[str, Reader]]:
    """By the name in a body: the name in a spec and the reader. Schedule and payload are read elsewhere."""
    return {
        "name": ("name", text(MAX_NAME)),
        "callback_url": ("callback_url", _url(policy)),
        "timezone": ("timezone", _timezone),
        "dst": ("dst", one_of(*DST_POLICIES)),
        "headers": ("headers", _headers(cipher, keeping=keeping)),
        "max_attempts": ("max_attempts", whole(1, MAX_ATTEMPTS)),
        "catchup": ("catchup", one_of(*CATCHUPS)),
        "catchup_window": ("catchup_window_seconds", whole(0, MAX_CATCHUP_WINDOW_SECONDS)),
        "catchup_on_resume": ("catchup_on_resume", flag),
        "overlap": ("overlap", one_of(*OVERLAPS)),
        "jitter_seconds": ("jitter_seconds", whole(0, MAX_JITTER_SECONDS)),
        "expected_status": ("expected_status", items_of(whole(200, 599), MAX_STATUSES)),
        "tags": ("tags", items_of(text(MAX_TAG), MAX_TAGS)),
        "resolve_on_success": ("resolve_on_success", flag),
    }


CRON_FORMATS: Final = tuple(FORMATS)
