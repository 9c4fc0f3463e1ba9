"""The incidents decisions, as tables: I2 (grouping), I5 (status), I9 (merge and split)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.domain.given import said
from tests.unit.domain.incident_story import (
    FINGERPRINTS,
    FIRST,
    GROUP,
    HOUR,
    MINUTE,
    OTHER,
    World,
    cleared,
    move,
    raised,
    updated,
)
from tocsin.events import incidents as contract
from tocsin.events.commands import CommandRefused

SECOND, ELSEWHERE = f"{GROUP}-2", f"{OTHER}-1"
OPENED = [("IncidentOpened", "new_group"), ("AlertAdded", "new_group")]

GROUPING: list[tuple[str, list[Any], list[tuple[str, str]]]] = [
    ("the first alert opens", [raised()], OPENED),
    ("another joins", [raised(), raised(1)], [("AlertAdded", "incident_open")]),
    ("the same again changes nothing", [raised(), raised()], [("AlertIgnored", "added_already")]),
    ("a new episode counts", [raised(), raised(0, 2)], [("AlertAdded", "incident_open")]),
    ("an old episode does not", [raised(0, 2), raised()], [("AlertIgnored", "newer_episode_known")]),
    ("below the threshold", [raised(threshold=2, window_ms=HOUR)], [("AlertAwaited", "below_threshold")]),
    (
        "the same fingerprint is no company",
        [raised(threshold=2, window_ms=HOUR), raised(0, 2, threshold=2, window_ms=HOUR)],
        [("AlertAwaited", "below_threshold")],
    ),
    (
        "the threshold is reached",
        [raised(threshold=2, window_ms=HOUR), raised(1, threshold=2, window_ms=HOUR)],
        [("IncidentOpened", "new_group"), ("AlertAdded", "threshold_reached"), ("AlertAdded", "new_group")],
    ),
    (
        "too late for the window",
        [raised(threshold=2, window_ms=1000), raised(1, threshold=2, window_ms=1000)],
        [("AwaitedForgotten", "window_passed"), ("AlertAwaited", "below_threshold")],
    ),
    (
        "the last clear resolves",
        [raised(), cleared()],
        [("AlertSettled", "alert_resolved"), ("IncidentStatusChanged", "alerts_resolved")],
    ),
    ("not while another fires", [raised(), raised(1), cleared()], [("AlertSettled", "alert_resolved")]),
    (
        "the first decides",
        [raised(auto_resolve="first"), raised(1), cleared()],
        [("AlertSettled", "alert_resolved"), ("IncidentStatusChanged", "alerts_resolved")],
    ),
    (
        "not the second",
        [raised(auto_resolve="first"), raised(1), cleared(1)],
        [("AlertSettled", "alert_resolved")],
    ),
    (
        "the last decides",
        [raised(auto_resolve="last"), raised(1), cleared(1)],
        [("AlertSettled", "alert_resolved"), ("IncidentStatusChanged", "alerts_resolved")],
    ),
    ("never by itself", [raised(auto_resolve="never"), cleared()], [("AlertSettled", "alert_resolved")]),
    (
        "a new alert re-opens",
        [raised(), cleared(), raised(1)],
        [("AlertAdded", "resolved_within_window"), ("IncidentStatusChanged", "resolved_within_window")],
    ),
    (
        "a flapping one does not",
        [raised(), cleared(), raised(0, 2, flapping=True)],
        [("AlertAdded", "flapping_reopens_nothing")],
    ),
    (
        "too late to re-open",
        [raised(reopen_within_ms=500), cleared(), raised(1, reopen_within_ms=500)],
        [("IncidentOpened", "reopen_window_passed"), ("AlertAdded", "reopen_window_passed")],
    ),
    (
        "never re-opens",
        [raised(reopen_within_ms=None), cleared(), raised(1, reopen_within_ms=None)],
        [("IncidentOpened", "reopen_window_passed"), ("AlertAdded", "reopen_window_passed")],
    ),
    (
        "a closed one stays closed",
        [raised(), cleared(), move("CLOSED"), raised(1)],
        [("IncidentOpened", "previous_closed"), ("AlertAdded", "previous_closed")],
    ),
    ("a worse alert", [raised(), updated("critical")], [("AlertChanged", "severity_raised")]),
    ("a better alert", [raised(), updated("info")], [("AlertChanged", "alert_severity_changed")]),
    ("about an unknown alert", [raised(), updated("info", 3)], [("AlertIgnored", "no_alert_of_an_incident")]),
    ("the end of an unknown alert", [raised(), cleared(3)], [("AlertIgnored", "no_alert_of_an_incident")]),
    ("the end of an old episode", [raised(0, 2), cleared(0, 1)], [("AlertIgnored", "newer_episode_known")]),
    (
        "the end of an awaited alert",
        [raised(threshold=2, window_ms=HOUR), cleared()],
        [("AwaitedChanged", "below_threshold")],
    ),
]


@pytest.mark.parametrize(("events", "then"), [row[1:] for row in GROUPING], ids=[row[0] for row in GROUPING])
def test_I2_alerts_of_one_group(events: list[Any], then: list[tuple[str, str]]) -> None:
    world = World().given(*events[:-1])
    assert said(world.when(events[-1])) == then


def test_I2_severity_is_the_highest_of_the_alerts_that_fire() -> None:
    world = World().given(raised(severity="warning"), raised(1, severity="critical"), raised(2, severity="error"))
    assert (world.incident().severity, world.incident().alert_count) == ("critical", 3)
    world.given(cleared(1))
    assert world.incident().severity == "error"
    world.given(updated("info", 2))
    assert world.incident().severity == "warning"


def test_I2_a_reopened_incident_says_until_when_and_links_nothing() -> None:
    world = World().given(raised())
    changed = world.when(cleared())[-1]
    assert isinstance(changed, contract.IncidentStatusChanged)
    assert (changed.actor, changed.action, changed.from_status, changed.status) == (
        "tocsin",
        "auto_resolved",
        "OPEN",
        "RESOLVED",
    )
    assert changed.reopen_until
    assert world.given(raised(1)).incident().status == "INVESTIGATING"


def test_I2_the_next_incident_links_the_previous_one() -> None:
    world = World().given(raised(), cleared(), move("CLOSED"))
    (opened, _) = world.when(raised(1))
    assert isinstance(opened, contract.IncidentOpened)
    assert (opened.incident_id, opened.previous_incident_id, opened.number) == (SECOND, FIRST, 2)


def test_I2_an_awaited_alert_that_ended_still_counts_but_does_not_fire() -> None:
    terms: dict[str, Any] = {"threshold": 2, "window_ms": HOUR}
    world = World().given(raised(**terms), cleared(), raised(1, **terms))
    assert (world.incident().alert_count, world.incident().active_alerts) == (2, 1)


def test_I2_what_waited_below_the_threshold_is_forgotten_by_a_timer() -> None:
    world = World().given(raised(threshold=2, window_ms=MINUTE))
    assert world.wake(after=MINUTE - 1) == []
    assert said(world.wake(after=1)) == [("AwaitedForgotten", "window_passed")]
    assert world.wake(after=HOUR) == []


# --- I5 -------------------------------------------------------------------------------------------------------------

INVESTIGATING, RESOLVED, CLOSED = move("INVESTIGATING"), move("RESOLVED"), move("CLOSED")
MOVES = [
    # moves before, asked, then, allowed
    ([], "OPEN", "CommandUnchanged", None),
    ([], "INVESTIGATING", "IncidentStatusChanged", None),
    ([], "RESOLVED", "CommandRefused", ("INVESTIGATING",)),
    ([], "CLOSED", "CommandRefused", ("INVESTIGATING",)),
    ([INVESTIGATING], "OPEN", "CommandRefused", ("RESOLVED",)),
    ([INVESTIGATING], "RESOLVED", "IncidentStatusChanged", None),
    ([INVESTIGATING], "CLOSED", "CommandRefused", ("RESOLVED",)),
    ([INVESTIGATING, RESOLVED], "INVESTIGATING", "CommandRefused", ("CLOSED",)),
    ([INVESTIGATING, RESOLVED], "CLOSED", "IncidentStatusChanged", None),
    ([INVESTIGATING, RESOLVED, CLOSED], "OPEN", "CommandRefused", ()),
    ([INVESTIGATING, RESOLVED, CLOSED], "RESOLVED", "CommandRefused", ()),
    ([INVESTIGATING, RESOLVED, CLOSED], "CLOSED", "CommandUnchanged", None),
]


@pytest.mark.parametrize(("before", "asked", "then", "allowed"), MOVES)
def test_I5_status_moves_along_the_chain(before: list[Any], asked: Any, then: str, allowed: Any) -> None:
    (fact,) = World().given(raised(), *before).when(move(asked, reason="because"))
    assert type(fact).__name__ == then
    if isinstance(fact, CommandRefused):
        assert (fact.reason, fact.allowed) == ("illegal_move", allowed)
    if isinstance(fact, contract.IncidentStatusChanged):
        assert (fact.actor, fact.reason, fact.action) == ("ana", "because", "status_changed")


@pytest.mark.parametrize("incident_id", [SECOND, ELSEWHERE])
def test_I5_unknown_incident_is_refused(incident_id: str) -> None:
    (fact,) = World().given(raised()).when(move("INVESTIGATING", incident_id), incident_id[:-2])
    assert isinstance(fact, CommandRefused)
    assert (fact.reason, fact.subject_id) == ("unknown", incident_id)


def test_I5_stale_if_match_is_refused_and_a_current_one_is_not() -> None:
    world = World().given(raised())
    version = world.incident().version
    (refused,) = world.when(move("INVESTIGATING", if_version=version + 1))
    assert isinstance(refused, CommandRefused)
    assert (refused.reason, refused.current_version) == ("version_mismatch", version)
    assert said(world.when(move("INVESTIGATING", if_version=version))) == [("IncidentStatusChanged", "legal_move")]


def test_I5_acknowledged_once_assigned_and_commented() -> None:
    world = World().given(raised())
    acknowledge = contract.AcknowledgeRequested(incident_id=FIRST, actor="ana")
    assert said(world.when(acknowledge)) == [("IncidentAcknowledged", "first_acknowledgement")]
    assert said(world.when(acknowledge)) == [("CommandUnchanged", "acknowledged_already")]
    assign = contract.AssignRequested(incident_id=FIRST, assignee="bo", actor="ana")
    assert said(world.when(assign)) == [("IncidentAssigned", "assigned")]
    assert said(world.when(assign)) == [("CommandUnchanged", "same_assignee")]
    (commented,) = world.when(contract.CommentRequested(incident_id=FIRST, text="looking", actor="bo"))
    assert isinstance(commented, contract.CommentAdded)
    assert (commented.text, commented.actor) == ("looking", "bo")
    assert world.when(assign, duplicate=True) == []


def test_I5_updated_at_rises_with_every_change_in_the_same_millisecond() -> None:
    world = World().given(raised())
    changes = [world.when(move(status), after=0)[0].at for status in ("INVESTIGATING", "RESOLVED", "CLOSED")]
    assert changes == sorted(set(changes))


def test_I5_a_closed_incident_is_a_stub() -> None:
    world = World().given(*(raised(alert) for alert in range(8)), INVESTIGATING, RESOLVED, CLOSED)
    assert world.incident().members == ()


# --- I9 -------------------------------------------------------------------------------------------------------------


def merge(target: str = FIRST, source: str = ELSEWHERE) -> contract.MergeRequested:
    return contract.MergeRequested(incident_id=target, source_id=source, actor="ana", reason="one cause")


@pytest.fixture
def two() -> World:
    """FIRST with alert 0, ELSEWHERE with alerts 1 and 2."""
    world = World().given(raised())
    for alert in (1, 2):
        world.when(raised(alert, entity=OTHER, severity="critical"), OTHER)
    return world


def test_I9_merge_moves_everything_and_answers_with_the_target(two: World) -> None:
    facts = two.when(merge())
    assert [type(fact).__name__ for fact in facts] == ["MergeStarted", "IncidentMerged", "AlertsAdopted"]
    source, target = two.incident(ELSEWHERE), two.incident()
    assert (source.status, source.merged_into) == ("CLOSED", FIRST)
    assert (target.alert_count, target.active_alerts, target.severity) == (3, 3, "critical")
    (answer,) = facts[-1].answers
    assert answer.wait
    assert [fact.answers for fact in facts[:-1]] == [(), ()]


def test_I9_later_words_of_the_merged_group_go_to_the_target(two: World) -> None:
    two.when(merge())
    assert said(two.when(raised(3, entity=OTHER), OTHER)) == [
        ("AlertForwarded", "merged"),
        ("AlertAdded", "incident_open"),
    ]
    for alert in (1, 2, 3):
        two.when(cleared(alert), OTHER)
    assert two.incident().status == "OPEN"
    two.when(cleared())
    assert two.incident().status == "RESOLVED"


NO_MERGES = [
    ("unknown target", merge(SECOND), ["CommandRefused"], "unknown"),
    ("unknown source", merge(FIRST, "i_" + "c" * 26 + "-1"), ["MergeStarted", "CommandRefused"], "unknown"),
    ("into itself", merge(FIRST, FIRST), ["CommandRefused"], "same_incident"),
]


@pytest.mark.parametrize(
    ("command", "then", "reason"), [row[1:] for row in NO_MERGES], ids=[row[0] for row in NO_MERGES]
)
def test_I9_a_refused_merge_loses_nothing(two: World, command: Any, then: list[str], reason: str) -> None:
    facts = two.when(command)
    assert [type(fact).__name__ for fact in facts][: len(then)] == then
    (refused,) = [fact for fact in facts if isinstance(fact, CommandRefused)]
    assert refused.reason == reason
    assert len(refused.answers) == 1
    assert (two.incident().status, two.incident().active_alerts, two.incident().taking_over) == ("OPEN", 1, "")
    assert two.incident(ELSEWHERE).active_alerts == 2


def test_I9_merged_and_closed_incidents_take_no_part_in_merges(two: World) -> None:
    two.when(merge())
    for command, entity, reason in (
        (merge(ELSEWHERE, FIRST), OTHER, "merged"),
        (merge(), GROUP, "merged"),
    ):
        (refused,) = [fact for fact in two.when(command, entity) if isinstance(fact, CommandRefused)]
        assert refused.reason == reason
    two.given(INVESTIGATING, RESOLVED, CLOSED)
    two.when(raised(4, entity=OTHER, incident_id=""), "i_" + "c" * 26)
    (refused,) = [fact for fact in two.when(merge(FIRST, "i_" + "c" * 26 + "-1")) if isinstance(fact, CommandRefused)]
    assert refused.reason == "final"


def test_I9_a_resolved_target_with_adopted_firing_alerts_is_investigated(two: World) -> None:
    two.given(cleared())
    assert two.incident().status == "RESOLVED"
    assert said(two.when(merge()))[-1] == ("IncidentStatusChanged", "adopted_alerts_fire")


def split(*alerts: int, incident_id: str = ELSEWHERE) -> contract.SplitRequested:
    ids = tuple(f"{FINGERPRINTS[alert]}-1" for alert in alerts)
    return contract.SplitRequested(incident_id=incident_id, alert_ids=ids, actor="ana", title="disk only")


def test_I9_split_opens_an_incident_that_hears_of_its_alerts(two: World) -> None:
    facts = two.when(split(1), OTHER)
    assert [type(fact).__name__ for fact in facts] == ["AlertsSplitOff", "IncidentOpened", "AlertsAdopted"]
    opened = facts[1]
    assert isinstance(opened, contract.IncidentOpened)
    assert (opened.title, opened.split_from) == ("disk only", ELSEWHERE)
    assert len(facts[-1].answers) == 1
    assert (two.incident(ELSEWHERE).alert_count, two.incident(opened.incident_id).alert_count) == (1, 1)
    two.when(cleared(1), OTHER)
    assert two.incident(opened.incident_id).status == "RESOLVED"
    assert two.incident(ELSEWHERE).status == "OPEN"
    # its next episode belongs to its group again
    assert said(two.when(raised(1, 2, entity=OTHER), OTHER)) == [("AlertAdded", "incident_open")]


def test_I9_what_was_split_off_and_merged_back_is_at_home_again(two: World) -> None:
    child = two.when(split(1), OTHER)[1].entity + "-1"
    two.when(merge(ELSEWHERE, child), OTHER)
    assert two.incident(ELSEWHERE).active_alerts == 2
    assert said(two.when(updated("info", 1), OTHER)) == [("AlertChanged", "alert_severity_changed")]


@pytest.mark.parametrize(("alerts", "reason"), [((0,), "not_a_member"), ((1, 2), "nothing_left"), ((), "nothing_left")])
def test_I9_a_split_of_others_or_of_all_is_refused(two: World, alerts: tuple[int, ...], reason: str) -> None:
    (refused,) = two.when(split(*alerts), OTHER)
    assert isinstance(refused, CommandRefused)
    assert refused.reason == reason
