"""A workflow failure as a sender reports it, read into ``FailureReported``.

Two paths with one meaning: a typed decoder for what is in order, and member by member for everything else (unknown
fields, a complete list of what is wrong). They share every check; a property test holds them together.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Final, NamedTuple

import msgspec

from tocsin.events.identity import failure_entity, normalised_message
from tocsin.events.tickets import FailureReported
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.events.topics import INLINE_PAYLOAD_BYTES
from tocsin.ingest.sources.failure_fields import Fields, check, read, refuse_success, severity_of
from tocsin.ingest.sources.json_text import Members, check_depth, check_encoding, extended, members, one_line
from tocsin.problems import invalid

GIVEN: Final = "given by the sender"
DERIVED: Final = "derived from the message without its numbers, ids and times"
DERIVED_WITH_STEP: Final = "derived from the step and the message without its numbers, ids and times"

_decoder: Final = msgspec.json.Decoder(Fields)
# one workflow fails again and again: its identity is hashed once
_entity: Final = functools.lru_cache(16_384)(failure_entity)


class Report(NamedTuple):
    """A failure ready to be published. ``event_id``: the sender's, or empty. ``payload``: a context over 4 KiB."""

    entity: str
    event: FailureReported
    event_id: str
    payload: bytes


def parse(text: bytes, workspace: str, now_ms: int) -> Report:
    """Reads one report. ``now_ms``: Unix milliseconds, stands in for an absent ``occurred_at``.

    Raises Problem: 400 for what is not JSON, 422 with every wrong field.
    """
    check_encoding(text)
    return parse_item(text, workspace, now_ms)


def parse_item(text: bytes | msgspec.Raw, workspace: str, now_ms: int) -> Report:
    """As ``parse``, for text known to be UTF-8."""
    check_depth(bytes(text))
    try:
        fields = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_slowly(text, workspace, now_ms)
    if errors := check(fields, now_ms):
        raise invalid(errors)
    return _report(fields, {}, workspace, now_ms)


def _read_slowly(text: bytes | msgspec.Raw, workspace: str, now_ms: int) -> Report:
    fields, extra, errors = read(members(text))
    unread = {error.field for error in errors}
    errors += [error for error in check(fields, now_ms) if error.field not in unread]
    errors += refuse_success(extra)
    if errors:
        raise invalid(errors)
    return _report(fields, extra, workspace, now_ms)


def _report(fields: Fields, extra: Members, workspace: str, now_ms: int) -> Report:
    workflow, message, severity = (fields.workflow or "").strip(), fields.message or "", severity_of(fields)
    assert severity is not None  # noqa: S101 - checked before
    step = (fields.step or "").strip()
    identifier, reason = _identity((fields.identifier or "").strip(), step, message)
    context = one_line(extended(b"" if bytes(fields.context) == b"null" else bytes(fields.context), extra))
    large = len(context) > INLINE_PAYLOAD_BYTES
    event = FailureReported(
        workflow=workflow,
        identifier=identifier,
        identity_reason=reason,
        message=message,
        occurred_at=rfc3339(now_ms if fields.occurred_at is None else round_down_ms(fields.occurred_at)),
        severity=severity,
        source=(fields.source or "").strip() or "api",
        step=step,
        run_url=fields.run_url or "",
        context=msgspec.Raw(b"" if large else context),
        context_digest=hashlib.sha256(context).hexdigest() if large else "",
    )
    return Report(_entity(workspace, workflow, identifier), event, fields.event_id or "", context if large else b"")


def _identity(identifier: str, step: str, message: str) -> tuple[str, str]:
    if identifier:
        return identifier, GIVEN
    normalised = normalised_message(message)
    return (f"{step}: {normalised}", DERIVED_WITH_STEP) if step else (normalised, DERIVED)
