"""CloudEvents 1.0 in Kafka binary mode: attributes travel as ``ce_*`` headers, the record value stays plain JSON.

Source: CloudEvents Kafka Protocol Binding 1.0.2, section 3.2 (binary content mode).
The hot paths build and read headers by hand: a general library costs 14 µs to write and 39 µs to read one
record, the whole budget of an event; a conformance test holds this module against that library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

Headers = Sequence[tuple[str, bytes]]

SPEC_VERSION = ("ce_specversion", b"1.0")
CONTENT_TYPE = ("content-type", b"application/json")
JSON_TYPES = frozenset(
    {None, b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
)


class EnvelopeError(ValueError):
    """The headers of a record are no usable CloudEvent; ``str(error)`` says which attribute and why."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The attributes of one event.

    id: unique per (workspace, source); sender-given when ``sender_given``, then duplicates are recognised by it.
    time: when the event was accepted, RFC 3339 in UTC.
    origin: ``partition:offset`` of the record this one repeats (a replay), or ``dlq:partition:offset``.
    causation_id: id of the event or fact that caused this one; depth counts such steps from the outside world.
    outcome: ``wait`` when a client is waiting for the decision, ``record`` when it may ask later, else empty.
    request_digest: SHA-256 hex of the request body, kept beside the outcome to recognise a reused Idempotency-Key.
    """

    id: str
    type: str
    source: str
    time: str
    workspace: str
    sender_given: bool = False
    origin: str = ""
    causation_id: str = ""
    depth: int = 0
    outcome: str = ""
    request_digest: str = ""
    correlation_id: str = ""
    traceparent: str = ""


_OPTIONAL = (
    ("ce_origin", "origin"),
    ("ce_causationid", "causation_id"),
    ("ce_outcome", "outcome"),
    ("ce_requestdigest", "request_digest"),
    ("ce_correlationid", "correlation_id"),
    ("traceparent", "traceparent"),
)


_REQUIRED = ("ce_id", "ce_type", "ce_source", "ce_time", "ce_workspace")
_REQUIRED_HEADERS = 7  # spec version, content type and the five attributes every event has


def to_headers(envelope: Envelope) -> list[tuple[str, bytes]]:
    """The Kafka headers of an event; empty attributes are left out."""
    headers = [
        SPEC_VERSION,
        ("ce_id", envelope.id.encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_time", envelope.time.encode()),
        ("ce_workspace", envelope.workspace.encode()),
        CONTENT_TYPE,
    ]
    for header, field in _OPTIONAL:
        if value := getattr(envelope, field):
            headers.append((header, value.encode()))
    if envelope.sender_given:
        headers.append(("ce_sendergiven", b"true"))
    if envelope.depth:
        headers.append(("ce_depth", b"%d" % envelope.depth))
    return headers


def from_headers(headers: Iterable[tuple[str, bytes | None]]) -> Envelope:
    """Reads the attributes of a record.

    Raises EnvelopeError when a required attribute is missing, the spec version is not 1.0, the content type is not
    JSON, or an attribute is not UTF-8. Unknown headers are ignored.
    """
    found = dict(headers)
    if found.get("ce_specversion") != b"1.0":
        raise EnvelopeError("ce_specversion is not 1.0")
    if found.get("content-type") not in JSON_TYPES:
        raise EnvelopeError(f"content-type {found.get('content-type')!r} is not application/json")
    try:
        return _read(found)
    except ValueError as error:
        raise EnvelopeError(f"a header cannot be read: {error}") from None


def _read(found: Mapping[str, bytes | None]) -> Envelope:
    """Attribute by attribute, without a loop: this runs for every record. Raises EnvelopeError, ValueError."""
    get = found.get
    event_id, event_type, source = get("ce_id"), get("ce_type"), get("ce_source")
    time, workspace = get("ce_time"), get("ce_workspace")
    if event_id is None or event_type is None or source is None or time is None or workspace is None:
        raise EnvelopeError(f"header {next(name for name in _REQUIRED if get(name) is None)} is missing")
    required = event_id.decode(), event_type.decode(), source.decode(), time.decode(), workspace.decode()
    if len(found) == _REQUIRED_HEADERS:
        return Envelope(*required)
    return Envelope(
        *required,
        sender_given=get("ce_sendergiven") is not None,
        origin=_optional(get("ce_origin")),
        causation_id=_optional(get("ce_causationid")),
        depth=int(get("ce_depth") or b"0"),
        outcome=_optional(get("ce_outcome")),
        request_digest=_optional(get("ce_requestdigest")),
        correlation_id=_optional(get("ce_correlationid")),
        traceparent=_optional(get("traceparent")),
    )


def _optional(value: bytes | None) -> str:
    return "" if value is None else value.decode()
