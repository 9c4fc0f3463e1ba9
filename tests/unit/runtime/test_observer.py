"""Who follows a partition hears of every state in order, and nothing leaves for one that may be somebody else's."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.domain.delivery_story import attempted, requested
from tests.unit.runtime.test_tombstones import KEY, record
from tocsin.streams.domain.deliveries import DELIVERIES
from tocsin.streams.runtime.options import Options
from tocsin.streams.runtime.ownership import OwnedPartition
from tocsin.streams.runtime.transport import OwningConsumer

OPTIONS = Options("unused", "test", 4)


class Writer:
    """Takes every transaction, or fails."""

    def __init__(self) -> None:
        self.failure: Exception | None = None

    async def write(self, prepared: Any) -> None:
        if self.failure:
            raise self.failure

    async def close(self) -> None: ...


class Follower:
    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def opened(self, partition: OwnedPartition) -> None:
        self.heard.append(("opened", sorted(partition.state.entities)))

    def writing(self, partition: OwnedPartition, changed: Any) -> None:
        self.heard.append(("writing", [state and state.attempt for state in changed.values()]))

    def committed(self, partition: OwnedPartition, changed: Any) -> None:
        assert [key for key in changed if key in partition.state.entities] == [key for key in changed if changed[key]]
        self.heard.append(("committed", [state and state.attempt for state in changed.values()]))

    def closed(self, partition: OwnedPartition) -> None:
        self.heard.append(("closed", None))


def partition_with(writer: Any) -> tuple[OwnedPartition, Follower]:
    partition, follower = OwnedPartition(DELIVERIES, 0, OPTIONS, writer), Follower()
    partition.observed_by(follower)
    return partition, follower


async def test_an_observer_hears_of_each_state_before_and_after_its_commit() -> None:
    partition, follower = partition_with(Writer())
    partition.inbox += [record(0, requested()), record(1, attempted(status=500))]
    await partition.apply_waiting()
    partition.inbox.append(record(2, attempted(2)))
    await partition.apply_waiting()
    await partition.close()
    assert follower.heard == [
        ("opened", []),
        *(("writing", [2]), ("committed", [2])),
        *(("writing", [None]), ("committed", [None])),
        ("closed", None),
    ]
    assert KEY not in partition.state.entities


async def test_a_write_that_fails_is_never_committed() -> None:
    writer = Writer()
    partition, follower = partition_with(writer)
    partition.inbox.append(record(0, requested()))
    writer.failure = RuntimeError("fenced")
    with pytest.raises(RuntimeError, match="fenced"):
        await partition.apply_waiting()
    await partition.close()
    assert [name for name, _ in follower.heard] == ["opened", "writing", "closed"]


# --- whether something may leave ------------------------------------------------------------------------------------


def consumer(heard_ago: float = 0.0, memberships: int = 0, rejoining: bool = False, **app: bool) -> Any:
    waiting = SimpleNamespace(done=lambda: rejoining)
    thread = SimpleNamespace(
        heard_at=time.monotonic() - heard_ago,
        memberships=memberships,
        coordinator=SimpleNamespace(_rejoin_needed_fut=waiting),
    )
    state = SimpleNamespace(**({"rebalancing": False, "should_stop": False} | app))
    found = SimpleNamespace(_thread=thread, app=state, options=OPTIONS)
    found._is_member_since = lambda partition: OwningConsumer._is_member_since(found, partition)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("situation", "allowed"),
    [
        ({}, True),
        ({"heard_ago": 1.1}, True),
        ({"heard_ago": 1.25}, False),
        ({"memberships": 1}, False),
        ({"rejoining": True}, False),
        ({"rebalancing": True}, False),
        ({"should_stop": True}, False),
    ],
    ids=str,
)
def test_J5_something_leaves_only_for_a_member_the_group_has_just_heard_of(
    situation: dict[str, Any], allowed: bool
) -> None:
    partition: Any = SimpleNamespace(closed=False, membership=0)
    assert OwningConsumer.may_act(consumer(**situation), partition) is allowed


def test_nothing_leaves_for_a_closed_partition() -> None:
    partition: Any = SimpleNamespace(closed=True, membership=0)
    assert OwningConsumer.may_act(consumer(), partition) is False
