"""What the replay of dead letters remembers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.dead_letters import _Remembered

EXISTING = [0, 2, 3, 5, 8]  # offsets have holes


def test_the_position_passes_holes_and_what_went_singly() -> None:
    start = _Remembered(0, frozenset())
    single = start.with_more([3], EXISTING)
    assert single == _Remembered(0, frozenset({3}))
    assert single.with_more([0, 2], EXISTING) == _Remembered(4, frozenset())


@given(st.permutations(EXISTING), st.integers(0, 5))
def test_in_any_order_exactly_what_was_sent_is_remembered(order: list[int], sent: int) -> None:
    found = _Remembered(0, frozenset())
    for offset in order[:sent]:
        found = found.with_more([offset], EXISTING)
    assert {offset for offset in EXISTING if found.holds(offset)} == set(order[:sent])
