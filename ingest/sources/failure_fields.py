"""The fields of a failure report: what each may hold, and what is said when it holds something else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from tocsin.events.times import round_down_ms
from tocsin.events.vocabulary import SEVERITIES, SEVERITY_SYNONYMS, SUCCESS_FIELDS, SUCCESS_WORDS, Severity
from tocsin.ingest.sources.json_text import Members, unreadable
from tocsin.problems import FieldError

# A wrong zone must not put a failure into tomorrow; clocks of build machines may be a little ahead.
MAX_AHEAD_MS: Final = 5 * 60 * 1000
MAX_LENGTHS: Final[Mapping[str, int]] = {
    "workflow": 200,
    "message": 10_000,
    "identifier": 500,
    "step": 200,
    "run_url": 2_048,
    "source": 100,
}
_EVENT_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_WEB: Final = ("https://", "http://")
_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Fields(msgspec.Struct, forbid_unknown_fields=True):
    """A report as sent, with its context still text. The decoder refuses what is missing or too long."""

    workflow: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LENGTHS["workflow"])] = ""
    message: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LENGTHS["message"])] = ""
    identifier: Annotated[str, msgspec.Meta(max_length=MAX_LENGTHS["identifier"])] = ""
    step: Annotated[str, msgspec.Meta(max_length=MAX_LENGTHS["step"])] = ""
    severity: str = "error"
    context: msgspec.Raw = msgspec.Raw(b"")
    occurred_at: _Instant | None = None
    run_url: Annotated[str, msgspec.Meta(max_length=MAX_LENGTHS["run_url"])] = ""
    source: Annotated[str, msgspec.Meta(max_length=MAX_LENGTHS["source"])] = ""
    event_id: str = ""


def unusual(fields: Fields, now_ms: int) -> bool:
    """Whether fields of the right types and lengths need a closer look. Cheap, and in doubt True."""
    texts = "".join((fields.workflow, fields.message, fields.identifier, fields.step, fields.source, fields.run_url))
    return (
        "\x00" in texts
        or not fields.workflow.strip()
        or not fields.message.strip()
        or (fields.run_url != "" and not fields.run_url.startswith(_WEB))
        or (fields.event_id != "" and not _EVENT_ID.fullmatch(fields.event_id))
        or (fields.occurred_at is not None and bool(_check_instant(fields.occurred_at, now_ms)))
    )


_TEXTS: Final = ("workflow", "message", "identifier", "step", "severity", "run_url", "source", "event_id")
_text: Final = msgspec.json.Decoder(str | None)
_instant: Final = msgspec.json.Decoder(_Instant | None)


def read(members: Members) -> tuple[Fields, Members, list[FieldError]]:
    """Member by member: the fields that could be read, the members that are none, and what could not be read."""
    fields, errors = Fields(), []
    extra: Members = {}
    for name, value in members.items():
        try:
            if name in _TEXTS:
                # null is the same as absent
                if (text := _text.decode(value)) is not None:
                    setattr(fields, name, text)
            elif name == "occurred_at":
                fields.occurred_at = _instant.decode(value)
            elif name == "context":
                fields.context = value
            else:
                extra[name] = value
        except msgspec.ValidationError:
            errors.append(_wrong_type(name))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable(error) from None
    return fields, extra, errors


def _wrong_type(name: str) -> FieldError:
    if name == "occurred_at":
        return FieldError(name, "datetime", f"{name} must be an RFC 3339 time with an offset: 2026-01-31T12:00:00Z")
    return FieldError(name, "string_type", f"{name} must be text")


def check(fields: Fields, now_ms: int) -> list[FieldError]:
    """Everything that is wrong with fields of the right types. ``now_ms``: Unix milliseconds."""
    errors = [
        FieldError(name, "missing", f"{name} is required and must not be empty")
        for name, value in (("workflow", fields.workflow), ("message", fields.message))
        if not value.strip()
    ]
    for name in _TEXTS:
        value = getattr(fields, name)
        if value and "\x00" in value:
            errors.append(FieldError(name, "nul", f"{name} must not contain the character U+0000"))
    for name, limit in MAX_LENGTHS.items():
        value = getattr(fields, name)
        if value and len(value) > limit:
            hint = "; longer text belongs into context" if name == "message" else ""
            errors.append(
                FieldError(name, "too_long", f"{name} has {len(value)} characters, {limit} are allowed{hint}")
            )
    if severity_of(fields) is None:
        message = f"severity must be one of {', '.join(SEVERITIES)} (or a synonym such as P1 or high)"
        errors.append(FieldError("severity", "enum", message, SEVERITIES))
    if fields.run_url and not fields.run_url.lower().startswith(_WEB):
        errors.append(FieldError("run_url", "url_scheme", "run_url must start with http:// or https://"))
    if fields.event_id and not _EVENT_ID.fullmatch(fields.event_id):
        message = "event_id must be 1 to 128 letters, digits or . _ : -"
        errors.append(FieldError("event_id", "pattern", message))
    if fields.occurred_at is not None:
        errors += _check_instant(fields.occurred_at, now_ms)
    return errors


def severity_of(fields: Fields) -> Severity | None:
    """The severity meant, None when the word is unknown."""
    return SEVERITY_SYNONYMS.get(fields.severity.strip().lower())


def _check_instant(moment: datetime, now_ms: int) -> list[FieldError]:
    milliseconds = round_down_ms(moment)
    if milliseconds > now_ms + MAX_AHEAD_MS:
        return [FieldError("occurred_at", "future", "occurred_at lies more than 5 minutes ahead; check its offset")]
    if milliseconds < 0:
        return [FieldError("occurred_at", "past", "occurred_at lies before 1970")]
    return []


def refuse_success(extra: Members) -> list[FieldError]:
    """Only failures open tickets (W5): a report that says it succeeded names the field that says so."""
    found = []
    for name in SUCCESS_FIELDS:
        value = _decoded(extra.get(name))
        if isinstance(value, str) and value.strip().lower() in SUCCESS_WORDS:
            found.append(FieldError(name, "success", f"{name} says {value.strip()[:40]!r}: only failures are reported"))
    if _decoded(extra.get("success")) is True:
        found.append(FieldError("success", "success", "success is true: only failures are reported"))
    return found


def _decoded(value: msgspec.Raw | None) -> Any:
    """The value of a short scalar; anything else is no word for success."""
    if value is None or len(bytes(value)) > 100:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
