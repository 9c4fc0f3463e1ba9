"""Alerts: what counts, what repeats, what is over, in whatever order the senders' words arrive."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.alert_story import ENTITY, MINUTE, START, Story, word
from tocsin.events.alerts import AlertOpened, AlertReceived
from tocsin.events.commands import TimerDue
from tocsin.streams.domain.alert_evolution import evolve
from tocsin.streams.domain.alert_policy import AlertsPolicy
from tocsin.streams.domain.alert_state import AlertState
from tocsin.streams.domain.alerts import next_due


def told(*words: AlertReceived) -> Story:
    story = Story()
    for one in words:
        story.hear(one)
    return story


T, R, A, N = "triggered", "resolved", "acknowledged", "repeated"

# words as (transition, minutes, episode), then: status, number of the episode, occurrences, deliveries, last reason
TOLD: list[tuple[str, list[tuple[Any, ...]], tuple[str, int, int, int], str]] = [
    ("first trigger", [(T, 0)], ("firing", 1, 1, 1), "new_fingerprint"),
    ("again", [(T, 0), (T, 1)], ("firing", 1, 2, 2), "triggered_again"),
    ("renotified", [(T, 0), (N, 1)], ("firing", 1, 1, 2), "renotification"),
    ("the same episode", [(T, 0, "x"), (T, 1, "x")], ("firing", 1, 1, 2), "same_episode"),
    ("a repeat of what was missed", [(N, 0)], ("firing", 1, 1, 1), "new_fingerprint"),
    ("acknowledged", [(T, 0), (A, 1)], ("acknowledged", 1, 1, 2), "acknowledged_at_the_sender"),
    ("acknowledged twice", [(T, 0), (A, 1), (A, 2)], ("acknowledged", 1, 1, 3), "already_acknowledged"),
    ("resolved", [(T, 0), (R, 1)], ("resolved", 1, 1, 2), "resolved_by_sender"),
    ("resolved twice", [(T, 0), (R, 1), (R, 2)], ("resolved", 1, 1, 3), "already_resolved"),
    ("triggers after the end", [(T, 0), (R, 1), (T, 2)], ("firing", 2, 1, 1), "previous_resolved"),
    (
        "late word of an ended episode",
        [(T, 0, "x"), (R, 1, "x"), (T, 0, "x")],
        ("resolved", 1, 1, 3),
        "episode_already_resolved",
    ),
    ("trigger older than the end", [(T, 0), (R, 2), (T, 1)], ("resolved", 1, 2, 3), "older_than_episode"),
    ("resolution older than the trigger", [(T, 2), (R, 1)], ("firing", 1, 1, 2), "older_than_episode"),
    ("resolution of an older episode", [(T, 2, "y"), (R, 1, "x")], ("firing", 1, 1, 2), "older_than_episode"),
    ("resolution came first", [(R, 1), (T, 0)], ("resolved", 1, 1, 2), "resolution_came_first"),
    (
        "resolution of the episode came first",
        [(R, 1, "x"), (T, 0, "x")],
        ("resolved", 1, 1, 2),
        "resolution_came_first",
    ),
    ("a remembered resolution of another episode", [(R, 1, "x"), (T, 0, "y")], ("firing", 1, 1, 2), "new_fingerprint"),
    ("a remembered resolution of before", [(R, 0), (T, 1)], ("firing", 1, 1, 2), "new_fingerprint"),
    (
        "an episode that came and went meanwhile",
        [(T, 0, "x"), (R, 5, "y"), (T, 3, "y")],
        ("resolved", 2, 1, 1),
        "resolution_came_first",
    ),
    ("late word of the one before", [(T, 0, "x"), (T, 5, "y"), (T, 0, "x")], ("firing", 2, 1, 2), "older_than_episode"),
    ("next episode without an end", [(T, 0, "x"), (T, 5, "y")], ("firing", 2, 1, 1), "next_episode"),
]


@pytest.mark.parametrize(("words", "outcome", "reason"), [row[1:] for row in TOLD], ids=[row[0] for row in TOLD])
def test_I2_what_senders_say_in_order_or_not(
    words: list[tuple[Any, ...]], outcome: tuple[str, int, int, int], reason: str
) -> None:
    story = told(*(word(*one) for one in words))
    assert story.state is not None
    episode = story.state.episode
    assert episode is not None
    assert (episode.status, episode.number, episode.occurrences, episode.deliveries) == outcome
    assert story.facts[-1].cause.rule == reason


def test_I2_an_acknowledgement_of_an_unknown_alert_is_dropped_and_counted() -> None:
    (fact,) = Story().hear(word(A))
    assert fact.cause.rule == "unknown_alert"


def test_I2_a_senders_retry_adds_a_delivery_only() -> None:
    story = told(word(T))
    (fact,) = story.hear(word(T), duplicate=True)
    assert story.state is not None
    assert story.state.episode is not None
    assert (story.state.episode.occurrences, story.state.episode.deliveries) == (1, 2)
    assert fact.cause.rule == "duplicate_delivery"


def test_I2_the_key_is_explained_by_the_fact_that_opens() -> None:
    (opened,) = Story().hear(word(T))
    assert isinstance(opened, AlertOpened)
    assert (opened.fingerprint_rule, opened.fingerprint_fields) == ("alertmanager.fingerprint", {"fingerprint": "f00"})
    assert opened.cause.values["fingerprint"] == "f00"


def test_I2_silence_ends_an_alert_where_the_policy_says_so() -> None:
    story = Story(AlertsPolicy(sources={"alertmanager": MINUTE}))
    story.hear(word(T))
    assert story.state is not None
    due = next_due(story.state, story.policy)
    assert due == START + 1_000 + MINUTE
    assert story.hear(TimerDue(entity=ENTITY, due_at=due), after=MINUTE - 1) == []
    (over,) = story.hear(TimerDue(entity=ENTITY, due_at=due), after=1)
    assert (over.cause.rule, next_due(story.state, story.policy)) == ("silence", None)


WORDS = st.builds(word, st.sampled_from([T, T, R, A, N]), st.integers(0, 5), st.sampled_from(["", "", "x", "y"]))
TALES = st.lists(st.tuples(WORDS, st.booleans()), max_size=20)


@given(TALES)
def test_X1_folding_the_facts_gives_the_state(tale: list[tuple[AlertReceived, bool]]) -> None:
    story = Story()
    for event, duplicate in tale:
        story.hear(event, duplicate=duplicate)
    state: AlertState | None = None
    for fact in story.facts:
        state = evolve(state, msgspec.json.decode(msgspec.json.encode(fact), type=type(fact)))
    assert state == story.state
    if state is not None:
        assert msgspec.json.decode(msgspec.json.encode(state), type=AlertState) == state


@given(TALES)
def test_I2_every_word_is_answered_by_at_least_one_fact_and_times_only_rise(
    tale: list[tuple[AlertReceived, bool]],
) -> None:
    story, last = Story(), dict[str, str]()
    for event, duplicate in tale:
        facts = story.hear(event, duplicate=duplicate)
        assert facts
        for fact in facts:
            if alert_id := getattr(fact, "alert_id", ""):
                assert fact.at > last.get(alert_id, "")
                last[alert_id] = fact.at


@given(st.permutations([(T, 0), (R, 1)]), st.sampled_from(["", "x"]))
def test_I2_a_trigger_and_its_resolution_end_resolved_in_either_order(order: list[Any], episode: str) -> None:
    story = told(*(word(transition, at, episode) for transition, at in order))
    assert story.state is not None
    assert story.state.episode is not None
    assert story.state.episode.status == "resolved"
