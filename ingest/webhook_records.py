"""What a delivery becomes: the records to publish and the answer that explains its keys; or the record of a delivery
that is genuine but cannot be understood, which waits in the dead-letter queue.

Ids follow from the delivery alone, so a sender's retry and a replay have the ids of the first time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from tocsin.events import alerts, tickets
from tocsin.events.alerts import AlertReceived
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import alert_entity, failure_entity, hash_part, partition_of, record_key
from tocsin.events.tickets import SuccessReported
from tocsin.events.times import rfc3339
from tocsin.events.topics import INLINE_PAYLOAD_BYTES, dlq_topic
from tocsin.ingest.publish import Record
from tocsin.ingest.records import SOURCE, Request, envelope, keyed_id, payload_record, record
from tocsin.ingest.sources.webhook import Delivery, Event, Reading

Parse = Callable[[Delivery], Reading]

# What a parser may ask for. Signatures and credentials are not among them: a dead letter holds no secrets.
_KEPT_HEADERS: Final = frozenset(
    {
        "content-type",
        "request-id",
        "sentry-hook-resource",
        "sentry-hook-timestamp",
        "x-github-event",
        "x-github-delivery",
        "x-amz-sns-message-type",
        "webhook-id",
        "webhook-timestamp",
    }
)
_KEPT_PREFIX: Final = "ce-"
# How long after the first the same bytes without name and time still count as its retry.
_RETRY_MS: Final = 30_000
HEADER_PREFIX: Final = "webhook.header."


class AlertKey(msgspec.Struct):
    """Why the alert is the alert it is. Its episodes are ``<alert_entity>-<n>``."""

    fingerprint: str
    rule: str
    fields: dict[str, str]
    transition: str
    alert_entity: str


class TicketKey(msgspec.Struct):
    """Why the failure belongs to its ticket. Its tickets are ``<ticket_entity>-<episode>``."""

    workflow: str
    identifier: str
    rule: str
    ticket_entity: str


class Taken(msgspec.Struct, omit_defaults=True):
    """The answer to a delivery. ``reason``: why nothing was accepted."""

    accepted: int
    event_ids: list[str]
    alerts: list[AlertKey] = []
    failures: list[TicketKey] = []
    successes: list[TicketKey] = []
    reason: str = ""
    quarantined: bool = False
    truncated: int = 0


class Outgoing(NamedTuple):
    """``payloads`` are to be published before the ``events`` that name them."""

    payloads: list[Record]
    events: list[Record]
    answer: Taken


def outgoing(
    reading: Reading, delivery: Delivery, path: str, request: Request, partitions: int, origin: str = ""
) -> Outgoing:
    """``path``: the route it came by, part of the ids. ``origin``: of a dead letter that is read again."""
    found = Outgoing([], [], Taken(0, [], reason=reading.reason, truncated=reading.truncated))
    payloads: dict[bytes, Record] = {}
    found.answer.event_ids = event_ids(reading, delivery, path, request.workspace)
    for place, (event, event_id) in enumerate(zip(reading.events, found.answer.event_ids, strict=True)):
        slim, payload = _slim(event, delivery.verified_by)
        if payload:
            large = payload_record(payload, partitions)
            payloads[large.key] = large
        entity = _explain(found.answer, slim, request.workspace)
        domain = alerts.DOMAIN if isinstance(slim, AlertReceived) else tickets.DOMAIN
        attributes = envelope(
            domain,
            type(slim),
            event_id,
            request,
            sender_given=True,
            origin=f"{origin}/{place}" if origin else "",
        )
        found.events.append(record(domain, entity, slim, attributes, partitions))
    found.payloads.extend(payloads.values())
    found.answer.accepted = len(found.events)
    return found


def event_ids(reading: Reading, delivery: Delivery, path: str, workspace: str) -> list[str]:
    """UUID 5 of workspace, route and the sender's name of each event, else of the delivery, else of its bytes."""
    places = range(len(reading.events))
    if reading.event_ids:
        return [keyed_id(workspace, "POST", path, reading.event_ids[place]) for place in places]
    name = reading.delivery_id or hashlib.sha256(delivery.body).hexdigest()
    if reading.timeless and not reading.delivery_id:
        # a retry comes at once; "down", "up" and the same "down" again must not lose the second outage
        name = f"{name}@{delivery.now_ms // _RETRY_MS}"
    return [keyed_id(workspace, "POST", path, name, place) for place in places]


def _slim(event: Event, verified_by: str) -> tuple[Event, bytes]:
    """The event without a large context, which is the second value."""
    if isinstance(event, SuccessReported):
        return event, b""
    context = bytes(event.context)
    large = len(context) > INLINE_PAYLOAD_BYTES
    changes: dict[str, object] = {}
    if large:
        changes = {"context": alerts.NO_CONTEXT, "context_digest": hashlib.sha256(context).hexdigest()}
    if isinstance(event, AlertReceived):
        changes["verified_by"] = verified_by
    elif large:
        changes["context"] = tickets.NO_CONTEXT
    return msgspec.structs.replace(event, **changes), context if large else b""


def _explain(answer: Taken, event: Event, workspace: str) -> str:
    """Notes the keys of an event in the answer; gives its entity."""
    if isinstance(event, AlertReceived):
        entity = alert_entity(workspace, event.fingerprint)
        answer.alerts.append(
            AlertKey(event.fingerprint, event.fingerprint_rule, event.fingerprint_fields, event.transition, entity)
        )
        return entity
    entity = failure_entity(workspace, event.workflow, event.identifier)
    if isinstance(event, SuccessReported):
        answer.successes.append(TicketKey(event.workflow, event.identifier, event.reason, entity))
    else:
        answer.failures.append(TicketKey(event.workflow, event.identifier, event.identity_reason, entity))
    return entity


def quarantined(delivery: Delivery, source: str, reason: str, request: Request, partitions: int) -> Record:
    """The delivery as it came, in the dead-letter queue of the alerts domain. A replay reads it again."""
    digest = hashlib.sha256(delivery.body).hexdigest()
    path = route_of(source, delivery.mapper)
    attributes = Envelope(
        id=keyed_id(request.workspace, "POST", path, digest),
        type=f"tocsin.webhooks.{source}",
        source=SOURCE,
        time=rfc3339(request.now_ms),
        workspace=request.workspace,
        correlation_id=request.correlation_id,
        traceparent=request.traceparent,
    )
    why = {
        "webhook.source": source,
        "webhook.mapper": delivery.mapper,
        "webhook.verified_by": delivery.verified_by,
        **{HEADER_PREFIX + name: value for name, value in delivery.headers.items() if _kept(name)},
        "dlq.topic": path,
        "dlq.reason": "unreadable_webhook",
        "dlq.detail": reason[:500],
        "dlq.attempts": "1",
        "dlq.at": rfc3339(request.now_ms),
    }
    headers = [header for header in to_headers(attributes) if header[0] != "content-type"]
    headers += [(name, value.encode(errors="replace")) for name, value in why.items()]
    key = record_key(request.workspace, "w_" + hash_part(path, digest))
    return Record(dlq_topic(alerts.DOMAIN), partition_of(key, partitions), key, delivery.body, headers)


def route_of(source: str, mapper: str) -> str:
    return f"/webhooks/{source}/{mapper}" if mapper else f"/webhooks/{source}"


def _kept(name: str) -> bool:
    return name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIX)
