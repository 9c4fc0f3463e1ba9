"""Attempts that a receiver refuses to repeat: what is known of those before the last one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.delivery_story import DELIVERY, START, Story, attempted, requested, said
from tocsin.events import deliveries as contract
from tocsin.events import tasks
from tocsin.events.deliveries import AwsTask, Origin, Request
from tocsin.streams.domain.deliveries import DELIVERIES

TASK = "k_" + "a" * 32
ORIGIN = Origin(domain="tasks", entity=TASK, run_id=f"{TASK}.settlement", purpose="settlement")
REQUEST = Request(
    url="aws:states",
    kind="aws_task",
    aws_task=AwsTask(action="success", token="sealed"),
    retry_delays_ms=(1_000, 2_000),
)


def begun(attempt: int = 1) -> contract.AttemptBegun:
    return contract.AttemptBegun(delivery_id=DELIVERY, attempt=attempt)


def settling(**more: Any) -> Story:
    return Story().given(requested(origin=ORIGIN, request=REQUEST, max_attempts=5, **more))


def refused(attempt: int = 1) -> contract.AttemptFinished:
    return attempted(attempt, 400, "aws_refused", code="TaskTimedOut", detail="Task Timed Out")


def ended(story: Story) -> contract.DeliveryEnded:
    (found,) = (fact for fact in story.facts if isinstance(fact, contract.DeliveryEnded))
    return found


@pytest.mark.parametrize(
    ("before", "uncertain"),
    [
        ([begun()], False),
        ([begun(), begun()], True),  # it was cut, and is made again by whoever took over
        ([begun(), attempted(1, 500, "aws_unanswered"), begun(2)], True),
        ([begun(), attempted(1, None, "aws_unavailable"), begun(2)], False),
        ([begun(), attempted(1, 400, "aws_unavailable", code="ThrottlingException"), begun(2)], False),
        ([begun(), begun(), attempted(1, 400, "aws_unavailable"), begun(2)], True),
        # whoever took over had not heard yet that the first one was over, and made it again
        ([begun(), attempted(1, 400, "aws_unavailable"), begun(1), begun(2)], True),
        ([begun(), attempted(1, 400, "aws_unavailable"), begun(2), begun(1)], True),
    ],
)
def test_T3_a_refusal_is_certain_unless_a_try_before_may_have_arrived(before: list[Any], uncertain: bool) -> None:
    story = settling().given(*before)
    assert story.state is not None
    story.when(refused(story.state.attempt))
    end = ended(story)
    assert (end.result, end.error, end.code, end.uncertain) == ("failed", "aws_refused", "TaskTimedOut", uncertain)
    (effect,) = DELIVERIES.effects(end)
    assert isinstance(effect.event, tasks.SettlementFinished)
    assert (effect.domain, effect.entity, effect.event.uncertain) == ("tasks", TASK, uncertain)


def test_T3_aws_is_told_again_soon_and_then_ever_more_rarely() -> None:
    story = settling()
    waits = []
    for attempt in (1, 2, 3, 4):
        story.when(attempted(attempt, None, "aws_unavailable"))
        assert story.state is not None
        waits.append(story.state.not_before - (START + 5 + 40))  # from the end of the attempt
    for wait, delay in zip(waits, (1_000, 2_000, 2_000, 2_000), strict=True):
        assert 0.8 * delay <= wait <= 1.2 * delay
    (end,) = [
        fact for fact in story.when(attempted(5, None, "aws_unavailable")) if isinstance(fact, contract.DeliveryEnded)
    ]
    assert (end.attempts, end.cause.rule) == (5, "attempts_exhausted")


def test_a_beginning_after_the_end_changes_nothing() -> None:
    story = settling().given(begun(), attempted(1, 200))
    assert story.when(begun()) == []


def test_T3_a_poll_tells_its_task_what_was_read_and_a_cancelled_one_nobody() -> None:
    answer = contract.PollAnswer(state="running", external_status="WORKING")
    origin = Origin(domain="tasks", entity=TASK, run_id=f"{TASK}.poll-1", purpose="poll")
    story = Story().given(requested(origin=origin, max_attempts=1), attempted(1, 200, answer=answer))
    (effect,) = DELIVERIES.effects(ended(story))
    assert isinstance(effect.event, tasks.PollFinished)
    assert effect.event.answer == answer
    story = Story().given(requested(origin=origin, max_attempts=1))
    cancel = contract.CancelDelivery(delivery_id=DELIVERY, origin=origin)
    assert [effect for fact in story.when(cancel) + story.when(cancel) for effect in DELIVERIES.effects(fact)] == []


def test_nobody_waits_for_the_end_of_a_notice() -> None:
    origin = Origin(domain="tasks", entity=TASK, run_id=f"{TASK}.notice", purpose="notice")
    story = Story().given(requested(origin=origin), attempted(1, 200))
    assert DELIVERIES.effects(ended(story)) == ()


WORDS = st.lists(st.sampled_from(["begun", "begun late", "unanswered", "unavailable", "refused", "taken"]), max_size=12)


@given(WORDS)
def test_T3_certain_means_that_no_attempt_before_may_have_arrived(words: list[str]) -> None:
    """Against a count made by hand of what was begun and what was answered."""
    story, open_attempts, doubtful = settling(), 0, False
    for word in words:
        if story.state is None:
            break
        attempt = story.state.attempt
        if word == "begun late":
            if attempt > 1:
                story.when(begun(attempt - 1))
                doubtful = True
            continue
        if word == "begun":
            story.when(begun(attempt))
            open_attempts += 1
            continue
        doubtful = doubtful or open_attempts > 1 or word == "unanswered"
        open_attempts = 0
        story.when(
            {
                "unanswered": attempted(attempt, None, "aws_unanswered"),
                "unavailable": attempted(attempt, None, "aws_unavailable"),
                "refused": refused(attempt),
                "taken": attempted(attempt, 200),
            }[word]
        )
    for fact in story.facts:
        if isinstance(fact, contract.DeliveryEnded):
            assert fact.uncertain == doubtful
    rules = ("begins", "begins_again", "begins_late")
    assert all(rule in rules for name, rule in said(story.facts) if name == "AttemptNoted")
