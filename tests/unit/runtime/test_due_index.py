"""The due index against a plain dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.runtime.due_index import DueIndex

KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
STEPS = st.lists(st.one_of(st.tuples(KEYS, st.none() | st.integers(0, 50)), st.integers(0, 60)), max_size=60)


@given(STEPS)
def test_takes_what_is_due_in_order_and_nothing_else(steps: list[object]) -> None:
    index = DueIndex()
    model: dict[bytes, int] = {}
    for step in steps:
        if isinstance(step, int):
            expected = sorted((due, key) for key, due in model.items() if due <= step)
            assert index.take_due(step, 100) == [(key, due) for due, key in expected]
            model = {key: due for key, due in model.items() if due > step}
        elif isinstance(step, tuple):
            key, due = step
            index.set(key, due)
            model = {other: at for other, at in model.items() if other != key} | ({} if due is None else {key: due})
        assert index.next_due() == min(model.values(), default=None)
        assert len(index) == len(model)


def test_takes_at_most_so_many() -> None:
    index = DueIndex()
    for number in range(5):
        index.set(b"%d" % number, number)
    assert len(index.take_due(10, 3)) == 3
    assert len(index.take_due(10, 3)) == 2
