"""Any interleaving of polls, clocks and settlements: one settlement, every poll counted once, facts fold to state."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.task_story import MINUTE, SECOND, START, TASK, Story, poll, register, settle
from tocsin.events import tasks as contract
from tocsin.events.times import rfc3339
from tocsin.streams.domain.task_state import Task, evolve
from tocsin.streams.domain.tasks import TASKS

STATES = st.sampled_from(["completed", "failed", "running", "running", "running", "unreadable", "oversize", "error"])
COMMANDS = st.sampled_from(
    [
        settle(),
        settle("failure"),
        settle(via="token", idempotent=False),
        contract.HeartbeatReceived(task_id=TASK, actor="w"),
        contract.CancelRequested(task_id=TASK, actor="ana"),
        contract.PollNowRequested(task_id=TASK, actor="ana"),
        contract.DeadlineExtensionRequested(task_id=TASK, actor="ana", deadline=rfc3339(START + 90 * MINUTE)),
        register(),
    ]
)
STEPS = st.lists(
    st.tuples(
        st.one_of(
            st.just(("wake", None)),
            st.tuples(st.just("poll"), STATES),
            st.tuples(st.just("old poll"), STATES),
            st.tuples(st.just("command"), COMMANDS),
            st.tuples(st.just("aws"), st.sampled_from(["succeeded", "failed"])),
        ),
        st.sampled_from([0, 100, SECOND, 30 * SECOND, 10 * MINUTE]),
    ),
    max_size=40,
)
SPECS = st.fixed_dictionaries(
    {
        "issued": st.booleans(),
        "heartbeat_ms": st.sampled_from([0, 2 * MINUTE]),
        "timeout_ms": st.sampled_from([0, 60 * MINUTE]),
        "poll": st.one_of(st.none(), st.builds(poll, max_attempts=st.integers(1, 4), backoff=st.floats(1, 4))),
    }
)


def play(story: Story, step: tuple[Any, Any], after: int) -> None:
    what, how = step
    error = "timeout" if how == "error" else ""
    if what == "wake":
        story.wake(after=after)
    elif what == "command":
        story.when(how, after=after)
    elif what == "poll" and story.state is not None and story.state.polling:
        story.polled(how, error=error, after=after)
    elif what == "old poll" and story.state is not None:
        story.when(story.poll_ended(how, run_id=f"{TASK}.poll-1", error=error), after=after)
    elif what == "aws" and story.asked("settlement"):
        story.aws_says(how, error="" if how == "succeeded" else "aws_refused")


def told(asked: dict[str, Any], steps: list[tuple[Any, int]]) -> Story:
    story = Story().given(register(**asked))
    for step, after in steps:
        play(story, step, after)
    return story


@given(SPECS, STEPS)
def test_T3_there_is_one_settlement_however_everything_interleaves(asked: dict[str, Any], steps: Any) -> None:
    story = told(asked, steps)
    settled = story.settlements()
    assert len(settled) <= 1
    assert len(story.asked("settlement")) == (len(settled) if not asked["issued"] else 0) or any(
        fact.confirmation == "closed_elsewhere" for fact in settled
    )
    assert story.task.waiting == (not settled)
    if settled:
        assert story.task.status == settled[0].status
        assert [fact for fact in story.facts if isinstance(fact, contract.PollStarted)] == [
            fact for fact in story.facts[: story.facts.index(settled[0])] if isinstance(fact, contract.PollStarted)
        ], "nobody is asked after the end"


@given(SPECS, STEPS)
def test_T2_every_poll_is_counted_once_however_everything_interleaves(asked: dict[str, Any], steps: Any) -> None:
    story = told(asked, steps)
    polled = [fact.poll for fact in story.facts if isinstance(fact, contract.TaskPolled)]
    started = [fact.poll for fact in story.facts if isinstance(fact, contract.PollStarted)]
    assert polled == list(range(1, len(polled) + 1))
    assert started == list(range(1, len(started) + 1))
    assert len(polled) <= len(started) <= len(polled) + 1
    if asked["poll"] is not None:
        assert len(polled) <= asked["poll"].max_attempts


@given(SPECS, STEPS)
def test_X1_folding_the_facts_gives_the_state(asked: dict[str, Any], steps: Any) -> None:
    story = told(asked, steps)
    state: Task | None = None
    for fact in story.facts:
        state = evolve(state, msgspec.json.decode(msgspec.json.encode(fact), type=type(fact)))
    assert state == story.state
    again = msgspec.json.decode(msgspec.json.encode(story.task), type=Task)
    assert again == story.task


@given(SPECS, STEPS)
def test_T3_the_end_of_every_call_told_twice_changes_nothing(asked: dict[str, Any], steps: Any) -> None:
    story = Story().given(register(**asked))
    for step, after in steps:
        before, heard = story.state, story.task.polling
        play(story, step, after)
        if step[0] == "poll" and heard and story.state is not before:
            facts = story.when(story.poll_ended(step[1], run_id=heard, error="x" if step[1] == "error" else ""))
            assert all(isinstance(fact, contract.WordIgnored) for fact in facts), facts


@given(SPECS, STEPS)
def test_T2_whoever_waits_is_woken(asked: dict[str, Any], steps: Any) -> None:
    """A waiting task has a clock, a poll under way, or was told that it may wait for ever."""
    story = told(asked, steps)
    due = TASKS.next_due(story.task, story.policy)
    if story.task.waiting and not story.task.polling and (asked["poll"] or asked["timeout_ms"]):
        assert due is not None
    moments = [fact.at for fact in story.facts if isinstance(fact, contract.TaskFact)]
    assert moments == sorted(set(moments)), "updated_at strictly increases"
