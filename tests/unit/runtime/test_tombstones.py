"""An entity that ends leaves no state: its record goes without a value, and nothing of it is in memory or reloaded."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from tests.unit.domain.delivery_story import DELIVERY, attempted, cancel, requested
from tests.unit.runtime.records import START
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import record_key
from tocsin.events.topics import events_topic, state_topic
from tocsin.streams.domain.deliveries import DELIVERIES
from tocsin.streams.runtime.draft import Draft
from tocsin.streams.runtime.encoding import Prepared, prepare
from tocsin.streams.runtime.id_ring import IdRing
from tocsin.streams.runtime.partition_state import PartitionState

KEY = record_key("default", DELIVERY)
STATE = state_topic("deliveries"), 0


def record(offset: int, event: Any) -> ConsumerRecord[Any, Any]:
    name = f"tocsin.deliveries.{type(event).__name__}.v1"
    headers = tuple(to_headers(Envelope(f"e{offset}", name, "/test", "2025-06-15T15:06:40.000Z", "default")))
    value = msgspec.json.encode(event)
    return ConsumerRecord(events_topic("deliveries"), 0, offset, START, 1, KEY, value, None, 0, 0, headers)


def new_state() -> PartitionState:
    return PartitionState(DELIVERIES, IdRing(600_000, 1000))


def applied(state: PartitionState, first: int, *events: Any, probe: bool = False) -> Prepared:
    draft = Draft(state, 0, probe=probe)
    for offset, event in enumerate(events, first):
        draft.take(record(offset, event))
    assert not draft.dead_letters
    prepared = prepare(draft, 4, 1_000_000)
    state.accept(prepared.changed, prepared.progress, draft.new_ids, draft.policy)
    return prepared


@pytest.mark.parametrize("probe", [False, True])
def test_the_record_of_an_entity_that_ended_has_no_value(probe: bool) -> None:
    state = new_state()
    assert dict(record[:2] for record in applied(state, 0, requested()).records[STATE])[KEY]
    assert KEY in state.entities
    prepared = applied(state, 1, attempted(), probe=probe)
    assert dict(record[:2] for record in prepared.records[STATE])[KEY] is None
    assert prepared.changed[KEY] == (None, None)
    assert (state.entities, len(state.due), state.get(KEY)) == ({}, 0, None)


def test_what_begins_and_ends_in_one_slice_leaves_nothing() -> None:
    state = new_state()
    prepared = applied(state, 0, requested(), cancel(), attempted(), requested(), attempted())
    assert state.entities == {}
    assert [type(decided.fact).__name__ for decided in prepared.facts] == [
        *("DeliveryAccepted", "DeliveryEnded", "AttemptIgnored"),
        *("DeliveryAccepted", "AttemptRecorded", "DeliveryEnded"),
    ]


def test_a_reloaded_partition_knows_what_lives_and_nothing_else() -> None:
    state, snapshot = new_state(), dict[bytes, bytes]()
    for offset, event in enumerate((requested(), attempted(), requested(), attempted(status=500))):
        for key, value, _ in applied(state, offset, event).records[STATE]:
            assert key is not None
            if value is None:
                snapshot.pop(key, None)
            else:
                snapshot[key] = value
    again = PartitionState.load(DELIVERIES, IdRing(600_000, 1000), snapshot)
    assert again.entities == state.entities
    found = again.get(KEY)
    assert found is not None
    assert found.attempt == 2
