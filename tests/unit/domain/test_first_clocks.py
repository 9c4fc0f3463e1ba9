"""The clocks a ticket begins with are made and read on a short way: it leads where the long one does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.sla_story import DAY, START
from tests.unit.domain.test_sla_properties import POLICIES
from tocsin.events.times import rfc3339
from tocsin.events.vocabulary import METRICS, PRIORITIES, Priority
from tocsin.streams.domain import clock_moves
from tocsin.streams.domain.sla_state import Sla, heard, heard_first
from tocsin.streams.domain.ticket_clocks import first_clocks
from tocsin.streams.domain.ticket_policy import TicketsPolicy

INSTANTS = st.integers(START - 700 * DAY, START + 700 * DAY)


@given(
    st.sampled_from(POLICIES),
    st.sampled_from(["default", "gold", "unknown"]),
    st.sampled_from(PRIORITIES),
    INSTANTS,
    st.just(0) | st.integers(0, 30 * DAY),
)
def test_S11_first_clocks_are_those_that_starting_each_gives(
    policy: TicketsPolicy, tier: str, priority: Priority, created_at: int, later: int
) -> None:
    rules, at = policy.sla, created_at + later
    assert rules is not None
    goals = rules.goals_of(tier, priority, "report")
    told = first_clocks(rules, tier, priority, "report", at=at, now=at, created_at=created_at)
    started = tuple(
        clock_moves.started(metric, 1, goals[metric], Sla(priority, tier), rules, at)
        for metric in METRICS
        if metric in goals
    )
    created = rfc3339(created_at)
    assert heard_first(told, priority, tier, created) == started
    assert tuple(heard(clock.whole(priority, tier, created)) for clock in told) == started
