"""Records as a consumer returns them, made by hand."""

from __future__ import annotations

from typing import Any

import msgspec
from aiokafka.structs import ConsumerRecord

from tocsin.events import tickets as contract
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import failure_entity, record_key
from tocsin.events.topics import events_topic
from tocsin.streams.domain.tickets import TICKETS
from tocsin.streams.runtime.draft import Draft
from tocsin.streams.runtime.encoding import Prepared, prepare
from tocsin.streams.runtime.id_ring import IdRing
from tocsin.streams.runtime.partition_state import PartitionState

START = 1_750_000_000_000


def record(offset: int, **changes: Any) -> ConsumerRecord[Any, Any]:
    """A failure report; ``key``, ``value``, ``headers``, ``timestamp``, ``envelope`` and ``identifier`` can be set."""
    identifier = changes.pop("identifier", "etl")
    envelope = Envelope(
        f"e{offset}", "tocsin.tickets.FailureReported.v1", "/test", "2025-06-15T15:06:40.000Z", "default"
    )
    envelope = msgspec.structs.replace(envelope, **changes.pop("envelope", {}))
    event = changes.pop("event", None) or contract.FailureReported(
        workflow="nightly",
        identifier=identifier,
        identity_reason="given by the sender",
        message="boom",
        occurred_at="2025-06-15T15:06:40.000Z",
    )
    values: dict[str, Any] = {
        "key": record_key("default", failure_entity("default", "nightly", identifier)),
        "value": msgspec.json.encode(event),
        "headers": tuple(to_headers(envelope)),
        "timestamp": START + offset,
    } | changes
    return ConsumerRecord(
        events_topic("tickets"),
        0,
        offset,
        values["timestamp"],
        1,
        values["key"],
        values["value"],
        None,
        0,
        0,
        values["headers"],
    )


def empty_state() -> PartitionState:
    return PartitionState(TICKETS, IdRing(600_000, 1000))


def applied(state: PartitionState, *records: ConsumerRecord[Any, Any], probe: bool = False) -> tuple[Draft, Prepared]:
    """Decides the records as one transaction and accepts it, as an owner does."""
    draft = Draft(state, 0, probe=probe)
    for one in records:
        draft.take(one)
    prepared = prepare(draft, 4, 1_000_000)
    state.accept(prepared.changed, prepared.progress, draft.new_ids, draft.policy)
    return draft, prepared


def reloaded(snapshot: dict[bytes, bytes]) -> PartitionState:
    return PartitionState.load(TICKETS, IdRing(600_000, 1000), snapshot)
