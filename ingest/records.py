"""Kafka records made of events: topic, key, partition and CloudEvents headers, for every domain alike."""

from __future__ import annotations

import functools
import hashlib
import os
import time
import uuid
from typing import Any, Final

import msgspec

from tocsin.events.envelope import CONTENT_TYPE, Envelope, to_headers
from tocsin.events.identity import partition_of, record_key
from tocsin.events.times import rfc3339
from tocsin.events.topics import PAYLOADS, events_topic
from tocsin.ingest.publish import Record

SOURCE: Final = "/tocsin/ingest"
# Ids made from an Idempotency-Key; the namespace is a constant of this project, any value would do.
_NAMESPACE: Final = uuid.UUID("6f6e1a52-7d5c-5b0e-9d0a-1f0f6a3c7b11")
encode: Final = msgspec.json.Encoder().encode


class Request(msgspec.Struct, frozen=True):
    """What every event of one HTTP request shares. ``now_ms``: Unix milliseconds of its acceptance."""

    workspace: str
    now_ms: int
    correlation_id: str = ""
    traceparent: str = ""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def new_ids(count: int) -> list[str]:
    """Random ids of 32 hex digits; one call to the system for all of them."""
    digits = os.urandom(16 * count).hex()
    return [digits[start : start + 32] for start in range(0, 32 * count, 32)]


def keyed_id(workspace: str, method: str, path: str, key: str, index: int | None = None) -> str:
    """The id a repeated request has again: UUID 5 of workspace, method, path, Idempotency-Key and item."""
    parts = [workspace, method, path, key, *([] if index is None else [str(index)])]
    return str(uuid.uuid5(_NAMESPACE, "\x00".join(parts)))


def envelope(domain: str, event: type[Any], event_id: str, request: Request, **attributes: str | bool) -> Envelope:
    """The attributes of an event of this gateway; ``attributes`` as in Envelope."""
    return Envelope(
        id=event_id,
        type=f"tocsin.{domain}.{event.__name__}.v1",
        source=SOURCE,
        time=rfc3339(request.now_ms),
        workspace=request.workspace,
        correlation_id=request.correlation_id,
        traceparent=request.traceparent,
        **attributes,  # type: ignore[arg-type] # names and types are those of Envelope
    )


def record(domain: str, entity: str, event: object, attributes: Envelope, partitions: int) -> Record:
    """The record of an event, on the partition its entity is owned by."""
    return Record(*routing(domain, attributes.workspace, entity, partitions), encode(event), to_headers(attributes))


def spread(asked: Record, event: object, attributes: Envelope, partitions: int) -> list[Record]:
    """The same key with another event for every partition but that of ``asked``."""
    value, headers = encode(event), to_headers(attributes)
    others = (one for one in range(partitions) if one != asked.partition)
    return [Record(asked.topic, partition, asked.key, value, headers) for partition in others]


@functools.lru_cache(16_384)  # one entity is heard of again and again
def routing(domain: str, workspace: str, entity: str, partitions: int) -> tuple[str, int, bytes]:
    """Where the events of an entity go: topic, partition and key."""
    key = record_key(workspace, entity)
    return events_topic(domain), partition_of(key, partitions), key


def payload_record(payload: bytes, partitions: int) -> Record:
    """A body too large for its event, under its digest; the same body again is the same record."""
    key = hashlib.sha256(payload).hexdigest().encode()
    return Record(PAYLOADS, partition_of(key, partitions), key, payload, [CONTENT_TYPE])
