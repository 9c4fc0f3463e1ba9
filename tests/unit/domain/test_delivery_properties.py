"""Whatever comes in whatever order, and however often: each attempt is recorded once, the run ends once."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.delivery_story import Story, attempted, cancel, requested
from tocsin.events import deliveries as contract
from tocsin.streams.domain.deliveries import DELIVERIES
from tocsin.streams.domain.delivery_state import DeliveryState, evolve

ATTEMPTS = st.builds(attempted, st.integers(1, 5), st.sampled_from([200, 404, 410, 500, 503]))
UNANSWERED = st.builds(
    attempted, st.integers(1, 5), st.none(), st.sampled_from(["timeout", "dns", "connect", "tls", "of tomorrow"])
)
EVENTS = st.one_of(ATTEMPTS, UNANSWERED, st.builds(cancel))
HISTORIES = st.tuples(st.integers(1, 5), st.lists(EVENTS, max_size=15))


def played(history: tuple[int, list[Any]], *, twice: bool = False) -> Story:
    """One request; ``twice``: every event is told again at once."""
    limit, events = history
    story = Story()
    for event in (requested(max_attempts=limit), *events):
        story.when(event)
        if twice and not isinstance(event, contract.CancelDelivery):
            story.when(event)
    return story


def lasting(story: Story) -> list[Any]:
    """What was decided, but not what was passed over."""
    kinds = contract.DeliveryAccepted | contract.AttemptRecorded | contract.DeliveryEnded
    return [fact for fact in story.facts if isinstance(fact, kinds)]


@given(HISTORIES)
def test_X1_folding_the_facts_gives_the_state(history: tuple[int, list[Any]]) -> None:
    story = played(history)
    state: DeliveryState | None = None
    for fact in story.facts:
        state = evolve(state, msgspec.json.decode(msgspec.json.encode(fact), type=type(fact)))
    assert state == story.state


@given(HISTORIES)
def test_state_survives_its_encoding(history: tuple[int, list[Any]]) -> None:
    state = played(history).state
    if state is not None:
        assert msgspec.json.decode(msgspec.json.encode(state), type=DeliveryState) == state


@given(HISTORIES)
def test_deciding_twice_is_deciding_once(history: tuple[int, list[Any]]) -> None:
    once, again = played(history), played(history, twice=True)
    assert [meaning(fact) for fact in lasting(again)] == [meaning(fact) for fact in lasting(once)]
    assert again.state == once.state


def meaning(fact: Any) -> tuple[Any, ...]:
    rest = {name: getattr(fact, name) for name in fact.__struct_fields__ if name not in ("at", "cause")}
    if isinstance(fact, contract.DeliveryEnded) and fact.result == "cancelled":
        del rest["finished_at"]  # the instant of the decision
    return type(fact).__name__, fact.cause.rule, sorted(rest.items(), key=str)


@given(HISTORIES)
def test_J10_each_attempt_is_recorded_once_in_order_and_the_run_ends_once(history: tuple[int, list[Any]]) -> None:
    limit, _ = history
    story = played(history)
    recorded = [fact.attempt for fact in story.facts if isinstance(fact, contract.AttemptRecorded)]
    assert recorded == list(range(1, len(recorded) + 1))
    assert len(recorded) <= limit
    ended = [fact for fact in story.facts if isinstance(fact, contract.DeliveryEnded)]
    assert len(ended) == (story.state is None)
    if ended and ended[0].result != "cancelled":
        assert ended[0].attempts == len(recorded)


@given(HISTORIES)
def test_the_job_hears_of_the_end_and_of_each_cancellation_only(history: tuple[int, list[Any]]) -> None:
    story = played(history)
    told = [effect.event for fact in story.facts for effect in DELIVERIES.effects(fact)]
    over = story.state is None
    cancels = sum(isinstance(event, contract.CancelDelivery) for event in history[1])
    by_cancel = any(fact.result == "cancelled" for fact in story.facts if isinstance(fact, contract.DeliveryEnded))
    assert len(told) == cancels + (over and not by_cancel)
