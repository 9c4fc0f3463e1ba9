"""Sender-given ids are remembered for the window, across a reload, and within the cap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.runtime.id_ring import IdRing, id_hash

WINDOW = 600_000


def ids(*names: str) -> list[bytes]:
    return [id_hash("default", name) for name in names]


def test_id_is_known_within_the_window_and_forgotten_after_it() -> None:
    ring = IdRing(WINDOW, 100)
    ring.add(0, ids("a"))
    ring.add(WINDOW, ids("b"))
    assert ids("a")[0] in ring
    ring.add(WINDOW + 1, ids("c"))
    assert ids("a")[0] not in ring
    assert ids("b")[0] in ring


def test_same_id_in_another_workspace_is_another_id() -> None:
    assert id_hash("one", "x") != id_hash("two", "x")


def test_cap_forgets_the_oldest_first_and_says_so() -> None:
    ring = IdRing(WINDOW, 2)
    for now, name in enumerate(("a", "b", "c")):
        ring.add(now, ids(name))
    assert [ids(name)[0] in ring for name in ("a", "b", "c")] == [False, True, True]
    assert ring.shortened == 1


@given(st.lists(st.tuples(st.integers(0, 300_000), st.integers(1, 5)), max_size=40))
def test_reloaded_ring_knows_the_same_ids(steps: list[tuple[int, int]]) -> None:
    ring, records, now, number = IdRing(WINDOW, 30), {}, 0, 0
    names: list[str] = []
    for after, count in steps:
        now += after
        new = [f"id{number + nth}" for nth in range(count)]
        number += count
        key, value = ring.encode(now, ids(*new))
        records[key] = value
        ring.add(now, ids(*new))
        names += new
    reloaded = IdRing(WINDOW, 30)
    reloaded.load(records.values(), now)
    assert [hashed in reloaded for hashed in ids(*names)] == [hashed in ring for hashed in ids(*names)]
    assert reloaded.encode(now, []) == ring.encode(now, [])
