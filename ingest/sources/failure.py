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
from tocsin.events.tickets import NO_CONTEXT, FailureReported
from tocsin.events.times import rfc3339, round_down_ms
from tocsin.events.topics import INLINE_PAYLOAD_BYTES
from tocsin.events.vocabulary import SEVERITY_SYNONYMS, Severity
from tocsin.ingest.sources.failure_fields import Fields, check, read, refuse_success, severity_of, unusual
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
    try:
        fields = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_slowly(text, workspace, now_ms)
    severity = SEVERITY_SYNONYMS.get(fields.severity)
    if severity is None or unusual(fields, now_ms):
        return _read_slowly(text, workspace, now_ms)
    return _report(fields, severity, {}, workspace, now_ms)


def _read_slowly(text: bytes | msgspec.Raw, workspace: str, now_ms: int) -> Report:
    check_depth(bytes(text))  # decoders give up at depths that differ between versions of Python
    fields, extra, errors = read(members(text))
    unread = {error.field for error in errors}
    errors += [error for error in check(fields, now_ms) if error.field not in unread]
    errors += refuse_success(extra)
    severity = severity_of(fields)
    if errors or severity is None:
        raise invalid(errors)
    return _report(fields, severity, extra, workspace, now_ms)


def _report(fields: Fields, severity: Severity, extra: Members, workspace: str, now_ms: int) -> Report:
    workflow, message = fields.workflow.strip(), fields.message
    step = fields.step.strip() if fields.step else ""
    identifier, reason = (fields.identifier or "").strip(), GIVEN
    if not identifier:
        identifier, reason = _derived_identity(step, message)
    context, large = bytes(fields.context), False
    if context == b"null":
        context = b""
    if extra:
        context = extended(context, extra)
    if context:
        context = one_line(context)
        check_depth(context)
        large = len(context) > INLINE_PAYLOAD_BYTES
    event = FailureReported(
        workflow=workflow,
        identifier=identifier,
        identity_reason=reason,
        message=message,
        occurred_at=rfc3339(round_down_ms(fields.occurred_at) if fields.occurred_at else now_ms),
        severity=severity,
        source=(fields.source and fields.source.strip()) or "api",
        step=step,
        run_url=fields.run_url or "",
        context=msgspec.Raw(context) if context and not large else NO_CONTEXT,
        context_digest=hashlib.sha256(context).hexdigest() if large else "",
    )
    return Report(_entity(workspace, workflow, identifier), event, fields.event_id or "", context if large else b"")


def _derived_identity(step: str, message: str) -> tuple[str, str]:
    normalised = normalised_message(message)
    return (f"{step}: {normalised}", DERIVED_WITH_STEP) if step else (normalised, DERIVED)
