"""Turns against a plain model: limits are kept, nobody starves, nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.effects.fair_queue import FairQueue, Limits, Place

PLACES = [Place(workspace, endpoint) for workspace in "ab" for endpoint in "xyz"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("release"), st.integers(0, 30)),
        st.tuples(st.just("remove"), st.integers(0, 30)),
    ),
    max_size=80,
)


@given(STEPS, st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_J9_limits_are_kept_and_whoever_may_run_does(
    steps: list[tuple[str, int]], running: int, per_workspace: int, per_endpoint: int
) -> None:
    queue = FairQueue(Limits(running, per_workspace, per_endpoint))
    waiting: list[tuple[Place, str]] = []
    taken: list[tuple[Place, str]] = []

    def may_run(place: Place) -> bool:
        of_workspace = sum(other.workspace == place.workspace for other, _ in taken)
        at_endpoint = sum(other == place for other, _ in taken)
        return len(taken) < running and of_workspace < per_workspace and at_endpoint < per_endpoint

    for number, (step, choice) in enumerate(steps):
        if step == "put":
            waiting.append((PLACES[choice], str(number)))
            queue.put(*waiting[-1])
        elif step == "take":
            found = queue.take()
            assert (found is not None) == any(may_run(place) for place, _ in waiting)
            if found:
                assert may_run(found[0])
                # the first of its endpoint
                assert found == next(one for one in waiting if one[0] == found[0])
                waiting.remove(found)
                taken.append(found)
        elif step == "release" and taken:
            queue.release(taken.pop(choice % len(taken))[0])
        elif step == "remove" and waiting:
            place, item = waiting.pop(choice % len(waiting))
            assert queue.remove(place, item)
            assert not queue.remove(place, item)
        assert (queue.waiting, queue.running) == (len(waiting), len(taken))


def test_J9_endpoints_and_workspaces_take_turns() -> None:
    queue = FairQueue(Limits(100, 100, 100))
    for number in range(6):
        queue.put(Place("big", "x"), f"x{number}")
    for number in range(2):
        queue.put(Place("big", "y"), f"y{number}")
        queue.put(Place("small", "z"), f"z{number}")
    order = [taken[1] for _ in range(10) if (taken := queue.take())]
    assert order == ["x0", "z0", "y0", "z1", "x1", "y1", "x2", "x3", "x4", "x5"]


def test_J9_an_id_waits_once_and_forgotten_places_cost_nothing() -> None:
    queue = FairQueue(Limits())
    for _ in range(2):
        queue.put(PLACES[0], "a")
    assert queue.waiting == 1
    assert queue.take() == (PLACES[0], "a")
    assert queue.take() is None
    queue.release(PLACES[0])
    assert not queue.remove(PLACES[0], "a")
    assert queue._workspaces == {}


@pytest.mark.parametrize("limits", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_J9_limits_are_at_least_one(limits: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Limits(*limits)
