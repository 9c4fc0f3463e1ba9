"""I9: silences and maintenance windows: when they last, whom they keep quiet, and what happens when they end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.domain.alert_story import word
from tests.unit.domain.given import said
from tests.unit.domain.incident_story import HOUR, MINUTE, START, World
from tocsin.events.alerts import Matcher, Recurrence, Silence, SilenceEndRequested, SilenceRequested
from tocsin.events.commands import PolicyActivated
from tocsin.events.envelope import Envelope
from tocsin.events.times import rfc3339, unix_ms
from tocsin.streams.domain.alert_policy import AlertsPolicy, policy_of
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.silences import amended, decide, window_end

S = "s_" + "a" * 26
T = "s_" + "b" * 26


def silence(silence_id: str = S, start: int = START, end: int = START + HOUR, **more: Any) -> Silence:
    values: dict[str, Any] = {"matchers": (Matcher("source", ("alertmanager",)),), "reason": "deploy"}
    times = {"starts_at": rfc3339(start), "ends_at": rfc3339(end) if end else ""}
    return Silence(silence_id=silence_id, created_by="ana", **(values | times | more))


def nightly(start: str, minutes: int, timezone: str = "Europe/Berlin", weekdays: tuple[int, ...] = ()) -> Silence:
    recurrence = Recurrence(start=start, duration_ms=minutes * MINUTE, timezone=timezone, weekdays=weekdays)
    return silence(start=unix_ms("2026-01-01T00:00:00Z"), end=0, recurrence=recurrence)


WINDOWS: list[tuple[str, Silence, str, str | None]] = [
    # what, silence, at, when it ends then
    ("inside", nightly("22:00", 60), "2026-02-03T21:30:00Z", "2026-02-03T22:00:00.000Z"),
    ("first instant", nightly("22:00", 60), "2026-02-03T21:00:00Z", "2026-02-03T22:00:00.000Z"),
    ("the end is outside", nightly("22:00", 60), "2026-02-03T22:00:00Z", None),
    ("before", nightly("22:00", 60), "2026-02-03T20:59:59Z", None),
    ("before it begins at all", nightly("22:00", 60), "2025-12-31T21:30:00Z", None),
    ("summer time", nightly("22:00", 60), "2026-07-03T20:30:00Z", "2026-07-03T21:00:00.000Z"),
    ("across midnight", nightly("23:30", 60), "2026-02-03T23:15:00Z", "2026-02-03T23:30:00.000Z"),
    ("Saturday", nightly("10:00", 60, weekdays=(5,)), "2026-02-07T09:30:00Z", "2026-02-07T10:00:00.000Z"),
    ("not Sunday", nightly("10:00", 60, weekdays=(5,)), "2026-02-08T09:30:00Z", None),
    ("Saturday into Sunday", nightly("23:00", 240, weekdays=(5,)), "2026-02-08T01:00:00Z", "2026-02-08T02:00:00.000Z"),
    # 02:30 does not exist on 29 March in Berlin: it starts at 03:30 summer time, as much later
    ("in the gap", nightly("02:30", 60), "2026-03-29T01:45:00Z", "2026-03-29T02:30:00.000Z"),
    # 02:30 exists twice on 25 October: the first one counts
    ("in the overlap", nightly("02:30", 60), "2026-10-25T00:45:00Z", "2026-10-25T01:30:00.000Z"),
    ("not again", nightly("02:30", 30), "2026-10-25T01:45:00Z", None),
    ("several days", nightly("00:00", 2880, weekdays=(0,)), "2026-02-03T12:00:00Z", "2026-02-03T23:00:00.000Z"),
    ("once", silence(), rfc3339(START), rfc3339(START + HOUR)),
    ("once and over", silence(), rfc3339(START + HOUR), None),
]


@pytest.mark.parametrize(("what", "at", "end"), [row[1:] for row in WINDOWS], ids=[row[0] for row in WINDOWS])
def test_I9_a_window_lasts_by_the_clock_of_its_zone(what: Silence, at: str, end: str | None) -> None:
    found = window_end(what, unix_ms(at))
    assert (None if found is None else rfc3339(found)) == end


def quiet(*silences: Silence, **policy: Any) -> World:
    return World(AlertsPolicy(silences={"default": silences}, **policy))


def incidents_of(world: World) -> list[str]:
    return [one.status for one in world.incidents()]


def test_I9_a_silenced_alert_is_kept_and_counted_and_raises_no_incident() -> None:
    world = quiet(silence())
    (opened,) = world.hear(word("triggered"))
    assert getattr(opened, "suppressed_by", ()) == (S,)
    assert said(world.hear(word("triggered", 1))) == [("AlertRepeated", "triggered_again")]
    assert incidents_of(world) == []


def test_I9_when_the_silence_ends_a_firing_alert_raises_its_incident() -> None:
    world = quiet(silence())
    world.hear(word("triggered"))
    assert world.wake(after=HOUR - 1001) == []
    facts = said(world.wake(after=1001))
    assert facts == [
        ("SuppressionChanged", "silences_ended"),
        ("IncidentOpened", "new_group"),
        ("AlertAdded", "new_group"),
    ]
    assert said(world.hear(word("resolved", 90)))[-1] == ("IncidentStatusChanged", "alerts_resolved")


def test_I9_an_alert_that_was_resolved_meanwhile_never_disturbs() -> None:
    world = quiet(silence())
    world.hear(word("triggered"))
    world.hear(word("resolved", 1))
    assert world.wake(after=2 * HOUR) == []
    assert incidents_of(world) == []


def test_I9_another_silence_goes_on_keeping_it_quiet() -> None:
    world = quiet(silence(), silence(T, START + HOUR // 2, START + 2 * HOUR))
    world.hear(word("triggered"))
    assert said(world.wake(after=HOUR)) == [("SuppressionChanged", "other_silences_last")]
    assert said(world.wake(after=HOUR))[0] == ("SuppressionChanged", "silences_ended")


def test_I9_one_ended_by_hand_ends_at_once() -> None:
    world = quiet(silence())
    world.hear(word("triggered"))
    world.policy = AlertsPolicy()
    assert said(world.wake(after=1))[0] == ("SuppressionChanged", "silences_ended")


@pytest.mark.parametrize(
    ("matcher", "holds"),
    [
        (Matcher("source", ("alertmanager",)), True),
        (Matcher("source", ("datadog", "ALERTMANAGER")), True),
        (Matcher("title", ("disk*",)), True),
        (Matcher("title", ("disk",)), False),
        (Matcher("tag:host", ("db-?",)), False),
        (Matcher("severity", ("critical",), negated=True), True),
        (Matcher("source", ("a*",), negated=True), False),
    ],
)
def test_I9_matchers(matcher: Matcher, holds: bool) -> None:
    world = quiet(silence(matchers=(matcher,)))
    world.hear(word("triggered"))
    assert (incidents_of(world) == []) is holds


def test_I9_a_flapping_alert_under_a_silence_raises_nothing_when_it_calms_down() -> None:
    world = quiet(silence(end=START + 100 * HOUR))
    for minute in range(8):
        world.hear(word("triggered" if minute % 2 == 0 else "resolved", minute))
    world.hear(word("triggered", 9))
    assert said(world.wake(after=HOUR)) == [("FlappingChanged", "calm")]
    assert incidents_of(world) == []


# --- on every partition ---------------------------------------------------------------------------------------------


def received(event: Any, workspace: str = "default", now: int = START) -> Received:
    return Received(event, Envelope("e1", "x", "/test", "", workspace, outcome="wait"), "silences", 0, 1, now)


def test_I9_silences_are_part_of_the_policy_of_a_partition_and_outlive_its_file() -> None:
    body = amended({}, received(SilenceRequested(silence=silence())))
    body = amended(body, received(SilenceRequested(silence=silence(T)), "acme"))
    body = amended(body, received(PolicyActivated(version="v2", body={"resolve_after_ms": 5})))
    policy = policy_of(msgspec.json.decode(msgspec.json.encode(body)))
    assert policy.resolve_after_ms == 5
    assert [one.silence_id for one in policy.silences_of("default")] == [S]
    assert [one.silence_id for one in policy.silences_of("acme")] == [T]
    ended = amended(body, received(SilenceEndRequested(silence_id=S, actor="ana")))
    assert list(policy_of(ended).silences) == ["acme"]


def test_I9_the_same_silence_again_replaces_it_and_those_that_are_over_are_forgotten() -> None:
    body = amended({}, received(SilenceRequested(silence=silence())))
    body = amended(body, received(SilenceRequested(silence=silence(reason="longer", end=START + 3 * HOUR))))
    assert [one.reason for one in policy_of(body).silences_of("default")] == ["longer"]
    later = amended(body, received(SilenceRequested(silence=silence(T, end=START + 9 * HOUR)), now=START + 4 * HOUR))
    assert [one.silence_id for one in policy_of(later).silences_of("default")] == [T]


END = SilenceEndRequested(silence_id=S, actor="ana", recorded=True)


@pytest.mark.parametrize(
    ("event", "known", "then"),
    [
        (SilenceRequested(silence=silence(), recorded=True), (), [("SilenceCreated", "silence_created")]),
        (SilenceRequested(silence=silence()), (), []),
        (
            SilenceEndRequested(silence_id=S, actor="ana", recorded=True),
            (silence(),),
            [("SilenceEnded", "ended_by_hand")],
        ),
        (SilenceEndRequested(silence_id=S, actor="ana"), (silence(),), []),
        (SilenceEndRequested(silence_id=S, actor="ana", recorded=True), (), [("CommandRefused", "unknown")]),
    ],
)
def test_I9_one_partition_records_a_silence_and_answers(
    event: Any, known: tuple[Silence, ...], then: list[tuple[str, str]]
) -> None:
    facts = decide(received(event), known)
    assert said(facts) == then
    assert all(len(fact.answers) == 1 for fact in facts)
