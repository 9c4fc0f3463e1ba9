"""Alerts under any order of words: the same end, exact counters, and facts that are the whole truth."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.alert_story import Story, word
from tocsin.events import alerts as contract
from tocsin.events.alerts import AlertReceived
from tocsin.streams.domain.alert_evolution import evolve
from tocsin.streams.domain.alert_state import AlertState
from tocsin.streams.domain.alerts import fold, fold_key

NAMES = ("x", "y", "z")
PEOPLE_AND_REPEATS = st.builds(word, st.sampled_from(["acknowledged", "repeated"]), st.integers(0, 30))


@st.composite
def unnamed(draw: st.DrawFn) -> list[AlertReceived]:
    """Triggers and resolutions of a sender that names no episodes, each at its own minute."""
    minutes = draw(st.lists(st.integers(0, 60), min_size=1, max_size=9, unique=True))
    return [word(draw(st.sampled_from(["triggered", "resolved"])), at) for at in minutes]


@st.composite
def named(draw: st.DrawFn) -> list[AlertReceived]:
    """Cycles with names, one after the other, some never resolved, some named twice."""
    words, at = [], 0
    for name in NAMES[: draw(st.integers(1, 3))]:
        at += draw(st.integers(1, 5))
        words.append(word("triggered", at, name))
        if draw(st.booleans()):
            words.append(word("triggered", at, name))
        if draw(st.booleans()):
            at += draw(st.integers(1, 5))
            words.append(word("resolved", at, name))
    return words


def heard(words: list[AlertReceived]) -> Story:
    story = Story()
    for one in words:
        story.hear(one)
    return story


def fires(words: list[AlertReceived]) -> bool:
    """The rule itself, over all words at once."""
    resolutions = [one for one in words if one.transition == "resolved"]
    ended = {one.episode for one in resolutions}
    over_until = max((one.occurred_at for one in resolutions if not one.episode), default="")
    gone = [one.occurred_at for one in words if one.transition == "triggered" and one.episode and one.episode in ended]
    over_until = max([over_until, *gone])
    return any(
        one.occurred_at > over_until and (not one.episode or one.episode not in ended)
        for one in words
        if one.transition == "triggered"
    )


@given(st.one_of(unnamed(), named()), st.randoms(use_true_random=False))
def test_I2_any_order_of_triggers_and_resolutions_ends_in_the_same_status(
    words: list[AlertReceived], order: Any
) -> None:
    shuffled = list(words)
    order.shuffle(shuffled)
    state = heard(shuffled).state
    assert state is not None
    assert (state.episode is not None and state.episode.active) is fires(words)


@given(st.one_of(unnamed(), named()), st.lists(PEOPLE_AND_REPEATS, max_size=3), st.randoms(use_true_random=False))
def test_I2_every_delivery_is_counted_once(words: list[AlertReceived], more: list[AlertReceived], order: Any) -> None:
    everything = [*words, *more, *words[:2]]
    order.shuffle(everything)
    story = Story()
    for one in everything:
        story.hear(one, duplicate=any(one is other for other in everything[: everything.index(one)]))
    rows: dict[str, int] = {}
    for fact in story.facts:
        if isinstance(fact, contract.AlertFact) and (deliveries := getattr(fact, "deliveries", 0)):
            rows[fact.alert_id] = deliveries
    dropped = sum(isinstance(fact, contract.AlertWordIgnored) for fact in story.facts)
    waiting = story.state.waiting if story.state else 0
    assert sum(rows.values()) + dropped + waiting == len(everything)


@given(unnamed(), st.randoms(use_true_random=False))
def test_I2_occurrences_are_the_distinct_triggers(words: list[AlertReceived], order: Any) -> None:
    order.shuffle(words)
    rows: dict[str, int] = {}
    for fact in heard(words).facts:
        if isinstance(fact, contract.AlertOpened | contract.AlertRepeated):
            rows[fact.alert_id] = fact.occurrences
    assert sum(rows.values()) == sum(one.transition == "triggered" for one in words)


@given(st.one_of(unnamed(), named()), st.randoms(use_true_random=False))
def test_I2_hearing_every_word_twice_changes_deliveries_only(words: list[AlertReceived], order: Any) -> None:
    order.shuffle(words)
    once, twice = heard(words), Story()
    for one in words:
        twice.hear(one)
        twice.hear(one, duplicate=True)
    first, second = (episodes(story.facts) for story in (once, twice))
    assert first == second


def episodes(facts: list[Any]) -> list[tuple[str, str]]:
    return [
        (type(fact).__name__, fact.alert_id)
        for fact in facts
        if isinstance(fact, contract.AlertOpened | contract.AlertResolved | contract.AlertAcknowledged)
    ]


@given(st.lists(st.tuples(st.builds(word, st.just("triggered"), st.integers(0, 3)), st.booleans()), max_size=9))
def test_I2_folded_repeats_give_the_same_state_and_the_same_sums(history: list[tuple[AlertReceived, bool]]) -> None:
    story = Story()
    for event, duplicate in history:
        story.hear(event, duplicate=duplicate)
    folded: list[Any] = []
    for key, run in groupby(story.facts, key=fold_key):
        facts: list[Any] = list(run)
        folded += facts if key is None else [fold(facts)]
    state: AlertState | None = None
    for fact in folded:
        state = evolve(state, fact)
    assert state == story.state
    assert sum(getattr(fact, "deliveries_added", 0) for fact in folded) == sum(
        getattr(fact, "deliveries_added", 0) for fact in story.facts
    )


def test_state_stays_small() -> None:
    """At most 1.5 KB while it lives, a fraction of that once it is over."""
    story = Story()
    for minute in range(40):
        story.hear(word("triggered" if minute % 2 == 0 else "resolved", minute, f"2026-03-14T09:26:{minute:02}Z"))
    over = len(msgspec.json.encode(story.state))
    story.hear(msgspec.structs.replace(word("triggered", 50), title="x" * 500, service="shop"))
    assert (over < 1000, len(msgspec.json.encode(story.state)) < 1536) == (True, True)
