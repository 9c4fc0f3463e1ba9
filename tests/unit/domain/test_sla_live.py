"""What clients hear of clocks and escalation as it happens (S4, S5)."""

from __future__ import annotations

from typing import Any

from tests.unit.domain.sla_story import MINUTE, Desk, acknowledge, report
from tocsin.events.live import TYPES, LiveEvent
from tocsin.streams.domain.tickets import TICKETS


def heard(facts: list[Any]) -> list[LiveEvent]:
    return [event for fact in facts for event in TICKETS.live(fact)]


def test_S5_warnings_breaches_and_escalations_are_told_in_their_order() -> None:
    desk = Desk()
    desk.at(0, report(title="Checkout is down"))
    desk.until(10 * MINUTE)
    desk.at(11 * MINUTE, acknowledge())
    events = heard(desk.facts)
    assert [(event.type, event.escalation_level) for event in events] == [
        ("ticket.opened", 0),
        ("sla.warning", 0),
        ("sla.warning", 0),
        ("sla.breached", 1),
        ("sla.escalated", 1),
        ("sla.acknowledged", None),
    ]
    assert {event.ticket_id for event in events} == {"T-4711"}
    assert {event.type for event in events} <= set(TYPES)


def test_S5_an_escalation_says_whom_it_told_and_why() -> None:
    desk = Desk()
    desk.at(0, report(title="Checkout is down"))
    escalated = heard(desk.until(10 * MINUTE))[-1]
    data = escalated.data
    assert (data["reason"], data["metric"], data["channels"], data["subject"]) == (
        "breach",
        "first_response",
        ["slack"],
        "Checkout is down",
    )


def test_S5_a_new_goal_is_told_with_the_old_one() -> None:
    desk = Desk()
    desk.at(0, report())
    (event,) = [one for one in heard(desk.at(MINUTE, report("in_progress", "critical", updated=1))) if "re" in one.type]
    assert (event.type, event.data["why"]) == ("sla.retargeted", "priority")
    assert (event.data["from_target_ms"], event.data["target_ms"]) == (60 * MINUTE, 30 * MINUTE)
