"""Jobs: quota, slots and their verdicts, overlap, pause, deletion, runs and tickets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.domain.job_story import DAY, FIRST, HOUR, MINUTE, QUOTA, SECOND, START, World, names
from tocsin.events import jobs as contract
from tocsin.events import tickets
from tocsin.events.commands import CommandRefused
from tocsin.events.times import rfc3339
from tocsin.streams.domain.job_policy import JobsPolicy


def command(kind: type[Any], **more: Any) -> Any:
    return kind(job_id=FIRST, actor="ana", **more)


# --- creating -------------------------------------------------------------------------------------------------------


def test_J1_a_cron_job_is_created_with_its_next_run() -> None:
    world = World()
    facts = world.create(cron="30 10 * * *")
    assert names(facts) == ["JobAccepted", "JobCreated"]
    created = facts[-1]
    assert isinstance(created, contract.JobCreated)
    assert (created.job_id, created.status, created.next_run) == (FIRST, "active", "2026-03-02T10:30:00.000Z")
    assert world.answers() == [("e1", "JobCreated")]


def test_J14_the_quota_is_exact_and_room_is_made_by_deleting() -> None:
    world = World(JobsPolicy(max_jobs=3))
    for _ in range(3):
        world.create()
    (refused,) = world.create()
    assert isinstance(refused, CommandRefused)
    assert (refused.reason, refused.cause.rule) == ("quota_exceeded", "quota_exceeded")
    world.ask(command(contract.JobPauseRequested))
    assert isinstance(world.create()[0], CommandRefused)  # a paused one counts
    world.ask(command(contract.JobDeleteRequested))
    assert names(world.create())[-1] == "JobCreated"
    assert f"{QUOTA}-4" in world.states


def test_J14_a_job_that_has_run_counts_no_more() -> None:
    world = World(JobsPolicy(max_jobs=1))
    world.create(run_at=rfc3339(START + MINUTE))
    world.live(MINUTE + SECOND)
    assert isinstance(world.create()[0], CommandRefused)
    world.end_all()
    assert names(world.create())[-1] == "JobCreated"


def test_J1_the_same_request_again_creates_nothing() -> None:
    world = World()
    world.create()
    again = contract.JobCreateRequested(spec=world.job().spec, actor="ana")
    assert world.ask(again, duplicate=True) == []


# --- slots ----------------------------------------------------------------------------------------------------------


def test_J7_every_slot_is_fired_once_half_a_second_ahead() -> None:
    world = World()
    world.create()
    world.live(3 * MINUTE)
    assert world.fired() == [("10:01:00", "fired"), ("10:02:00", "fired"), ("10:03:00", "fired")]
    requests = list(world.deliveries.values())
    assert [request.not_before for request in requests] == [rfc3339(START + nth * MINUTE) for nth in (1, 2, 3)]
    assert len({request.origin.run_id for request in requests}) == 3
    fired = [fact for fact in world.facts if isinstance(fact, contract.SlotFired)]
    assert {fact.lateness_ms for fact in fired} == {0}
    assert fired[-1].next_run == "2026-03-02T10:04:00.000Z"


@pytest.mark.parametrize(
    ("catchup", "expected"),
    [
        ("last", [("10:01:00", "coalesced"), ("10:02:00", "coalesced"), ("10:03:00", "late")]),
        ("first", [("10:02:00", "coalesced"), ("10:01:00", "late"), ("10:03:00", "fired")]),
        ("all", [("10:01:00", "late"), ("10:02:00", "late"), ("10:03:00", "fired")]),
        ("none", [("10:01:00", "missed"), ("10:02:00", "missed"), ("10:03:00", "fired")]),
    ],
)
def test_J7_after_three_slots_of_downtime_the_policy_speaks(catchup: str, expected: list[tuple[str, str]]) -> None:
    world = World()
    world.create(catchup=catchup)
    world.wake(after=3 * MINUTE + 5 * SECOND)
    assert world.fired() == expected
    world.live(MINUTE)
    assert world.fired()[-1] == ("10:04:00", "fired")


def test_J7_a_slot_up_to_a_minute_ago_is_no_misfire() -> None:
    world = World()
    world.create()
    world.wake(after=MINUTE + 59 * SECOND)
    assert world.fired() == [("10:01:00", "fired")]


def test_J7_what_lies_beyond_the_window_is_missed() -> None:
    world = World()
    world.create(cron="0 * * * *", catchup_window_seconds=7200)
    world.wake(after=5 * HOUR + 5 * MINUTE)
    assert world.fired() == [
        ("11:00:00", "missed"),
        ("12:00:00", "missed"),
        ("13:00:00", "missed"),
        ("14:00:00", "coalesced"),
        ("15:00:00", "late"),
    ]


def test_J7_catching_up_all_is_bounded_and_spread() -> None:
    world = World()
    world.create(catchup="all")
    world.wake(after=3 * HOUR)
    verdicts = [verdict for _, verdict in world.fired()]
    assert (verdicts.count("late"), verdicts.count("coalesced"), len(verdicts)) == (100, 78, 180)
    late = [request.not_before for request in list(world.deliveries.values())[:100]]
    assert late == sorted(set(late))


def test_J7_a_week_of_missed_minutes_is_told_slot_by_slot() -> None:
    world = World()
    world.create()
    world.wake(after=6 * DAY)
    assert len(world.fired()) == 6 * 24 * 60
    assert max(len(fact.slots) for fact in world.facts if isinstance(fact, contract.SlotsPassed)) == 500


def test_J7_jitter_moves_the_request_and_not_the_slot() -> None:
    world = World()
    world.create(jitter_seconds=30)
    world.live(3 * MINUTE)
    requests = list(world.deliveries.values())
    offsets = {request.not_before[17:] for request in requests}
    assert [request.scheduled_for[11:19] for request in requests[:2]] == ["10:01:00", "10:02:00"]
    assert offsets != {"00.000Z"}
    assert all(
        request.scheduled_for <= request.not_before < rfc3339(START + (nth + 1) * MINUTE + 30 * SECOND)
        for nth, request in enumerate(requests)
    )


# --- overlap --------------------------------------------------------------------------------------------------------


def test_J7_overlap_skip_passes_a_slot_while_a_run_has_not_ended() -> None:
    world = World()
    world.create(overlap="skip")
    world.live(2 * MINUTE)
    assert world.fired() == [("10:01:00", "fired"), ("10:02:00", "skipped")]
    world.end_all()
    world.live(MINUTE)
    assert world.fired()[-1] == ("10:03:00", "fired")


def test_J7_overlap_queue_keeps_the_newest_slot() -> None:
    world = World()
    world.create(overlap="queue_one")
    world.live(3 * MINUTE)
    assert world.fired() == [("10:01:00", "fired"), ("10:02:00", "coalesced")]
    world.end_all()
    assert world.fired()[-1] == ("10:03:00", "fired")
    assert len(world.deliveries) == 1


def test_J7_overlap_cancel_supersedes_the_waiting_run() -> None:
    world = World()
    world.create(overlap="cancel_retries")
    world.live(2 * MINUTE)
    assert [verdict for _, verdict in world.fired()] == ["fired", "fired"]
    (left,) = world.deliveries.values()
    assert left.scheduled_for[11:19] == "10:02:00"
    assert [fact.result for fact in world.facts if isinstance(fact, contract.RunFinished)] == ["cancelled"]


# --- one-time jobs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("result", "status"), [("succeeded", "completed"), ("failed", "failed")])
def test_J2_a_one_time_job_ends_with_its_run(result: str, status: str) -> None:
    world = World()
    world.create(run_at=rfc3339(START + MINUTE))
    world.live(MINUTE)
    assert world.job().status == "active"
    world.end_all(result)
    assert (world.job().status, world.job().next_run) == (status, "")
    world.live(2 * MINUTE)
    assert world.fired() == [("10:01:00", "fired")]


def test_J14_a_run_beside_the_schedule_that_ends_after_the_job_frees_no_second_place() -> None:
    world = World()
    world.create(run_at=rfc3339(START))
    world.create()
    job_id = next(fact.job_id for fact in world.facts if isinstance(fact, contract.JobCreated))
    world.ask(contract.JobRunRequested(job_id=job_id, actor="ana"))
    world.end_all("succeeded")
    freed = [fact for fact in world.facts if isinstance(fact, contract.QuotaChanged)]
    assert [fact.cause.rule for fact in freed] == ["counts_no_more"]


def test_J2_a_time_within_a_second_is_kept_to_the_millisecond() -> None:
    world = World()
    facts = world.create(run_at=rfc3339(START + MINUTE + 250))
    assert next(fact.next_run for fact in facts if isinstance(fact, contract.JobCreated)) == rfc3339(
        START + MINUTE + 250
    )
    world.live(2 * MINUTE)
    (fired,) = (fact for fact in world.facts if isinstance(fact, contract.SlotFired))
    assert (fired.slot, fired.request.not_before) == (rfc3339(START + MINUTE + 250),) * 2


def test_J2_a_time_that_passed_on_the_way_fires_at_once() -> None:
    world = World()
    facts = world.create(run_at=rfc3339(START - SECOND))
    assert names(facts) == ["JobAccepted", "JobCreated", "SlotFired"]


# --- commands -------------------------------------------------------------------------------------------------------


def test_J17_a_paused_job_passes_its_slots_and_goes_on_with_the_next() -> None:
    world = World()
    world.create()
    world.ask(command(contract.JobPauseRequested), after=SECOND)
    world.live(2 * MINUTE)
    world.ask(command(contract.JobResumeRequested))
    world.live(MINUTE)
    assert world.fired() == [("10:01:00", "skipped"), ("10:02:00", "skipped"), ("10:03:00", "fired")]


def test_J17_a_job_may_catch_up_when_it_is_resumed() -> None:
    world = World()
    world.create(catchup_on_resume=True)
    world.ask(command(contract.JobPauseRequested), after=SECOND)
    world.live(3 * MINUTE)
    assert world.fired() == []
    world.ask(command(contract.JobResumeRequested))
    assert world.fired() == [("10:01:00", "coalesced"), ("10:02:00", "coalesced"), ("10:03:00", "late")]


@pytest.mark.parametrize("kind", [contract.JobDeleteRequested, contract.JobPauseRequested])
def test_J4_a_waiting_delivery_is_cancelled_before_the_answer(kind: type[Any]) -> None:
    world = World()
    world.create()
    world.live(MINUTE)
    assert len(world.deliveries) == 1
    facts = world.ask(command(kind))
    assert not world.deliveries
    last = "JobDeleted" if kind is contract.JobDeleteRequested else "JobPaused"
    assert last in names(facts)
    assert world.answers()[-1][1] == last


def test_J4_a_deleted_job_never_fires_again_and_is_unknown() -> None:
    world = World()
    world.create()
    world.ask(command(contract.JobDeleteRequested))
    world.live(3 * MINUTE)
    assert world.fired() == []
    for kind in (contract.JobDeleteRequested, contract.JobPauseRequested, contract.JobRunRequested):
        (refused,) = world.ask(command(kind))
        assert isinstance(refused, CommandRefused)
        assert refused.reason == "unknown"


def test_J17_an_update_counts_from_now_and_never_fires_earlier_slots() -> None:
    world = World()
    world.create(cron="0 12 * * *")
    facts = world.ask(command(contract.JobUpdateRequested, changes={"cron": "*/5 * * * *", "name": "often"}))
    (updated,) = facts
    assert isinstance(updated, contract.JobUpdated)
    assert (updated.changed, updated.spec_version) == (("name", "cron"), 2)
    assert updated.next_run == "2026-03-02T10:05:00.000Z"
    assert names(world.ask(command(contract.JobUpdateRequested, changes={"name": "often"}))) == ["CommandUnchanged"]


def test_J3_a_masked_header_keeps_its_value() -> None:
    world = World()
    world.create(headers={"Authorization": "sealed", "X-Team": "a"})
    world.ask(command(contract.JobUpdateRequested, changes={"headers": {"authorization": "***", "X-Team": "b"}}))
    assert world.job().spec.headers == {"authorization": "sealed", "X-Team": "b"}


def test_J17_run_now_is_beside_the_schedule() -> None:
    world = World()
    world.create()
    (started,) = world.ask(command(contract.JobRunRequested))
    assert isinstance(started, contract.RunStarted)
    assert world.fired() == []
    world.end(started.run_id)
    world.live(MINUTE)
    assert world.fired() == [("10:01:00", "fired")]


def test_J4_if_match_protects_a_change() -> None:
    world = World()
    world.create()
    (refused,) = world.ask(command(contract.JobPauseRequested, if_version=1))
    assert isinstance(refused, CommandRefused)
    assert refused.reason == "version_mismatch"


# --- runs -----------------------------------------------------------------------------------------------------------


def test_J10_a_final_failure_reaches_tickets_and_the_next_success_resolves_it() -> None:
    world = World()
    world.create()
    world.live(MINUTE)
    world.end_all("failed")
    world.live(MINUTE)
    world.end_all()
    world.live(MINUTE)
    world.end_all()
    told = [effect.event for effect in world.effects if effect.domain == "tickets"]
    assert [type(event) for event in told] == [tickets.FailureReported, tickets.SuccessReported]
    failure, success = told
    assert (failure.workflow, failure.identifier, failure.source) == ("job:nightly", f"job:{FIRST}", "scheduler")
    assert (success.workflow, success.identifier) == (failure.workflow, failure.identifier)


def test_J10_an_endpoint_that_wants_no_more_disables_the_job() -> None:
    world = World()
    world.create()
    world.live(MINUTE)
    world.end_all("gone")
    assert world.job().status == "disabled"
    world.live(MINUTE)
    assert world.fired()[-1] == ("10:02:00", "skipped")
    assert names(world.ask(command(contract.JobResumeRequested))) == ["JobResumed"]


def test_J7_the_end_of_a_run_told_twice_counts_once() -> None:
    world = World()
    world.create()
    world.live(MINUTE)
    (run_id,) = world.deliveries
    requested = world.deliveries[run_id]
    world.end(run_id)
    world.deliveries[run_id] = requested
    assert names(world.end(run_id)) == ["RunIgnored"]


def test_J6_slots_are_computed_again_when_the_rules_of_zones_change() -> None:
    world = World()
    world.create(cron="0 12 * * *", timezone="Europe/Berlin")
    world.policy = JobsPolicy(tzdata="2099z")
    (changed,) = world.wake()
    assert isinstance(changed, contract.NextRunChanged)
    assert (changed.before, changed.next_run, changed.tzdata) == (world.job().next_run, world.job().next_run, "2099z")
    assert world.wake() == []
