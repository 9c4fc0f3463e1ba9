"""What the group is told: the position of everything owned, by which whoever measures lag goes."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from tocsin.streams.runtime.transport import OwningConsumer

FIRST, SECOND = TP("events", 0), TP("events", 1)


@pytest.fixture
def consumer() -> Any:
    """Owns two partitions, of which no record has come in its time."""
    found: Any = object.__new__(OwningConsumer)  # Faust's own needs a running application
    found.owned = {FIRST: SimpleNamespace(position=7), SECOND: SimpleNamespace(position=3)}
    found.domains = {"events": None}
    found._acked, found._acked_index = defaultdict(list), defaultdict(set)
    found._committed_offset = defaultdict(lambda: None)
    return found


def committed(consumer: Any) -> dict[TP, int]:
    """As Faust does it: what is to be committed counts as committed, whatever comes of it."""
    found: dict[TP, int] = consumer._filter_committable_offsets(consumer._filter_tps_with_pending_acks())
    consumer._committed_offset.update(found)
    return found


def test_J5_a_successor_commits_where_it_stands_although_nothing_comes(consumer: Any) -> None:
    assert committed(consumer) == {FIRST: 7, SECOND: 3}
    assert committed(consumer) == {}, "nothing has moved"
    consumer.owned[FIRST].position = 8
    assert committed(consumer) == {FIRST: 8}


@pytest.mark.parametrize(("wanted", "found"), [({"events"}, {FIRST, SECOND}), ({SECOND}, {SECOND}), ({"other"}, set())])
def test_J5_only_what_is_asked_for_is_committed(consumer: Any, wanted: set[Any], found: set[TP]) -> None:
    assert set(consumer._filter_tps_with_pending_acks(wanted)) == found


async def test_J5_what_a_rebalance_refused_is_committed_after_it(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def beginnings(*_: TP) -> dict[TP, int]:
        return {FIRST: 0, SECOND: 0}

    async def sought() -> None: ...

    monkeypatch.setattr(consumer, "assignment", lambda: {FIRST, SECOND}, raising=False)
    monkeypatch.setattr(consumer, "earliest_offsets", beginnings, raising=False)
    monkeypatch.setattr(consumer, "_seek_to_positions", sought, raising=False)
    monkeypatch.setattr(consumer, "_is_member_since", lambda _: True, raising=False)
    before = committed(consumer)
    assert before
    await consumer._own_what_is_assigned()
    assert committed(consumer) == before
