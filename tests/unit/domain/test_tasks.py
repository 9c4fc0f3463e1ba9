"""What is decided about tasks, and why: polls, clocks, the one settlement, and what AWS says to it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.domain.task_story import (
    DAY,
    HOUR,
    MINUTE,
    RESULT,
    SECOND,
    START,
    TASK,
    TOKEN,
    Story,
    poll,
    register,
    said,
    settle,
)
from tocsin.events import tasks as contract
from tocsin.events.commands import CommandRefused, CommandUnchanged
from tocsin.events.deliveries import AwsTask
from tocsin.events.jobs import NO_PAYLOAD
from tocsin.events.tickets import FailureReported
from tocsin.events.times import rfc3339, unix_ms
from tocsin.streams.domain.task_policy import TasksPolicy


def aws_call(story: Story, purpose: str = "settlement") -> AwsTask:
    (call,) = story.asked(purpose)
    assert call.request.kind == "aws_task"
    assert call.request.aws_task is not None
    return call.request.aws_task


def polling(**changes: Any) -> Story:
    """A task whose first poll is under way."""
    story = Story().given(register(**changes))
    story.wake(after=30 * SECOND)
    return story


# --- registration -----------------------------------------------------------------------------------------------------


def test_T1_a_token_is_registered_with_its_clocks() -> None:
    story = Story()
    (registered,) = story.when(register(heartbeat_ms=2 * MINUTE))
    assert said([registered]) == [("TaskRegistered", "registered")]
    assert isinstance(registered, contract.TaskRegistered)
    assert registered.status == "PENDING"
    assert unix_ms(registered.deadline) == START + HOUR
    assert unix_ms(registered.heartbeat_due) == START + 2 * MINUTE
    assert unix_ms(registered.next_poll) == START + 30 * SECOND
    assert registered.answers[0].wait
    assert story.due_in() == 30 * SECOND


def test_T1_the_same_request_again_is_the_same_task_and_another_body_is_refused() -> None:
    story = Story().given(register())
    assert said(story.when(register())) == [("CommandUnchanged", "registered_already")]
    (refused,) = story.when(register(owner="bob"), digest="d2")
    assert isinstance(refused, CommandRefused)
    assert refused.reason == "registered_otherwise"
    assert story.when(register(), duplicate=True) == []


def test_T9_a_task_without_a_deadline_says_so() -> None:
    story = Story()
    assert said(story.when(register(timeout_ms=0, poll=None))) == [("TaskRegistered", "registered_without_deadline")]
    assert story.due_in() is None


# --- polling ----------------------------------------------------------------------------------------------------------


def test_T2_a_poll_is_a_delivery_whose_answer_settles_the_task() -> None:
    story = polling()
    (call,) = story.asked("poll")
    assert call.request.url == "https://jobs.example/7"
    assert call.request.method == "GET"
    assert call.max_attempts == 1
    assert story.facts[-1].status == "POLLING"  # type: ignore[attr-defined]
    assert story.due_in() == HOUR - 30 * SECOND, "while a poll is under way only the deadline is waited for"
    facts = story.polled("completed")
    assert said(facts) == [("TaskPolled", "says_completed"), ("TaskSettled", "polled")]
    told = aws_call(story)
    assert (told.action, told.token) == ("success", TOKEN)
    assert bytes(story.asked("settlement")[0].request.payload) == bytes(RESULT)
    assert story.task.status == "COMPLETED"


@pytest.mark.parametrize(
    ("how", "rules", "status", "error", "cause"),
    [
        ({"state": "failed", "detail": "no disk"}, ["says_failed", "polled"], "FAILED", "FAILED", "no disk"),
        ({"state": "failed"}, ["says_failed", "polled"], "FAILED", "FAILED", "the job is FAILED"),
        (
            {"state": "oversize", "detail": "too big"},
            ["result_too_large", "result_too_large"],
            "FAILED",
            "ResultTooLarge",
            "too big",
        ),
    ],
)
def test_T2_a_job_that_failed_fails_the_task(
    how: dict[str, Any], rules: list[str], status: str, error: str, cause: str
) -> None:
    story = polling()
    facts = story.polled(**how)
    assert [fact.cause.rule for fact in facts] == rules
    told = aws_call(story)
    assert (story.task.status, told.action, told.error, told.cause) == (status, "failure", error, cause)


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ({"state": "running"}, "still_running"),
        ({"state": "unreadable"}, "answer_unreadable"),
        ({"error": "timeout"}, "no_answer"),
    ],
)
def test_T2_every_poll_is_counted_once_and_the_last_one_ends_the_task(how: dict[str, Any], rule: str) -> None:
    story = Story().given(register(poll=poll(max_attempts=3)))
    for nth in (1, 2, 3):
        story.wake(after=story.due_in() or 0)
        facts = story.polled(**how)
        assert story.task.attempts == nth
        assert facts[0].cause.rule == rule
    assert said(facts)[1:] == [("TaskSettled", "attempts_exhausted")]
    assert facts[1].cause.values == {"attempts": 3, "max_attempts": 3}
    assert story.task.status == "MAX_ATTEMPTS"
    assert aws_call(story).error == "MAX_ATTEMPTS"
    assert story.due_in() is None, "AWS is being told"


def test_T2_the_interval_backs_off_up_to_its_maximum() -> None:
    story = Story().given(register(poll=poll(backoff=2.0, max_interval_ms=3 * MINUTE, max_attempts=99)))
    waits = []
    for _ in range(5):
        waits.append((story.due_in() or 0) // SECOND)
        story.wake(after=story.due_in() or 0)
        story.polled(after=0)
    assert waits == [30, 60, 120, 180, 180]


def test_T2_a_sign_of_life_comes_within_the_heartbeat_clock_however_polls_back_off() -> None:
    story = Story().given(register(heartbeat_ms=2 * MINUTE, poll=poll(backoff=10.0, max_attempts=99)))
    for _ in range(10):
        due = story.due_in() or 0
        assert due <= MINUTE
        story.wake(after=due)
        story.polled(after=0)
    assert story.task.waiting


def test_T2_the_deadline_ends_the_task_and_the_poll_under_way() -> None:
    story = polling()
    facts = story.wake(after=HOUR)
    assert said(facts) == [("TaskSettled", "deadline_passed")]
    assert story.task.status == "TIMEOUT"
    assert aws_call(story).error == "TIMEOUT"
    assert story.cancelled == [f"{TASK}.poll-1"]
    late = story.when(story.poll_ended("completed", run_id=f"{TASK}.poll-1"))
    assert said(late) == [("WordIgnored", "settled_already")]
    assert len(story.settlements()) == 1


def test_T2_an_answer_that_comes_after_the_deadline_is_too_late_also_when_nobody_woke_the_task() -> None:
    story = polling()
    facts = story.polled("completed", after=2 * HOUR)
    assert said(facts) == [("TaskSettled", "deadline_passed"), ("WordIgnored", "settled_already")]


def test_T2_after_a_downtime_longer_than_the_deadline_nobody_is_asked_any_more() -> None:
    story = Story().given(register())
    assert said(story.wake(after=DAY)) == [("TaskSettled", "deadline_passed")]
    assert not story.asked("poll")


def test_T2_after_a_downtime_there_is_one_poll_not_all_that_were_missed() -> None:
    story = Story().given(register(timeout_ms=DAY))
    assert said(story.wake(after=HOUR)) == [("PollStarted", "interval_over")]
    assert story.task.attempts == 0


def test_T2_a_poll_may_invoke_a_function() -> None:
    story = Story().given(register(poll=poll(url="", lambda_function="check", payload=msgspec.Raw(b'{"id":7}'))))
    story.wake(after=30 * SECOND)
    (call,) = story.asked("poll")
    assert (call.request.kind, call.request.lambda_function) == ("lambda", "check")
    assert bytes(call.request.payload) == b'{"id":7}'


def test_T2_a_poll_whose_end_is_never_told_is_counted_and_the_task_goes_on() -> None:
    story = polling(timeout_ms=0)
    assert story.due_in() == HOUR
    assert said(story.wake(after=HOUR)) == [("TaskPolled", "no_answer")]
    assert (story.task.attempts, story.due_in()) == (1, 30 * SECOND)
    late = story.when(story.poll_ended("completed", run_id=f"{TASK}.poll-1"))
    assert said(late) == [("WordIgnored", "another_poll")]


# --- heartbeats -------------------------------------------------------------------------------------------------------


def test_T3_a_heartbeat_moves_its_own_clock_and_never_the_deadline() -> None:
    story = Story().given(register(poll=None, heartbeat_ms=2 * MINUTE))
    beat = contract.HeartbeatReceived(task_id=TASK, actor="worker")
    (accepted,) = story.when(beat, after=MINUTE)
    assert isinstance(accepted, contract.HeartbeatAccepted)
    assert unix_ms(accepted.heartbeat_due) == START + 3 * MINUTE
    assert unix_ms(accepted.deadline) == START + HOUR
    assert aws_call(story, "heartbeat").action == "heartbeat"
    for _ in range(100):
        if not story.task.waiting:
            break
        story.when(beat, after=MINUTE)
    assert story.task.status == "TIMEOUT"
    assert story.settlements()[0].cause.rule == "deadline_passed"


def test_T3_without_a_heartbeat_the_task_ends() -> None:
    story = Story().given(register(poll=None, heartbeat_ms=2 * MINUTE, issued=True))
    assert said(story.wake(after=2 * MINUTE)) == [("TaskSettled", "heartbeat_missed")]
    assert story.task.status == "TIMEOUT"
    assert not story.calls, "the token is tocsin's own"


def test_T3_a_poll_that_finds_the_job_running_is_a_heartbeat_and_aws_hears_of_it() -> None:
    story = polling(heartbeat_ms=2 * MINUTE)
    story.polled("running")
    assert aws_call(story, "heartbeat").token == TOKEN
    assert story.task.heartbeat_due == story.now + 2 * MINUTE


@pytest.mark.parametrize("how", [{"state": "unreadable"}, {"error": "connect"}])
def test_T3_a_poll_without_an_answer_is_no_sign_of_life(how: dict[str, Any]) -> None:
    story = polling(heartbeat_ms=2 * MINUTE)
    before = story.task.heartbeat_due
    story.polled(**how)
    assert story.task.heartbeat_due == before
    assert not story.asked("heartbeat")


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_T3_a_task_that_aws_has_closed_waits_no_longer(code: str) -> None:
    story = polling(heartbeat_ms=2 * MINUTE)
    told = contract.HeartbeatForwarded(task_id=TASK, run_id=f"{TASK}.heartbeat-2", result="failed", code=code)
    assert said(story.when(told)) == [("TaskSettled", "closed_elsewhere")]
    assert (story.task.status, story.settlements()[0].confirmation) == ("TIMEOUT", "closed_elsewhere")
    assert not story.asked("settlement"), "there is nobody to tell"
    assert said(story.when(told)) == [("WordIgnored", "nobody_waits")]


@pytest.mark.parametrize(
    ("result", "code", "rule"), [("succeeded", "", "taken_by_aws"), ("failed", "ThrottlingException", "not_taken")]
)
def test_T3_heartbeats_do_not_pile_up_while_aws_is_being_told(result: Any, code: str, rule: str) -> None:
    story = Story().given(register(poll=None, heartbeat_ms=2 * MINUTE))
    beat = contract.HeartbeatReceived(task_id=TASK, actor="worker")
    for _ in range(5):
        story.when(beat, after=SECOND)
    (call,) = story.asked("heartbeat")
    told = contract.HeartbeatForwarded(task_id=TASK, run_id=call.origin.run_id, result=result, code=code)
    assert said(story.when(told)) == [("HeartbeatTold", rule)]
    story.when(beat, after=SECOND)
    assert len(story.asked("heartbeat")) == 2


def test_T3_a_heartbeat_whose_end_was_lost_holds_nothing_back_for_long() -> None:
    story = Story().given(register(poll=None, heartbeat_ms=2 * MINUTE))
    beat = contract.HeartbeatReceived(task_id=TASK, actor="worker")
    for _ in range(4):
        story.when(beat, after=MINUTE)
    assert len(story.asked("heartbeat")) == 2


# --- settled by somebody else -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("via", ["hand", "token", "callback"])
@pytest.mark.parametrize(("outcome", "status"), [("success", "COMPLETED"), ("failure", "FAILED")])
def test_T3_the_first_settlement_holds(via: Any, outcome: Any, status: str) -> None:
    story = Story().given(register())
    (settled,) = story.when(settle(outcome, via=via))
    assert said([settled]) == [("TaskSettled", f"by_{via}")]
    assert settled.answers[0].wait
    assert story.task.status == status
    other = "failure" if outcome == "success" else "success"
    (refused,) = story.when(settle(other, via=via))
    assert isinstance(refused, CommandRefused)
    assert refused.reason == "settled"
    assert len(story.settlements()) == 1


def test_T3_the_same_settlement_again_is_no_error_unless_aws_is_to_be_followed() -> None:
    story = Story().given(register(), settle())
    assert isinstance(story.when(settle(actor="bob"))[0], CommandUnchanged)
    (refused,) = story.when(settle(idempotent=False))
    assert isinstance(refused, CommandRefused)


@pytest.mark.parametrize(
    "event",
    [
        settle(),
        contract.HeartbeatReceived(task_id=TASK, actor="w"),
        contract.CancelRequested(task_id=TASK, actor="ana"),
        contract.PollNowRequested(task_id=TASK, actor="ana"),
        contract.DeadlineExtensionRequested(task_id=TASK, actor="ana", deadline=rfc3339(START + DAY)),
    ],
)
def test_commands_to_a_task_nobody_registered_or_that_is_settled_are_refused(event: Any) -> None:
    (unknown,) = Story().when(event)
    assert isinstance(unknown, CommandRefused)
    assert unknown.reason == "unknown"
    story = Story().given(register(), settle("failure"))
    (refused,) = story.when(event)
    assert isinstance(refused, CommandRefused)
    assert refused.reason == "settled"
    assert story.when(event, duplicate=True) == []


def test_an_event_under_the_key_of_another_task_is_set_aside() -> None:
    with pytest.raises(ValueError, match="under the key"):
        Story().when(msgspec.structs.replace(settle(), task_id="k_" + "a" * 32))


# --- cancel, poll now, wait longer ------------------------------------------------------------------------------------


def test_T10_a_cancelled_task_lets_the_workflow_go() -> None:
    story = polling()
    cancel = contract.CancelRequested(task_id=TASK, actor="ana", reason="not needed")
    assert said(story.when(cancel)) == [("TaskSettled", "cancelled")]
    assert (aws_call(story).error, aws_call(story).cause) == ("CANCELLED", "not needed")
    assert story.cancelled == [f"{TASK}.poll-1"]
    assert said(story.when(cancel)) == [("CommandUnchanged", "cancelled_already")]


def test_T10_poll_now_asks_at_once_but_never_twice_at_a_time() -> None:
    story = Story().given(register())
    now = contract.PollNowRequested(task_id=TASK, actor="ana")
    assert said(story.when(now)) == [("PollStarted", "asked_for")]
    assert said(story.when(now)) == [("CommandUnchanged", "poll_under_way")]
    story.polled()
    assert story.due_in() == 30 * SECOND, "the interval begins anew"
    (refused,) = Story().given(register(poll=None)).when(now)
    assert isinstance(refused, CommandRefused)
    assert refused.reason == "nothing_to_poll"


def test_T10_a_deadline_can_be_moved_and_given() -> None:
    def extend(at: int) -> contract.DeadlineExtensionRequested:
        return contract.DeadlineExtensionRequested(task_id=TASK, actor="ana", deadline=rfc3339(at))

    story = Story().given(register(poll=None, timeout_ms=0))
    assert said(story.when(extend(START + HOUR))) == [("DeadlineExtended", "deadline_given")]
    assert said(story.when(extend(START + 2 * HOUR))) == [("DeadlineExtended", "extended")]
    assert said(story.when(extend(START + 2 * HOUR))) == [("CommandUnchanged", "same_deadline")]
    (refused,) = story.when(extend(START - 1))
    assert isinstance(refused, CommandRefused)
    story.wake(after=HOUR)
    assert story.task.waiting
    story.wake(after=HOUR)
    assert story.task.status == "TIMEOUT"


def test_a_stale_if_match_is_refused() -> None:
    story = Story().given(register())
    (refused,) = story.when(contract.CancelRequested(task_id=TASK, actor="ana", if_version=99))
    assert isinstance(refused, CommandRefused)
    assert (refused.reason, refused.current_version) == ("version_mismatch", 0)


# --- who is told ------------------------------------------------------------------------------------------------------


def test_T3_tocsins_own_token_needs_no_aws_and_its_waiter_may_name_a_url() -> None:
    story = Story().given(register(issued=True, on_settled_url="https://hooks.example/done"), settle())
    assert not story.asked("settlement")
    assert story.settlements()[0].confirmation == "not_needed"
    (notice,) = story.asked("notice")
    body = msgspec.json.decode(bytes(notice.request.payload))
    assert notice.request.url == "https://hooks.example/done"
    assert (body["task_id"], body["status"], body["result"]) == (TASK, "COMPLETED", {"rows": 3})


def test_T3_a_large_result_travels_by_its_digest() -> None:
    large = settle(result=NO_PAYLOAD, result_digest="ab" * 32)
    story = Story().given(register(on_settled_url="https://hooks.example/done"), large)
    assert story.asked("settlement")[0].request.payload_digest == "ab" * 32
    assert msgspec.json.decode(bytes(story.asked("notice")[0].request.payload))["result_digest"] == "ab" * 32


def test_T3_a_success_without_a_result_is_null() -> None:
    story = Story().given(register(), settle(result=NO_PAYLOAD))
    assert bytes(story.asked("settlement")[0].request.payload) == b"null"


def test_T3_what_is_too_long_for_a_workflow_is_cut() -> None:
    story = Story().given(register(), settle("failure", error="é" * 200, cause="é" * 20_000))
    told = aws_call(story)
    assert (len(told.error.encode()), len(told.cause.encode())) == (256, 32_768)


# --- what AWS says ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said_by_aws", "confirmation", "rule", "ticket"),
    [
        ({"result": "succeeded"}, "confirmed", "taken_by_aws", False),
        ({"code": "TaskTimedOut", "error": "aws_refused"}, "rejected_by_aws", "refused_by_aws", True),
        ({"code": "InvalidOutput", "error": "aws_refused"}, "rejected_by_aws", "refused_by_aws", True),
        (
            {"code": "TaskTimedOut", "error": "aws_refused", "uncertain": True},
            "unconfirmed",
            "a_try_may_have_arrived",
            False,
        ),
        ({"code": "AccessDenied", "error": "aws_unavailable"}, "undelivered", "given_up", True),
        ({"error": "aws_unanswered", "uncertain": True}, "unconfirmed", "a_try_may_have_arrived", False),
    ],
)
def test_T3_what_aws_says_changes_no_outcome(
    said_by_aws: dict[str, Any], confirmation: str, rule: str, ticket: bool
) -> None:
    story = Story().given(register(), settle())
    facts = story.aws_says(**({"result": "failed"} | said_by_aws))
    assert said(facts) == [("SettlementConcluded", rule)]
    assert story.task.status == "COMPLETED"
    assert story.task.settled is not None
    assert story.task.settled.confirmation == confirmation
    tickets = [effect.event for effect in story.effects if isinstance(effect.event, FailureReported)]
    assert [one.workflow for one in tickets] == (["task:job-7"] if ticket else [])
    assert said(story.aws_says()) == [("WordIgnored", "nobody_waits")]


def test_a_settled_task_is_forgotten_in_the_end_and_its_token_is_unknown_then() -> None:
    story = Story(TasksPolicy(kept_ms=DAY)).given(register())
    story.when(settle(), after=SECOND)
    assert story.due_in() is None, "AWS is being told"
    story.aws_says()
    assert story.due_in() == DAY
    assert said(story.wake(after=DAY)) == [("TaskForgotten", "kept_long_enough")]
    assert story.state is None
    (refused,) = story.when(settle())
    assert isinstance(refused, CommandRefused)
    assert refused.reason == "unknown"


def test_what_is_kept_of_a_settled_task_is_small_and_without_its_token() -> None:
    story = Story().given(register(metadata=msgspec.Raw(b'{"a":1}')), settle())
    encoded = msgspec.json.encode(story.task)
    assert TOKEN.encode() not in encoded
    assert len(encoded) < 400
