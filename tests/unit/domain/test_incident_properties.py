"""Incidents under random histories: legal moves only, exact counts, nothing lost, facts are the whole truth."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.incident_story import GROUP, OTHER, World, cleared, move, raised, updated
from tocsin.events import incidents as contract
from tocsin.events.vocabulary import AUTO_RESOLVES, INCIDENT_MOVES, INCIDENT_STATUSES, POLICY_ACTOR, SEVERITIES
from tocsin.streams.domain.incident_evolution import evolve
from tocsin.streams.domain.incident_state import IncidentState

ALERTS = st.integers(0, 3)
EPISODES = st.integers(1, 3)
GROUPS = st.sampled_from([GROUP, OTHER])
IDS = st.builds("{}-{}".format, GROUPS, st.integers(1, 2))
TERMS = st.fixed_dictionaries(
    {
        "threshold": st.integers(1, 2),
        "window_ms": st.just(20_000),
        "auto_resolve": st.sampled_from(AUTO_RESOLVES),
        "reopen_within_ms": st.sampled_from([None, 5_000, 60_000]),
        "flapping": st.booleans(),
        "severity": st.sampled_from(SEVERITIES),
    }
)


@st.composite
def words(draw: st.DrawFn) -> tuple[Any, str]:
    """What an alert says to its own group; alerts 0 and 1 are of the first group, 2 and 3 of the other."""
    alert, episode = draw(ALERTS), draw(EPISODES)
    entity = GROUP if alert < 2 else OTHER
    event = draw(
        st.one_of(
            TERMS.map(lambda terms: raised(alert, episode, entity=entity, **terms)),
            st.just(cleared(alert, episode)),
            st.sampled_from(SEVERITIES).map(lambda severity: updated(severity, alert, episode)),
        )
    )
    return event, entity


@st.composite
def commands(draw: st.DrawFn) -> tuple[Any, str]:
    incident_id = draw(IDS)
    event = draw(
        st.one_of(
            st.sampled_from(INCIDENT_STATUSES).map(lambda status: move(status, incident_id)),
            st.just(contract.AcknowledgeRequested(incident_id=incident_id, actor="ana")),
            st.just(contract.AssignRequested(incident_id=incident_id, assignee="bo", actor="ana")),
            st.just(contract.CommentRequested(incident_id=incident_id, text="hm", actor="ana")),
        )
    )
    return event, incident_id[:-2]


@st.composite
def moves_of_alerts(draw: st.DrawFn) -> tuple[Any, str]:
    target, source = draw(IDS), draw(IDS)
    alert_ids = tuple(f"a_{letter * 26}-{draw(EPISODES)}" for letter in draw(st.sampled_from(["a", "b", "c", "ab"])))
    event = draw(
        st.sampled_from(
            [
                contract.MergeRequested(incident_id=target, source_id=source, actor="ana"),
                contract.SplitRequested(incident_id=target, alert_ids=alert_ids, actor="ana"),
            ]
        )
    )
    return event, target[:-2]


HISTORIES = st.lists(st.tuples(st.one_of(words(), words(), commands()), st.integers(0, 8_000)), max_size=25)
WITH_MERGES = st.lists(
    st.tuples(st.one_of(words(), words(), commands(), moves_of_alerts()), st.integers(0, 8_000)), max_size=25
)


def played(history: list[tuple[tuple[Any, str], int]]) -> World:
    world = World()
    for (event, entity), after in history:
        world.when(event, entity, after=after)
    return world


@given(WITH_MERGES)
def test_X1_folding_the_facts_gives_the_state(history: Any) -> None:
    world = played(history)
    states: dict[str, IncidentState | None] = {}
    for fact in world.facts:
        again = msgspec.json.decode(msgspec.json.encode(fact), type=type(fact))
        states[fact.entity] = evolve(states.get(fact.entity), again)
    assert {entity: state for entity, state in states.items() if state is not None} == world.groups
    for state in world.groups.values():
        assert msgspec.json.decode(msgspec.json.encode(state), type=IncidentState) == state


@given(WITH_MERGES)
def test_I5_only_legal_moves_happen_and_only_policy_takes_the_short_ways(history: Any) -> None:
    status: dict[str, str] = {}
    for fact in played(history).facts:
        if isinstance(fact, contract.IncidentOpened):
            assert fact.incident_id not in status
            status[fact.incident_id] = fact.status
        elif isinstance(fact, contract.IncidentFact):
            before = status[fact.incident_id]
            if isinstance(fact, contract.IncidentStatusChanged):
                assert fact.from_status == before
                by_policy = {("OPEN", "RESOLVED"), ("INVESTIGATING", "RESOLVED"), ("RESOLVED", "INVESTIGATING")}
                if fact.actor == POLICY_ACTOR:
                    assert (before, fact.status) in by_policy
                else:
                    assert fact.status in INCIDENT_MOVES[before]
            elif isinstance(fact, contract.IncidentMerged):
                assert (before != "CLOSED", fact.status) == (True, "CLOSED")
            else:
                assert fact.status == before
            status[fact.incident_id] = fact.status


@given(WITH_MERGES)
def test_I5_times_and_versions_of_an_incident_only_rise(history: Any) -> None:
    last: dict[str, tuple[str, int]] = {}
    for fact in played(history).facts:
        if isinstance(fact, contract.IncidentFact):
            at, version = last.get(fact.incident_id, ("", -1))
            assert fact.at > at
            assert fact.version >= version
            last[fact.incident_id] = (fact.at, fact.version)


@given(WITH_MERGES)
def test_I9_every_request_is_answered_once_however_alerts_move(history: Any) -> None:
    world = played(history)
    answered = [answer.event_id for answer, _ in world.answers()]
    assert len(answered) == len(set(answered))
    assert all(incident.taking_over == "" for incident in world.incidents())
    asked = [event for (event, _), _ in history if hasattr(event, "actor")]
    assert len(answered) == len(asked)


@given(HISTORIES)
def test_I2_alert_count_is_the_number_of_distinct_episodes(history: Any) -> None:
    world = played(history)
    episodes: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for fact in world.facts:
        if isinstance(fact, contract.AlertAdded):
            episodes.setdefault(fact.incident_id, set()).add(fact.alert.alert_id)
        if isinstance(fact, contract.IncidentFact):
            counts[fact.incident_id] = fact.alert_count
    assert {incident: len(alerts) for incident, alerts in episodes.items()} == counts


@given(WITH_MERGES)
def test_I9_no_incident_is_merged_in_a_circle(history: Any) -> None:
    world = played(history)
    merged = {
        state.incident_id(one): one.merged_into
        for state in world.groups.values()
        for one in state.incidents
        if one.merged_into
    }
    for start in merged:
        seen, here = set[str](), start
        while here in merged:
            assert here not in seen
            seen.add(here)
            here = merged[here]


@given(HISTORIES, st.integers(0, 24))
def test_I5_deciding_a_command_twice_is_deciding_it_once(history: Any, nth: int) -> None:
    world = played(history)
    (event, entity), _ = history[nth % len(history)] if history else ((move("CLOSED"), GROUP), 0)
    if not hasattr(event, "actor"):
        return
    world.when(event, entity)
    before = world.groups.get(entity)
    assert world.when(event, entity, after=0, duplicate=True) == []
    assert world.groups.get(entity) == before


@given(st.lists(ALERTS, min_size=1, max_size=30))
def test_I2_a_word_heard_again_changes_no_column(alerts: list[int]) -> None:
    world = World()
    for alert in alerts:
        world.given(raised(alert))
    known = world.incident()
    for alert in set(alerts):
        world.given(raised(alert))
    assert world.incident() == known
