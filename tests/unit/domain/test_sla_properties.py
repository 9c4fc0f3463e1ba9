"""Whatever happens to a ticket with clocks, in whatever order and however often it is woken."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import given as words
from tests.unit.domain.sla_story import (
    DAY,
    HOUR,
    MINUTE,
    START,
    Desk,
    acknowledge,
    as_older_logs_say,
    escalate,
    escalations,
    messages,
    move,
    policy,
    report,
    snooze,
)
from tocsin.events import sla as contract
from tocsin.events.envelope import Envelope
from tocsin.events.vocabulary import TICKET_STATUSES, UNRESOLVED
from tocsin.streams.domain import ticket_timers
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.ticket_repeats import repeats
from tocsin.streams.domain.ticket_state import TicketState, evolve
from tocsin.streams.domain.tickets import decide, fold, fold_key

CALENDARS: dict[str, Any] = {
    "calendars": {
        "office": {"timezone": "Europe/Berlin", "hours": {"mon-fri": ["09:00-17:00"]}, "holidays": ["2025-06-19"]}
    },
    "calendar": "office",
    "targets": {
        "first_response": {"default": {"critical": "15m", "high": "1h", "medium": "4h"}},
        "resolution": {"default": {"critical": "2h", "high": "8h", "medium": "16h"}, "gold": {"high": "4h"}},
    },
    "ladders": {
        "two": {
            "steps": [{"after": "0m", "channels": ["slack"]}, {"after": "20m", "channels": ["slack"]}],
            "repeat": 2,
            "ack_timeout": "1h",
            "support_hours": {"calendar": "office"},
        }
    },
}
POLICIES = [policy(), policy(CALENDARS), policy({"on_reopen": "new_cycle", "pause_on": ["pending", "in_progress"]})]

EVENTS = st.one_of(
    st.builds(
        report,
        st.sampled_from(TICKET_STATUSES),
        st.sampled_from(["critical", "high", "medium", "low"]),
        updated=st.integers(0, 5).map(lambda hours: hours * HOUR),
        created=st.sampled_from([0, -2 * HOUR, -3 * DAY]),
        customer_tier=st.sampled_from(["default", "gold"]),
        notify=st.booleans(),
    ),
    st.builds(move, st.sampled_from(TICKET_STATUSES)),
    st.builds(acknowledge),
    st.builds(escalate),
    st.builds(snooze, st.integers(1, 90).map(lambda hours: hours * HOUR)),
)
PAUSES = st.sampled_from([0, 1, MINUTE, 17 * MINUTE, HOUR, 7 * HOUR, DAY])
HISTORIES = st.lists(st.tuples(EVENTS, PAUSES), min_size=1, max_size=12)


def played(governing: Any, history: list[tuple[Any, int]], *, punctual: bool = True) -> Desk:
    desk, after = Desk(governing), 0
    desk.punctual = punctual
    desk.at(0, report())
    for event, pause in history:
        after += pause
        desk.at(after, event)
    return desk


GOVERNING = st.sampled_from(POLICIES)


@given(GOVERNING, HISTORIES)
def test_X1_folding_the_facts_gives_the_state(governing: Any, history: list[tuple[Any, int]]) -> None:
    desk = played(governing, history)
    state: TicketState | None = None
    for fact in desk.facts:
        state = evolve(state, msgspec.json.decode(msgspec.json.encode(fact), type=type(fact)))
    assert state == desk.state
    assert msgspec.json.decode(msgspec.json.encode(state), type=TicketState) == state


@given(GOVERNING, HISTORIES, st.booleans())
def test_X1_an_older_log_with_first_clocks_of_their_own_folds_to_the_same_state(
    governing: Any, history: list[tuple[Any, int]], of_a_failure: bool
) -> None:
    if of_a_failure:
        desk = Desk(governing, words.ENTITY)
        desk.at(0, words.failure())
        desk.until(2 * DAY)
    else:
        desk = played(governing, history)
    state: TicketState | None = None
    for fact in desk.facts:
        for older in as_older_logs_say(fact):
            state = evolve(state, older)
    assert state == desk.state


@given(GOVERNING, HISTORIES, st.booleans())
def test_S3_nothing_is_due_after_everything_due_was_decided(
    governing: Any, history: list[tuple[Any, int]], punctual: bool
) -> None:
    desk = played(governing, history, punctual=punctual)
    desk.wake()
    assert desk.state is not None
    due = ticket_timers.next_due(desk.state, desk.policy)
    assert due is None or due > desk.now
    assert desk.wake() == []


@given(GOVERNING, HISTORIES)
def test_X1_an_event_that_is_delivered_again_changes_nothing(governing: Any, history: list[tuple[Any, int]]) -> None:
    desk = played(governing, history)
    for event, _ in history:
        before, count = desk.state, len(desk.facts)
        desk.at(0, event, duplicate=True)
        assert (desk.state, len(desk.facts)) == (before, count)


@given(GOVERNING, HISTORIES, st.data())
def test_S4_wake_ups_too_many_and_too_early_change_nothing(
    governing: Any, history: list[tuple[Any, int]], data: st.DataObject
) -> None:
    plain = played(governing, history)
    plain.until(4 * DAY)
    woken = Desk(governing)
    woken.at(0, report())
    after = 0
    for event, pause in history:
        for wake_up in sorted(data.draw(st.lists(st.integers(0, pause), max_size=3))):
            woken.until(after + wake_up)
            woken.wake()
        after += pause
        woken.at(after, event)
    for hours in range(0, 96, 7):
        woken.until(max(after, hours * HOUR))
        woken.wake()
        woken.wake()
    woken.until(4 * DAY)
    assert told(woken) == told(plain)


def told(desk: Desk) -> list[Any]:
    """Messages by hand have the id of their command, which differs here."""
    return [
        (
            *(one.at, one.level, one.told, one.coalesced, len(one.notifications)),
            [note.notification_id for note in one.notifications if one.told.reason != "manual"],
        )
        for one in escalations(desk.facts)
    ]


@given(GOVERNING, HISTORIES, st.booleans())
def test_S4_the_level_never_falls_and_no_message_is_sent_twice(
    governing: Any, history: list[tuple[Any, int]], punctual: bool
) -> None:
    desk = played(governing, history, punctual=punctual)
    desk.until(4 * DAY)
    levels = [one.level for one in escalations(desk.facts)]
    assert levels == sorted(levels)
    assert all(one.level <= one.cap or one.level == one.from_level for one in escalations(desk.facts))
    sent = [effect.event.origin.run_id for effect in messages(desk.facts)]
    assert len(sent) == len(set(sent)), [(one.at, one.told) for one in escalations(desk.facts)]


@given(GOVERNING, HISTORIES, st.booleans())
def test_S11_every_clock_breaches_at_most_once_and_its_elapsed_time_never_falls(
    governing: Any, history: list[tuple[Any, int]], punctual: bool
) -> None:
    desk = played(governing, history, punctual=punctual)
    desk.until(4 * DAY)
    breached: list[tuple[str, int]] = []
    elapsed: dict[tuple[str, int], int] = {}
    for fact in desk.facts:
        if isinstance(fact, contract.ClockFact):
            key = fact.clock.metric, fact.clock.cycle
            assert fact.clock.elapsed_ms >= elapsed.get(key, 0)
            elapsed[key] = fact.clock.elapsed_ms
            if isinstance(fact, contract.ClockBreached):
                breached.append(key)
    assert len(breached) == len(set(breached))


@given(GOVERNING, HISTORIES)
def test_S11_late_or_punctual_the_same_breaches_stand(governing: Any, history: list[tuple[Any, int]]) -> None:
    def breaches(desk: Desk) -> set[Any]:
        facts = [fact for fact in desk.facts if isinstance(fact, contract.ClockBreached)]
        return {(fact.clock.metric, fact.clock.cycle, fact.clock.breached_at) for fact in facts}

    one, other = played(governing, history), played(governing, history, punctual=False)
    one.until(4 * DAY)
    other.until(4 * DAY)
    assert breaches(one) == breaches(other)


@given(st.sampled_from(POLICIES[:2]), st.integers(1, 10 * DAY), st.integers(0, 5 * DAY))
def test_S11_the_due_time_moves_by_exactly_the_open_time_of_a_pause(governing: Any, until: int, rest: int) -> None:
    rules = governing.sla
    desk = Desk(governing)
    desk.punctual = False
    desk.at(0, report(priority="medium"))
    before = desk.clock("resolution")
    calendar = rules.calendar(before.calendar, before.calendar_version)
    desk.at(until, move("pending"))
    desk.at(until + rest, move("in_progress"))
    after = desk.clock("resolution")
    if after.breached_at:
        return
    moved = calendar.between(START + until, START + until + rest)
    assert after.paused_ms == moved
    assert calendar.between(before.due_at, after.due_at) == moved


@given(GOVERNING, HISTORIES)
def test_S11_clocks_run_only_while_their_ticket_is_unresolved(governing: Any, history: list[tuple[Any, int]]) -> None:
    desk = played(governing, history)
    for clock in desk.sla.clocks:
        if clock.open:
            assert desk.episode.status in UNRESOLVED
            assert (clock.stage == "paused") == (desk.episode.status in governing.sla.pause_on)


FAILURES = st.lists(
    st.tuples(
        st.sampled_from(["critical", "error", "warning", "info"]),
        st.sampled_from(["api", "github"]),
        st.sampled_from([0, MINUTE, 20 * MINUTE, HOUR]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)
EXCLUDING = policy({"no_clocks_for": ["github"]})


@given(st.sampled_from([*POLICIES, EXCLUDING]), FAILURES)
def test_W2_counting_in_one_go_equals_deciding_each_also_with_clocks(governing: Any, history: list[Any]) -> None:
    desk = Desk(governing, words.ENTITY)
    desk.at(0, words.failure(severity="warning"))
    state, now, offset = desk.state, desk.now, desk.offset
    run: Any = None
    run_facts: list[Any] = []
    alone = state
    alone_facts: list[Any] = []
    for severity, source, pause, duplicate in history:
        now += pause
        event = words.failure(severity=severity, source=source)
        envelope = Envelope(f"e{offset}", "tocsin.tickets.FailureReported.v1", "/t", "", "default")
        received = Received(event, envelope, words.ENTITY, 0, offset, now, duplicate)
        offset += 1
        # one by one
        assert alone is not None
        for fact in ticket_timers.advance(alone, received, governing):
            alone = evolve(alone, fact)
            alone_facts.append(fact)
        for fact in decide(alone, received, governing):
            alone = evolve(alone, fact)
            alone_facts.append(fact)
        # as a draft does it
        if run is not None and run.add(received):
            continue
        if run is not None:
            fact, state = run.finish()
            run_facts.append(fact)
            run = None
        assert state is not None
        run = repeats(state, received, governing)
        if run is None:
            for fact in ticket_timers.advance(state, received, governing):
                state = evolve(state, fact)
                run_facts.append(fact)
            for fact in decide(state, received, governing):
                state = evolve(state, fact)
                run_facts.append(fact)
    if run is not None:
        fact, state = run.finish()
        run_facts.append(fact)
    assert state == alone
    assert folded(run_facts) == folded(alone_facts)


def folded(facts: list[Any]) -> list[Any]:
    result: list[Any] = []
    for key, group in groupby(facts, key=fold_key):
        of_one = list(group)
        result += of_one if key is None else [fold(of_one)]
    return result
