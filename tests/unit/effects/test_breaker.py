"""Breakers by their clock."""

from __future__ import annotations

from tocsin.streams.effects.breaker import LEAST_ATTEMPTS, OPEN_MS, PROBE_LOOK_MS, WINDOW_MS, Breakers
from tocsin.streams.effects.fair_queue import Place

HERE, THERE = Place("w", "https://here:443"), Place("w", "https://there:443")
NOW = 1_000_000


def after(*outcomes: bool, every_ms: int = 100) -> tuple[Breakers, int]:
    """Breakers of ``HERE`` after these attempts (True: it failed), and the time by then."""
    breakers, now = Breakers(), NOW
    for failed in outcomes:
        assert breakers.admit(HERE, now) is None
        breakers.record(HERE, now, failed=failed)
        now += every_ms
    return breakers, now


def opened() -> tuple[Breakers, int]:
    """Open, and when it may be probed."""
    breakers, now = after(*[True] * LEAST_ATTEMPTS)
    until = breakers.admit(HERE, now)
    assert until == now - 100 + OPEN_MS
    return breakers, until


def test_half_of_ten_failures_open_it_for_half_a_minute() -> None:
    breakers, now = after(*[True, False] * 5)
    assert breakers.admit(HERE, now) == now - 100 + OPEN_MS
    assert breakers.is_open(HERE)
    assert not breakers.is_open(THERE)
    assert breakers.admit(THERE, now) is None


def test_fewer_than_ten_never_do_and_less_than_half_do_not() -> None:
    assert after(*[True] * (LEAST_ATTEMPTS - 1))[0].is_open(HERE) is False
    assert after(*[True] * 4, *[False] * 6)[0].is_open(HERE) is False


def test_only_the_last_minute_counts() -> None:
    assert after(*[True] * 20, every_ms=WINDOW_MS // 9 + 1)[0].is_open(HERE) is False


def test_one_probe_at_a_time_decides() -> None:
    breakers, until = opened()
    assert breakers.admit(HERE, until) is None
    assert breakers.admit(HERE, until) == until + PROBE_LOOK_MS
    breakers.record(HERE, until + 5, failed=False)
    assert [breakers.admit(HERE, until + 6) for _ in range(3)] == [None, None, None]
    assert not breakers.is_open(HERE)


def test_a_failed_probe_opens_it_again() -> None:
    breakers, until = opened()
    assert breakers.admit(HERE, until) is None
    breakers.record(HERE, until + 5, failed=True)
    assert breakers.admit(HERE, until + 6) == until + 5 + OPEN_MS


def test_a_probe_that_was_cut_leaves_its_turn_to_another() -> None:
    breakers, until = opened()
    assert breakers.admit(HERE, until) is None
    breakers.abandon(HERE)
    assert breakers.admit(HERE, until) is None


def test_endpoints_nobody_asks_for_are_forgotten() -> None:
    breakers = Breakers()
    for number in range(3000):
        breakers.record(Place("w", str(number)), NOW + number * 100, failed=False)
    assert len(breakers._breakers) < 2500
