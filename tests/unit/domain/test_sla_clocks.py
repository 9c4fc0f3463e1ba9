"""SLA clocks, as tables: S1, S3, S6, S11. Which clocks run, when they are due, what moves them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.domain.given import ENTITY, FIRST, failure, success
from tests.unit.domain.sla_story import (
    DAY,
    HOUR,
    MINUTE,
    START,
    TICKET,
    Desk,
    acknowledge,
    move,
    named,
    policy,
    report,
)
from tocsin.events import sla as contract
from tocsin.events.commands import CommandRefused
from tocsin.events.sla import sla_state
from tocsin.events.times import rfc3339
from tocsin.streams.domain.sla_state import told

OFFICE: dict[str, Any] = {
    "calendars": {"office": {"timezone": "Europe/Berlin", "hours": {"mon-fri": ["09:00-17:00"]}}},
    "calendar": "office",
}


def opened(priority: Any = "high", **more: Any) -> Desk:
    desk = Desk(more.pop("governing", None))
    desk.at(0, report(priority=priority, **more))
    return desk


def first(metric: Any, *, minutes: int, started_at: str = "") -> contract.StartedClock:
    """A clock as the fact has it of a ticket that was created at the start."""
    target_ms = minutes * MINUTE
    return contract.StartedClock(
        metric=metric,
        target_ms=target_ms,
        calendar="24x7",
        policy_version="v1",
        due_at=rfc3339(START + target_ms),
        started_at=started_at,
        next_warning_percent=75,
        next_warning_at=rfc3339(START + target_ms * 75 // 100),
    )


# --- S1: reports ----------------------------------------------------------------------------------------------------


def test_S1_the_first_report_registers_a_ticket_with_its_clocks_at_level_0() -> None:
    desk = Desk()
    facts = desk.at(0, report(title="Checkout is down", customer_tier="gold", tags=("team:pay",)), outcome="wait")
    assert named(facts) == ["TicketRegistered registered"]
    assert facts[0].answers[0].wait
    assert facts[0].clocks == (  # type: ignore[attr-defined]
        first("first_response", minutes=10),
        first("resolution", minutes=40),
    )
    assert (desk.due("first_response"), desk.due("resolution")) == (10, 40)
    assert (desk.sla.level, desk.sla.subject, desk.sla.tags) == (0, "Checkout is down", ("team:pay",))


def test_S3_a_failure_opens_its_ticket_with_its_clocks_in_one_fact() -> None:
    desk = Desk(entity=ENTITY)
    (opened,) = desk.at(0, failure(message="no  space\nleft"))
    assert opened.clocks == (  # type: ignore[attr-defined]
        first("first_response", minutes=10),
        first("resolution", minutes=60),
    )
    assert (desk.sla.subject, desk.sla.tags) == ("nightly: no space left", ("workflow:nightly",))


@pytest.mark.parametrize(
    ("event", "policy_file"),
    [
        (failure(severity="info"), {}),  # low: never
        (failure(source="scheduler"), {"no_clocks_for": ["scheduler"]}),
        (report(ticket_id=ENTITY.removeprefix("t_")), {"no_clocks_for": ["report"]}),
    ],
    ids=["no goal", "a failure's source", "reports"],
)
def test_S6_a_ticket_without_a_goal_begins_without_clocks(event: Any, policy_file: dict[str, Any]) -> None:
    desk = Desk(policy(policy_file), getattr(event, "ticket_id", ENTITY))
    (begun,) = desk.at(0, event)
    assert begun.clocks == ()  # type: ignore[attr-defined]
    assert desk.sla.clocks == ()
    assert desk.until(2 * DAY) == []


def test_S11_clocks_that_rest_in_the_status_open_are_paused_as_the_ticket_begins() -> None:
    desk = Desk(policy({"pause_on": ["open"]}), ENTITY)
    paused = ["ClockPaused first_response status_pauses", "ClockPaused resolution status_pauses"]
    assert named(desk.at(0, failure())) == ["TicketOpened new_identity", *paused]
    reported = opened(governing=policy({"pause_on": ["open"]}))
    assert named(reported.facts) == ["TicketRegistered registered", *paused]


STALENESS = [
    # updated at, changes, then
    (-1, {}, ["ReportIgnored stale"]),
    (0, {}, ["ReportIgnored identical"]),
    (0, {"notify": False}, ["ReportIgnored identical"]),
    (0, {"title": "other"}, ["TicketRevised revised"]),
    (1, {}, ["TicketRevised revised"]),
    (1, {"status": "pending"}, ["TicketRevised revised", "StatusChanged reported"]),
]


@pytest.mark.parametrize(("updated", "changes", "then"), STALENESS)
def test_S1_a_report_is_held_against_the_last_accepted_one(updated: int, changes: Any, then: list[str]) -> None:
    desk = opened("low", updated=0)
    values: dict[str, Any] = {"status": "open", "priority": "low", "updated": updated, **changes}
    assert named(desk.at(5, report(**values))) == then


def test_S1_a_change_by_hand_is_no_newer_report() -> None:
    desk = opened("low")
    desk.at(HOUR, move("in_progress"))
    facts = desk.at(2 * HOUR, report("pending", "low", updated=1))
    assert named(facts) == ["TicketRevised revised", "StatusChanged reported"]


def test_S1_what_a_report_does_not_say_stays() -> None:
    desk = opened("low", title="Checkout is down", tags=("a",))
    (revised,) = desk.at(5, report(priority="low", updated=1))
    assert "title" not in msgspec.to_builtins(revised)
    assert (desk.sla.subject, desk.sla.tags) == ("Checkout is down", ("a",))


REFUSED = [
    # how it stands, reported, reason
    ("done", "pending", "illegal_move"),
    ("closed", "open", "final"),
    ("open", "closed", "illegal_move"),
]


@pytest.mark.parametrize(("status", "reported", "reason"), REFUSED)
def test_S1_an_illegal_move_is_refused_and_nothing_of_the_report_is_kept(
    status: Any, reported: Any, reason: str
) -> None:
    desk = opened("low", status=status)
    before = desk.state
    (refused,) = desk.at(5, report(reported, "critical", updated=1))
    assert isinstance(refused, CommandRefused)
    assert (refused.reason, refused.subject_id, desk.state) == (reason, TICKET, before)


@pytest.mark.parametrize("ticket_id", [FIRST, "t_unheard", f"{ENTITY}-9"])
def test_S1_only_failures_open_their_tickets(ticket_id: str) -> None:
    (refused,) = Desk(entity=ENTITY).at(0, report(ticket_id=ticket_id))
    assert isinstance(refused, CommandRefused)
    assert refused.reason == "unknown"


def test_S1_a_report_sets_what_a_failures_ticket_says() -> None:
    desk = Desk(entity=ENTITY)
    desk.at(0, failure(severity="warning"))
    facts = desk.at(MINUTE, report("in_progress", "critical", ticket_id=FIRST, customer_tier="gold"))
    assert named(facts) == [
        "TicketRevised revised",
        "StatusChanged reported",
        "ClockStopped first_response status_left_open",
        "ClockRetargeted resolution priority",
    ]
    assert (desk.due("resolution"), desk.sla.customer_tier) == (30, "gold")


def test_S1_ids_of_other_systems_may_look_like_anything_but_a_failures() -> None:
    desk = Desk(entity="j_7-1")
    desk.at(0, report(ticket_id="j_7-1"))
    assert desk.state is not None
    assert desk.state.ticket_id(desk.episode) == "j_7-1"


# --- S3: due, at risk, breached -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("severity", "minutes"), [("critical", 5), ("error", 10), ("warning", 60), ("info", None)])
def test_S3_a_failure_has_the_priority_of_its_severity(severity: Any, minutes: int | None) -> None:
    desk = Desk(entity=ENTITY)
    desk.at(0, failure(severity=severity))
    clock = desk.sla.latest("first_response")
    assert (None if clock is None else clock.target_ms // MINUTE) == minutes


def test_S3_warnings_and_the_breach_come_at_their_instants() -> None:
    desk = opened()
    facts = [fact for fact in desk.until(10 * MINUTE) if isinstance(fact, contract.ClockFact)]
    assert [(type(fact).__name__, fact.at) for fact in facts] == [
        ("ClockWarned", rfc3339(START + 450_000)),
        ("ClockWarned", rfc3339(START + 540_000)),
        ("ClockBreached", rfc3339(START + 600_000)),
    ]
    breached = facts[-1].clock
    assert (breached.breached_at, breached.detected_at) == (breached.due_at, rfc3339(START + 600_000))


def test_S3_a_late_wake_up_records_when_it_was_due_and_when_it_was_noticed() -> None:
    desk = opened()
    breached = next(fact for fact in desk.late(15 * MINUTE) if isinstance(fact, contract.ClockBreached))
    assert breached.clock.breached_at == rfc3339(START + 10 * MINUTE)
    assert (breached.clock.detected_at, breached.lateness_ms) == (rfc3339(START + 15 * MINUTE), 5 * MINUTE)


def test_S3_only_the_highest_warning_is_told_when_several_are_due() -> None:
    facts = opened().late(550_000)
    (warned,) = [fact for fact in facts if isinstance(fact, contract.ClockWarned)]
    assert (warned.percent, warned.warned_at) == (90, rfc3339(START + 540_000))


def test_S3_an_answer_logged_after_the_due_time_does_not_erase_the_breach() -> None:
    desk = opened()
    desk.punctual = False
    facts = desk.at(11 * MINUTE, move("in_progress"))
    stopped = next(fact for fact in facts if isinstance(fact, contract.ClockStopped))
    assert (stopped.clock.metric, stopped.clock.result) == ("first_response", "breached")


ENDS = [
    # event, metric, rule, result
    (acknowledge(), "first_response", "acknowledged"),
    (move("in_progress"), "first_response", "status_left_open"),
    (move("pending"), "first_response", "status_left_open"),
    (move("done"), "first_response", "resolved"),
    (move("done"), "resolution", "resolved"),
]


@pytest.mark.parametrize(("event", "metric", "rule"), ENDS)
def test_S3_what_ends_a_clock(event: Any, metric: str, rule: str) -> None:
    facts = opened().at(MINUTE, event)
    ended = [fact for fact in facts if isinstance(fact, contract.ClockStopped) and fact.clock.metric == metric]
    assert [(fact.cause.rule, fact.clock.result, fact.clock.elapsed_ms) for fact in ended] == [(rule, "met", MINUTE)]


def test_S3_a_repeat_never_restarts_a_clock() -> None:
    desk = Desk(entity=ENTITY)
    desk.at(0, failure())
    assert named(desk.at(MINUTE, failure())) == ["OccurrencesCounted unresolved_ticket"]
    assert desk.due("first_response") == 10


SEVERITIES = [
    # first, then, priority afterwards
    ("warning", "error", "high"),
    ("error", "critical", "critical"),
    ("error", "info", "high"),
    ("info", "warning", "medium"),
]


@pytest.mark.parametrize(("first", "then", "priority"), SEVERITIES)
def test_S3_priority_follows_the_worst_severity(first: Any, then: Any, priority: str) -> None:
    desk = Desk(entity=ENTITY)
    desk.at(0, failure(severity=first))
    desk.at(MINUTE, failure(severity=then))
    assert desk.sla.priority == priority


def test_S3_a_priority_that_was_reported_is_not_raised_by_a_repeat() -> None:
    desk = Desk(entity=ENTITY)
    desk.at(0, failure(severity="warning"))
    desk.at(MINUTE, report(priority="low", ticket_id=FIRST))
    desk.at(2 * MINUTE, failure(severity="critical"))
    assert desk.sla.priority == "low"


def test_S3_a_success_stops_the_clocks_of_its_failure() -> None:
    desk = Desk(entity=ENTITY)
    desk.at(0, failure())
    facts = desk.at(MINUTE, success(occurred_at=rfc3339(START + MINUTE)))
    assert [type(fact).__name__ for fact in facts] == ["StatusChanged", "ClockStopped", "ClockStopped"]


def test_S3_sources_without_clocks() -> None:
    desk = Desk(policy({"no_clocks_for": ["api"]}), ENTITY)
    assert named(desk.at(0, failure())) == ["TicketOpened new_identity"]
    assert desk.until(10 * DAY) == []


# --- S11: origins, pauses, re-targets, re-opens ---------------------------------------------------------------------


def test_S11_clocks_of_an_older_ticket_run_since_it_was_created() -> None:
    desk = Desk()
    facts = desk.at(0, report(created=-30 * MINUTE, updated=-30 * MINUTE))
    breached = [fact.clock for fact in facts if isinstance(fact, contract.ClockBreached)]
    assert [(one.metric, one.breached_at) for one in breached] == [("first_response", rfc3339(START - 20 * MINUTE))]
    assert desk.due("resolution") == 30


IMPORTED = [
    # status since 5 minutes after creation (an hour ago): stage and result of first response, then of resolution
    ("in_progress", 5, ("completed", "met"), ("in_progress", None)),
    ("in_progress", 15, ("completed", "breached"), ("in_progress", None)),
    ("pending", 5, ("completed", "met"), ("paused", None)),
    ("done", 5, ("completed", "met"), ("completed", "met")),
    ("done", 70, ("completed", "breached"), ("completed", "breached")),
]


@pytest.mark.parametrize(("status", "since", "response", "resolution"), IMPORTED)
def test_S11_an_imported_status_holds_since_the_reporters_last_change(
    status: Any, since: int, response: Any, resolution: Any
) -> None:
    desk = Desk()
    desk.at(0, report(status, created=-100 * MINUTE, updated=(since - 100) * MINUTE))
    assert [(desk.clock(one).stage, desk.clock(one).result) for one in ("first_response", "resolution")] == [
        response,
        resolution,
    ]


def test_S11_a_closed_ticket_keeps_no_clocks_but_what_reports_are_held_against() -> None:
    desk = opened(status="closed")
    assert (desk.sla.clocks, desk.sla.reported_at) == ((), START)
    assert [type(fact).__name__ for fact in desk.facts].count("ClockStopped") == 2


def test_S11_the_due_time_moves_by_the_business_time_of_a_pause() -> None:
    """Sunday 17:07 in Berlin: the hour of the goal begins on Monday at 9; half an hour of the pause is open."""
    desk = opened(governing=policy(OFFICE))
    monday = 15 * HOUR + 53 * MINUTE + 20_000  # 09:00 in Berlin
    assert desk.clock("resolution").due_at == START + monday + HOUR
    desk.at(HOUR, move("pending"))
    assert (desk.clock("resolution").stage, desk.clock("resolution").elapsed_ms) == ("paused", 0)
    desk.at(monday + HOUR // 2, move("in_progress"))
    clock = desk.clock("resolution")
    assert (clock.due_at, clock.paused_ms) == (START + monday + HOUR // 2 + HOUR, HOUR // 2)


def test_S11_a_pause_keeps_its_reason_and_total() -> None:
    desk = opened()
    desk.at(5 * MINUTE, move("pending"))
    assert desk.clock("resolution").pause_reason == "pending"
    desk.at(25 * MINUTE, move("open"))
    clock = desk.clock("resolution")
    assert (clock.paused_ms, clock.pause_reason, desk.due("resolution")) == (20 * MINUTE, "", 80)


def test_S11_a_pause_after_the_breach_freezes_the_overdue_time_only() -> None:
    desk = opened()
    desk.until(70 * MINUTE)
    desk.at(70 * MINUTE, move("pending"))
    desk.at(100 * MINUTE, move("in_progress"))
    facts = desk.at(105 * MINUTE, move("done"))
    stopped = [fact.clock for fact in facts if isinstance(fact, contract.ClockStopped)][-1]
    assert (stopped.result, stopped.elapsed_ms, stopped.paused_ms) == ("breached", 75 * MINUTE, 30 * MINUTE)
    assert sum(isinstance(fact, contract.ClockBreached) for fact in desk.facts) == 2  # each clock once


RETARGETS = [
    # priority, tier, minutes until resolution is due afterwards (20 minutes are used)
    ("critical", "default", 30, "priority"),
    ("medium", "default", 240, "priority"),
    ("high", "gold", 40, "tier"),
    ("high", "unheard-of", 60, "tier"),
]


@pytest.mark.parametrize(("priority", "tier", "due", "why"), RETARGETS)
def test_S11_another_priority_or_tier_keeps_what_was_used(priority: Any, tier: str, due: int, why: str) -> None:
    desk = opened()
    facts = desk.at(20 * MINUTE, report("in_progress", priority, customer_tier=tier, updated=1))
    (fact,) = [fact for fact in facts if isinstance(fact, contract.ClockRetargeted)]
    assert (fact.why, fact.clock.elapsed_ms, fact.from_target_ms) == (why, 20 * MINUTE, HOUR)
    assert desk.due("resolution") == due


def test_S11_a_sharper_goal_may_be_missed_at_once_and_a_milder_one_undoes_nothing() -> None:
    desk = opened()
    facts = desk.at(45 * MINUTE, report("in_progress", "critical", updated=1))
    breached = [fact for fact in facts if isinstance(fact, contract.ClockBreached)][-1]
    assert breached.clock.metric == "resolution"
    assert breached.clock.breached_at == rfc3339(START + 45 * MINUTE)
    desk.at(46 * MINUTE, report("in_progress", "medium", updated=2))
    clock = desk.clock("resolution")
    assert (clock.breached_at, desk.due("resolution")) == (START + 45 * MINUTE, 240)
    assert not [fact for fact in desk.until(5 * HOUR) if isinstance(fact, contract.ClockBreached)]


def test_S11_no_goal_for_the_new_priority_cancels_and_a_goal_again_starts_anew() -> None:
    desk = opened()
    facts = desk.at(5 * MINUTE, report("in_progress", "low", updated=1))
    assert "ClockCancelled resolution priority" in named(facts)
    facts = desk.at(6 * MINUTE, report("in_progress", "high", updated=2))
    assert named(facts)[-1] == "ClockStarted resolution priority"
    assert (desk.clock("resolution").cycle, desk.due("resolution")) == (2, 60)


def test_S11_a_reopened_ticket_resumes_its_resolution_and_never_its_first_response() -> None:
    desk = opened()
    desk.at(5 * MINUTE, move("done"))
    facts = desk.at(3 * HOUR, move("open"))
    assert named(facts) == ["StatusChanged legal_move", "ClockResumed resolution reopened"]
    assert (desk.clock("resolution").elapsed_ms, desk.due("resolution")) == (5 * MINUTE, 235)


def test_S11_a_policy_may_start_a_new_cycle_after_a_reopening() -> None:
    desk = opened(governing=policy({"on_reopen": "new_cycle"}))
    desk.at(5 * MINUTE, move("done"))
    facts = desk.at(3 * HOUR, move("open"))
    assert named(facts) == ["StatusChanged legal_move", "ClockStarted resolution new_cycle"]
    assert (desk.clock("resolution").cycle, desk.due("resolution")) == (2, 240)


def test_S11_a_ticket_that_is_over_is_forgotten_and_reopened_by_hand_it_starts_a_new_cycle() -> None:
    desk = Desk(entity=ENTITY)
    desk.at(0, failure())
    desk.at(5 * MINUTE, move("done", ticket_id=FIRST))
    desk.until(2 * DAY)  # no repeat re-opens it any more
    assert (desk.sla.clocks, desk.sla.subject, desk.sla.forgotten) == ((), "", 1)
    assert len(msgspec.json.encode(desk.state)) < 200
    facts = desk.at(3 * DAY, move("open", ticket_id=FIRST))
    assert named(facts) == ["StatusChanged legal_move", "ClockStarted resolution new_cycle"]
    assert (desk.clock("resolution").cycle, desk.due("resolution")) == (2, 3 * 24 * 60 + 60)


def test_S11_a_ticket_that_claims_to_be_ancient_counts_ten_years() -> None:
    desk = Desk(policy(OFFICE))
    desk.at(0, report(created=-1_000 * 365 * DAY, updated=-1_000 * 365 * DAY))
    assert desk.clock("resolution").started_at == START - 3653 * DAY


def test_S11_a_reporters_clock_may_be_ahead() -> None:
    desk = opened(created=3_000, updated=3_000)
    assert (desk.clock("resolution").started_at, desk.due("resolution")) == (START, 60)
    (registered,) = desk.facts
    started_at = rfc3339(START)  # not when it says that it was created
    assert registered.clocks[1] == first("resolution", minutes=60, started_at=started_at)  # type: ignore[attr-defined]


def test_S11_a_failure_that_reopens_its_ticket_resumes_the_clock() -> None:
    desk = Desk(entity=ENTITY)
    desk.at(0, failure())
    desk.at(5 * MINUTE, move("done", ticket_id=FIRST))
    assert named(desk.at(HOUR, failure())) == [
        "TicketReopened resolved_within_window",
        "ClockResumed resolution reopened",
    ]


# --- S6: another policy ---------------------------------------------------------------------------------------------

SHARPER = {"targets": {"resolution": {"default": {"high": "30m"}}}}


def test_S6_running_clocks_get_the_new_goals_at_once_and_keep_what_was_used() -> None:
    desk = opened()
    desk.until(5 * MINUTE)
    desk.govern(SHARPER)
    facts = desk.until(5 * MINUTE)
    assert named(facts) == ["ClockCancelled first_response policy", "ClockRetargeted resolution policy"]
    assert (desk.clock("resolution").policy_version, desk.due("resolution")) == ("v2", 30)
    assert desk.until(5 * MINUTE) == []  # once


def test_S6_clocks_whose_goals_are_the_same_are_left_alone() -> None:
    desk = opened()
    desk.until(5 * MINUTE)
    desk.govern({"warn_at": [50]})
    assert desk.until(5 * MINUTE) == []
    assert desk.clock("resolution").policy_version == "v1"


def test_S6_keep_leaves_running_clocks_alone_until_their_priority_changes() -> None:
    desk = opened()
    desk.govern({**SHARPER, "on_reload": "keep"})
    desk.at(5 * MINUTE, move("in_progress"))
    assert desk.due("resolution") == 60
    desk.at(6 * MINUTE, report("in_progress", "high", customer_tier="gold", updated=1))
    assert desk.due("resolution") == 30


def test_S6_a_breach_that_was_due_under_the_old_policy_stands_however_late_it_is_noticed() -> None:
    desk = opened()
    desk.punctual = False
    desk.now = START + 11 * MINUTE
    desk.govern({"targets": {"first_response": {"default": {"high": "1h"}}, "resolution": {"default": {"high": "1h"}}}})
    facts = desk.late(12 * MINUTE)
    assert named(facts)[0] == "ClockBreached first_response due_passed"
    assert desk.clock("first_response").breached_at == START + 10 * MINUTE


def test_S6_elapsed_time_is_by_the_calendar_that_governed() -> None:
    desk = opened()
    desk.until(6 * MINUTE)
    desk.govern(OFFICE)
    desk.until(6 * MINUTE)
    clock = desk.clock("first_response")
    assert (clock.elapsed_ms, clock.calendar) == (6 * MINUTE, "office")
    monday = 15 * HOUR + 53 * MINUTE + 20_000
    assert clock.due_at == START + monday + 4 * MINUTE


def test_S6_a_first_policy_starts_clocks_of_open_tickets_since_they_were_opened() -> None:
    desk = Desk(policy_without_clocks(), ENTITY)
    desk.at(0, failure())
    desk.until(5 * MINUTE)
    desk.govern({})
    assert named(desk.until(5 * MINUTE)) == ["ClockStarted first_response policy", "ClockStarted resolution policy"]
    assert desk.due("first_response") == 10


def policy_without_clocks() -> Any:
    return policy({"targets": {"resolution": {"default": {}}}})


# --- how a ticket stands --------------------------------------------------------------------------------------------


def test_S7_the_state_of_a_ticket_follows_from_its_clocks() -> None:
    desk = opened()

    def state() -> str | None:
        return sla_state(told(clock) for clock in desk.sla.clocks)

    seen = [state()]
    desk.until(46 * MINUTE)  # first response breached at 10
    seen.append(state())
    other = opened()
    other.at(MINUTE, move("in_progress"))
    other.until(46 * MINUTE)
    seen.append(sla_state(told(clock) for clock in other.sla.clocks))
    other.at(47 * MINUTE, move("pending"))
    seen.append(sla_state(told(clock) for clock in other.sla.clocks))
    assert seen == ["on_track", "breached", "at_risk", "paused"]
    assert sla_state([]) is None


def test_a_live_ticket_with_two_clocks_stays_small() -> None:
    desk = Desk(policy(OFFICE))
    tags = tuple(f"tag-{number:02}-{'x' * 57}" for number in range(10))
    desk.at(0, report(title="x" * 400, tags=tags[:4], customer_tier="gold"))
    desk.until(10 * DAY)
    assert len(desk.sla.clocks) == 2
    assert len(msgspec.json.encode(desk.state)) < 1536
