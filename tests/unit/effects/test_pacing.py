"""Lines against a plain model: one start an interval, in order, nothing lost, and no other line kept waiting."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from tocsin.streams.effects.pacing import Lines, Pace, pace

PACES = [Pace("w", "slack:default", 1_000), Pace("w", "slack:search", 250), Pace("other", "slack:default", 1_000)]


class Model:
    """One line: who waits, in order of time and number; who was let go; when the next may go."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.waiting: list[tuple[int, int, str]] = []
        self.starting = ""
        self.free_at = 0
        self.dials: list[int] = []


class LinesAgainstModel(RuleBasedStateMachine):
    items = Bundle("items")

    @initialize()
    def begin(self) -> None:
        self.lines, self.now, self.numbers = Lines(), 0, 0
        self.models = {pace: Model(pace) for pace in PACES}

    @rule(target=items, pace=st.sampled_from(PACES), not_before=st.integers(0, 3))
    def join(self, pace: Pace, not_before: int) -> tuple[Pace, str]:
        self.numbers += 1
        item = str(self.numbers)
        self.models[pace].waiting.append((not_before, self.numbers, item))
        self.lines.join(pace, item, not_before)
        return pace, item

    @rule(item=consumes(items))
    def leave(self, item: tuple[Pace, str]) -> None:
        model = self.models[item[0]]
        model.waiting = [entry for entry in model.waiting if entry[2] != item[1]]
        model.starting = "" if model.starting == item[1] else model.starting
        self.lines.leave(item[1])

    @rule(pace=st.sampled_from(PACES))
    def dial(self, pace: Pace) -> None:
        model = self.models[pace]
        if model.starting:
            self.lines.dialled(model.starting, self.now)
            model.starting, model.free_at = "", max(model.free_at, self.now + pace.interval_ms)
            model.dials.append(self.now)

    @rule(pace=st.sampled_from(PACES), milliseconds=st.integers(0, 5_000))
    def hold(self, pace: Pace, milliseconds: int) -> None:
        model = self.models[pace]
        model.free_at = max(model.free_at, self.now + milliseconds)
        self.lines.hold(pace, self.now + milliseconds)

    @rule(milliseconds=st.integers(0, 1_500))
    def move(self, milliseconds: int) -> None:
        self.now += milliseconds

    @invariant()
    def whoever_may_go_goes(self) -> None:
        expected = set()
        for model in self.models.values():
            if model.waiting and not model.starting and model.free_at <= self.now:
                first = min(model.waiting)
                model.waiting.remove(first)
                model.starting = first[2]
                expected.add(first[2])
        assert set(self.lines.ready(self.now)) == expected
        assert self.lines.ready(self.now) == []
        assert len(self.lines) == sum(len(one.waiting) + bool(one.starting) for one in self.models.values())
        held_back = [one.free_at for one in self.models.values() if one.waiting and not one.starting]
        if held_back:  # the alarm is never later than the first of them
            wakes_at = self.lines.wakes_at()
            assert wakes_at is not None
            assert wakes_at <= min(held_back)

    def teardown(self) -> None:
        for model in self.models.values():
            apart = [later - earlier for earlier, later in zip(model.dials, model.dials[1:], strict=False)]
            assert min(apart, default=model.pace.interval_ms) >= model.pace.interval_ms


LinesAgainstModel.TestCase.settings = settings(stateful_step_count=60)
test_S4_starts_of_a_line_are_an_interval_apart_in_order_and_none_is_lost = LinesAgainstModel.TestCase


@pytest.mark.parametrize(
    ("key", "per_second", "interval_ms"),
    [("k", 1.0, 1_000), ("k", 3.0, 334), ("k", 0.5, 2_000), ("k", 5_000.0, 1), ("k", 0, None), ("", 1.0, None)],
)
def test_S4_a_rate_is_an_interval_never_faster(key: str, per_second: float, interval_ms: int | None) -> None:
    found = pace("w", key, per_second)
    assert (found.interval_ms if found else None) == interval_ms


def test_S4_lines_nobody_waits_in_are_forgotten() -> None:
    lines = Lines()
    for number in range(100):
        line = Pace("w", f"channel {number}", 1_000)
        lines.join(line, str(number), 0)
        assert lines.ready(0) == [str(number)]
        lines.dialled(str(number), 0)
    assert lines.ready(1_000) == []
    assert (lines._lines, lines.wakes_at(), len(lines)) == ({}, None, 0)


def test_S4_a_hold_counts_also_for_the_one_that_is_about_to_dial() -> None:
    lines = Lines()
    lines.join(PACES[0], "a", 0)
    lines.join(PACES[0], "b", 0)
    assert lines.ready(0) == ["a"]
    lines.hold(PACES[0], 5_000)
    lines.dialled("a", 0)
    assert (lines.ready(4_999), lines.ready(5_000)) == ([], ["b"])


def test_S4_whoever_left_and_joins_again_has_a_new_place() -> None:
    lines = Lines()
    for item in ("first", "a", "b"):
        lines.join(PACES[0], item, 0)
    assert lines.ready(0) == ["first"]
    lines.leave("a")
    lines.join(PACES[0], "a", 0)
    lines.leave("first")
    assert lines.ready(0) == ["b"]
    lines.leave("b")
    assert lines.ready(0) == ["a"]
    lines.dialled("a", 0)
    assert (lines.ready(1_000), len(lines)) == ([], 0)
