"""Levels, ladders and messages, as tables: S4, S12. Who is told when, what stops it, what is told as one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.domain.given import ENTITY, failure
from tests.unit.domain.sla_story import (
    DAY,
    HOUR,
    MINUTE,
    START,
    Desk,
    acknowledge,
    escalate,
    escalations,
    messages,
    move,
    named,
    policy,
    report,
    snooze,
)
from tocsin.events import sla as contract
from tocsin.events.commands import CommandRefused, Fact
from tocsin.events.times import rfc3339, unix_ms

RESOLUTION_ONLY = {"targets": {"resolution": {"default": {"critical": "1h", "high": "1h"}}}}
BERLIN_DAY = {"timezone": "Europe/Berlin", "hours": {"daily": ["08:00-18:00"]}}  # START is 17:06:40 there


def overdue(changes: dict[str, Any] | None = None, **reported: Any) -> Desk:
    """An open ticket whose resolution is due after an hour."""
    desk = Desk(policy({**RESOLUTION_ONLY, **(changes or {})}))
    desk.at(0, report(**reported))
    return desk


def ladder(*steps: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"ladders": {"two": {"steps": [{"after": after, "channels": to} for after, to in steps], **more}}}


def rung(facts: list[Fact]) -> list[tuple[int, str, int, int, int]]:
    """Minute, reason, step, loop, level of every escalation."""
    return [
        ((unix_ms(one.at) - START) // MINUTE, one.told.reason, one.told.step, one.told.loop, one.level)
        for one in escalations(facts)
    ]


# --- S4: breach and ladder ------------------------------------------------------------------------------------------


def test_S4_a_breach_raises_the_level_and_tells_people_once() -> None:
    desk = overdue(title="Checkout is down")
    facts = desk.until(HOUR)
    assert named(facts)[-2:] == ["ClockBreached resolution due_passed", "Escalated breach"]
    (one,) = escalations(facts)
    assert (one.from_level, one.level, one.cap, one.late, one.coalesced) == (0, 1, 2, False, ())
    assert (one.subject, one.link) == ("Checkout is down", "https://tocsin.example/tickets/T-4711")
    assert [note.channel for note in one.notifications] == ["slack"]
    assert desk.until(HOUR + 19 * MINUTE) == []


def test_S4_steps_follow_each_other_by_their_delays_and_the_level_stops_at_the_cap() -> None:
    desk = overdue(ladder(("0m", "slack"), ("20m", "slack"), ("30m", "slack"), repeat=1, max_level=3))
    assert rung(desk.until(DAY)) == [
        (60, "breach", 1, 1, 1),
        (80, "ladder", 2, 1, 2),
        (110, "ladder", 3, 1, 3),
        (140, "ladder", 1, 2, 3),  # the next pass waits as long as the longest step
        (160, "ladder", 2, 2, 3),
        (190, "ladder", 3, 2, 3),
    ]


def test_S4_a_first_step_with_a_delay_is_a_level_of_its_own() -> None:
    desk = overdue(ladder(("15m", "slack")))
    facts = desk.until(DAY)
    assert rung(facts) == [(60, "breach", 0, 1, 1), (75, "ladder", 1, 1, 2)]
    assert [len(one.notifications) for one in escalations(facts)] == [0, 1]


def test_S4_each_clock_raises_the_level_and_the_highest_cap_of_their_ladders_counts() -> None:
    desk = Desk(policy({"ladders": {"two": {"steps": [{"channels": "slack"}], "max_level": 2}}}))
    desk.at(0, report())
    assert rung(desk.until(DAY)) == [(10, "breach", 1, 1, 1), (60, "breach", 1, 1, 2)]


def test_S4_a_breach_no_ladder_is_for_raises_the_level_and_tells_nobody() -> None:
    desk = overdue({"escalation": [{"ladder": "two", "priorities": ["critical"]}]})
    (one,) = escalations(desk.until(DAY))
    assert (one.level, one.cap, one.ladder, one.notifications) == (1, 1, "", ())


RULES = [
    # rules, ladder
    ([{"ladder": "a", "metrics": ["first_response"]}, {"ladder": "b"}], "b"),
    ([{"ladder": "a", "priorities": ["high"]}, {"ladder": "b"}], "a"),
    ([{"ladder": "a", "tiers": ["gold"]}, {"ladder": "b", "tiers": ["default"]}], "b"),
    ([{"ladder": "a", "metrics": ["resolution"], "priorities": ["low"]}, {"ladder": "b"}], "b"),
]


@pytest.mark.parametrize(("rules", "expected"), RULES)
def test_S4_the_first_rule_that_matches_names_the_ladder(rules: Any, expected: str) -> None:
    one = {"steps": [{"channels": "slack"}]}
    (first, *_) = escalations(overdue({"ladders": {"a": one, "b": one}, "escalation": rules}).until(DAY))
    assert first.ladder == expected


# --- S4: what stops, holds and starts it again ----------------------------------------------------------------------


def test_S4_an_acknowledgement_stops_the_ladder_but_not_the_next_breach() -> None:
    desk = Desk(policy())
    desk.at(0, report())
    desk.until(10 * MINUTE)
    facts = desk.at(15 * MINUTE, acknowledge(), outcome="wait")
    assert named(facts) == ["TicketAcknowledged acknowledged", "ClockStopped first_response acknowledged"]
    assert facts[0].answers
    assert rung(desk.until(DAY)) == [(60, "breach", 1, 1, 2), (80, "ladder", 2, 1, 2)]


def test_S4_a_resolution_ends_every_ladder() -> None:
    desk = overdue()
    facts = desk.at(70 * MINUTE, move("done"))
    assert "EscalationStopped clock_stopped" in named(facts)
    assert desk.until(DAY - HOUR) == []


def test_S4_the_ladder_of_the_first_response_ends_with_the_response() -> None:
    desk = Desk(policy())
    desk.at(0, report())
    facts = desk.at(15 * MINUTE, move("in_progress"))
    assert "EscalationStopped clock_stopped" in named(facts)
    assert rung(desk.until(59 * MINUTE)) == []


def test_S4_an_ack_timeout_lets_the_ladder_go_on() -> None:
    desk = overdue(ladder(("0m", "slack"), ("20m", "slack"), ack_timeout="30m"))
    facts = desk.at(65 * MINUTE, acknowledge())
    acknowledged = next(fact for fact in facts if isinstance(fact, contract.TicketAcknowledged))
    assert acknowledged.rearmed_at == rfc3339(START + 95 * MINUTE)
    assert rung(desk.until(DAY)) == [(95, "ack_timeout", 2, 1, 2)]


def test_S4_a_ladder_at_its_end_is_armed_again_by_an_acknowledgement() -> None:
    desk = overdue(ladder(("0m", "slack"), ack_timeout="30m"))
    desk.until(2 * HOUR)
    desk.at(2 * HOUR, acknowledge())
    facts = desk.until(DAY)
    assert rung(facts) == [(150, "ack_timeout", 1, 1, 1)]
    first, again = (effect.event.origin.run_id for effect in messages(desk.facts))
    assert first != again


def test_S4_acknowledging_twice_says_nothing_new() -> None:
    desk = overdue()
    desk.at(65 * MINUTE, acknowledge())
    assert named(desk.at(66 * MINUTE, acknowledge())) == ["CommandUnchanged already_acknowledged"]


def test_S4_a_snooze_holds_the_ladder_and_the_breach_is_told_when_it_ends() -> None:
    desk = overdue()
    desk.at(30 * MINUTE, snooze(90 * MINUTE))
    facts = desk.until(DAY)
    assert rung(facts) == [(60, "breach", 1, 1, 1), (90, "ladder", 1, 1, 1), (110, "ladder", 2, 1, 2)]
    held, told, _ = escalations(facts)
    assert (held.notifications, held.held_until) == ((), rfc3339(START + 90 * MINUTE))
    assert len(told.notifications) == 1


def test_S4_a_snooze_puts_off_the_steps_to_come() -> None:
    desk = overdue()
    desk.at(65 * MINUTE, snooze(3 * HOUR))
    assert rung(desk.until(DAY)) == [(180, "ladder", 2, 1, 2)]


SNOOZES = [
    (lambda desk: desk.at(HOUR // 2, snooze(HOUR // 2)), "CommandRefused past"),
    (lambda desk: desk.at(HOUR // 2, move("done")) and desk.at(HOUR // 2, snooze(HOUR)), "CommandRefused resolved"),
    (lambda desk: desk.at(0, snooze(HOUR)) and desk.at(1, snooze(HOUR)), "CommandUnchanged same_time"),
    (lambda desk: desk.at(HOUR // 2, move("done")) and desk.at(HOUR // 2, acknowledge()), "CommandRefused resolved"),
    (lambda desk: desk.at(HOUR // 2, move("done")) and desk.at(HOUR // 2, escalate()), "CommandRefused resolved"),
    (lambda desk: desk.at(0, acknowledge("T-other")), "CommandRefused unknown"),
    (lambda desk: desk.at(0, snooze(HOUR, if_version=77)), "CommandRefused version_mismatch"),
]


@pytest.mark.parametrize(("does", "then"), SNOOZES)
def test_S4_what_cannot_be_asked_is_refused_with_its_reason(does: Any, then: str) -> None:
    assert named(does(overdue()))[-1] == then


def test_S4_escalating_by_hand_takes_the_next_step_at_once() -> None:
    desk = overdue()
    facts = desk.at(65 * MINUTE, escalate(reason="VIP"), outcome="wait")
    (one,) = [one for one in escalations(facts) if one.told.reason == "manual"]
    assert (one.told.step, one.level, one.actor, one.remark, len(one.notifications)) == (2, 2, "ana", "VIP", 1)
    assert one.answers
    assert rung(desk.until(DAY)) == []  # that was the last step


def test_S4_escalating_by_hand_before_anything_is_overdue() -> None:
    desk = overdue()
    (one,) = escalations(desk.at(MINUTE, escalate()))
    assert (one.level, one.told.reason, one.told.step, one.clock, len(one.notifications)) == (1, "manual", 1, None, 1)
    assert rung(desk.until(HOUR)) == [(60, "breach", 1, 1, 2)]


def test_S4_escalating_by_hand_needs_a_ladder() -> None:
    desk = overdue({"escalation": []})
    (refused,) = desk.at(MINUTE, escalate())
    assert isinstance(refused, CommandRefused)
    assert refused.reason == "no_ladder"


def test_S4_commands_work_without_any_policy() -> None:
    desk = Desk(entity=ENTITY)
    desk.policy = type(desk.policy)()
    desk.at(0, failure())
    assert named(desk.at(1, acknowledge(f"{ENTITY}-1"))) == ["TicketAcknowledged acknowledged"]
    assert named(desk.at(2, snooze(HOUR, f"{ENTITY}-1"))) == ["TicketSnoozed snoozed"]


# --- S4: several at once --------------------------------------------------------------------------------------------


def test_S4_what_is_overdue_at_once_is_one_message_that_names_the_rest() -> None:
    desk = Desk(policy())
    desk.at(0, report())
    facts = desk.late(3 * HOUR)
    (one,) = escalations(facts)
    assert (one.from_level, one.level, one.late) == (0, 2, True)
    assert (one.told.metric, one.told.step) == ("resolution", 2)
    assert [(step.metric, step.reason, step.step) for step in one.coalesced] == [
        ("first_response", "breach", 1),
        ("first_response", "ladder", 2),
        ("resolution", "breach", 1),
    ]
    assert len(messages(facts)) == 1


def test_S4_an_import_that_is_overdue_is_told_once_and_not_at_all_when_asked_so() -> None:
    for notify, expected in ((True, 1), (False, 0)):
        desk = Desk(policy())
        facts = desk.at(0, report(created=-5 * HOUR, updated=-5 * HOUR, notify=notify))
        (one,) = escalations(facts)
        assert (one.level, one.late, len(messages(facts))) == (2, True, expected)


def test_S4_a_resolved_import_keeps_its_breaches_and_tells_nobody() -> None:
    desk = Desk(policy())
    facts = desk.at(0, report("done", created=-5 * HOUR, updated=-2 * HOUR))
    (one,) = escalations(facts)
    assert (one.level, one.notifications, desk.until(DAY)) == (2, (), [])


def test_S4_the_level_never_falls_under_a_ladder_with_a_lower_cap() -> None:
    desk = overdue()
    desk.until(90 * MINUTE)
    assert desk.sla.level == 2
    desk.govern({**RESOLUTION_ONLY, **ladder(("0m", "slack"), max_level=1)})
    desk.at(2 * HOUR, escalate())
    assert desk.sla.level == 2


def test_S4_a_ladder_that_is_no_more_is_taken_away() -> None:
    desk = overdue()
    desk.until(HOUR)
    desk.govern({**RESOLUTION_ONLY, "ladders": {}, "escalation": []})
    assert named(desk.until(DAY)) == ["EscalationStopped ladder_gone"]


# --- S12: support hours, quiet hours, teams -------------------------------------------------------------------------


def test_S12_a_ladder_outside_support_hours_waits_for_the_calendar_to_open() -> None:
    hours = {"calendars": {"day": BERLIN_DAY}}
    steps = ladder(("0m", "slack"), ("20m", "slack"), support_hours={"calendar": "day"})
    desk = overdue({**hours, **steps})
    facts = desk.until(DAY)
    opening = 14 * 60 + 53  # 08:00 in Berlin, in whole minutes after the start
    assert rung(facts) == [(60, "breach", 1, 1, 1), (opening, "ladder", 1, 1, 1), (opening + 20, "ladder", 2, 1, 2)]
    assert [len(one.notifications) for one in escalations(facts)] == [0, 1, 1]


def test_S12_a_ladder_may_page_outside_support_hours() -> None:
    hours = {"calendars": {"day": BERLIN_DAY}}
    steps = ladder(("0m", "slack"), support_hours={"calendar": "day", "outside": "page"})
    (one,) = escalations(overdue({**hours, **steps}).until(HOUR))
    assert len(one.notifications) == 1


QUIET = {"timezone": "Europe/Berlin", "hours": {"daily": "18:00-08:00"}}


def two_channels(to: Any) -> dict[str, Any]:
    office = {"kind": "slack", "url": "https://a.example", "quiet_hours": QUIET}
    channels = {"slack": {"kind": "slack"}, "office": office}
    return {"channels": channels, **ladder(("0m", to))}


def test_S12_a_step_with_another_channel_leaves_the_quiet_one_out() -> None:
    (one,) = escalations(overdue(two_channels(["slack", "office"])).until(HOUR))
    assert ([note.channel for note in one.notifications], one.quiet_channels) == (["slack"], ("office",))


def test_S12_a_step_whose_channels_are_all_quiet_waits_for_the_first() -> None:
    facts = overdue(two_channels("office")).until(DAY)
    opening = 14 * 60 + 53
    assert rung(facts) == [(60, "breach", 1, 1, 1), (opening, "ladder", 1, 1, 1)]
    assert [note.channel for note in escalations(facts)[-1].notifications] == ["office"]


def test_S12_quiet_hours_do_not_hold_what_is_critical() -> None:
    (one,) = escalations(overdue(two_channels("office"), priority="critical").until(HOUR))
    assert [note.channel for note in one.notifications] == ["office"]


TEAMS = [
    ({"tags": ("team:pay",)}, "payments"),
    ({"tags": ("eu", "team:payroll")}, "payments"),
    ({"tags": ("team:web",)}, "slack"),
    ({}, "slack"),
]


@pytest.mark.parametrize(("reported", "channel"), TEAMS)
def test_S12_a_team_has_its_channel(reported: Any, channel: str) -> None:
    channels = {"slack": {"kind": "slack"}, "payments": {"kind": "webhook", "url": "https://a.example/hook"}}
    routes = [{"tags": "team:pay*", "channel": "payments"}]
    desk = overdue({"channels": channels, "routes": routes, **ladder(("0m", "team"))}, **reported)
    (one,) = escalations(desk.until(HOUR))
    assert [note.channel for note in one.notifications] == [channel]


def test_S12_a_failure_is_routed_by_its_workflow() -> None:
    channels = {"slack": {"kind": "slack"}, "etl": {"kind": "slack", "url": "https://a.example/hook"}}
    routes = [{"tags": "workflow:night*", "channel": "etl"}]
    changes = {**RESOLUTION_ONLY, "channels": channels, "routes": routes, **ladder(("0m", "team"))}
    desk = Desk(policy(changes), ENTITY)
    desk.at(0, failure())
    (one,) = escalations(desk.until(HOUR))
    assert ([note.channel for note in one.notifications], one.subject) == (["etl"], "nightly: boom")


# --- messages -------------------------------------------------------------------------------------------------------


def test_S4_a_message_is_a_delivery_of_the_channel_at_the_rate_of_slack() -> None:
    desk = overdue()
    (effect,) = messages(desk.until(HOUR))
    asked = effect.event
    assert (effect.domain, effect.entity) == ("deliveries", asked.delivery_id)
    assert (asked.origin.domain, asked.origin.entity) == ("tickets", "T-4711")
    assert (asked.request.url, asked.request.channel, asked.request.by_operator) == ("", "slack:default", True)
    assert (asked.request.rate_key, asked.request.rate_per_second) == ("slack:default", 1)
    assert asked.scheduled_for == rfc3339(START + HOUR)


def test_S4_messages_of_one_step_have_one_id_however_often_it_is_decided() -> None:
    one, other = overdue(), overdue()
    ids = [[effect.event.origin.run_id for effect in messages(desk.until(DAY))] for desk in (one, other)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(ids[0]) == 2


def test_S4_what_became_of_a_message_is_a_fact_and_changes_nothing() -> None:
    desk = overdue()
    before = desk.state
    finished = contract.NotificationFinished(
        ticket_id="T-4711",
        notification_id="n",
        delivery_id="d",
        result="failed",
        attempts=4,
        finished_at=rfc3339(START),
        status=500,
    )
    (fact,) = desk.at(1, finished)
    assert isinstance(fact, contract.NotificationRecorded)
    assert (fact.cause.rule, fact.status, desk.state) == ("failed", 500, before)
    assert messages([fact]) == []
