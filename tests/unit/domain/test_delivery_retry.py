"""What an answer means, and when the next attempt is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.domain.delivery_outcome import ERRORS, ErrorClass, outcome
from tocsin.streams.domain.delivery_retry import DEFAULT_DELAYS_MS, LONGEST_MS, RetryPolicy, retry_in_ms, spread

MINUTE = 60_000


@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        *((status, "succeeded", "success") for status in (200, 201, 202, 204, 299)),
        *((status, "retry", "retried_status") for status in (408, 425, 429, 500, 501, 502, 503, 504, 599)),
        *((status, "failed", "final_status") for status in (101, 400, 401, 403, 404, 409, 422, 451, 600, 999)),
        (410, "gone", "gone"),
    ],
)
def test_J10_what_a_status_means(status: int, verdict: str, reason: str) -> None:
    assert outcome(status, None) == (verdict, reason)


@pytest.mark.parametrize("error", ERRORS)
def test_J10_what_an_error_means_whatever_the_status(error: ErrorClass) -> None:
    final = {"refused_by_egress_policy", "request", "redirect", "aws_refused"}
    for status in (None, 200, 302, 500):
        assert outcome(status, error) == ("failed" if error in final else "retry", error)


@pytest.mark.parametrize(
    ("status", "error", "found"),
    [
        (202, None, ("succeeded", "expected_status")),
        (302, "redirect", ("succeeded", "expected_status")),
        (410, None, ("succeeded", "expected_status")),
        (202, "timeout", ("retry", "timeout")),
        (200, None, ("failed", "unexpected_status")),
        (500, None, ("retry", "retried_status")),
        (404, None, ("failed", "final_status")),
    ],
)
def test_J10_an_expected_status_replaces_2xx(status: int, error: ErrorClass | None, found: tuple[str, str]) -> None:
    assert outcome(status, error, expected={202, 302, 410}) == found


def test_J10_which_4xx_are_tried_again_can_be_said() -> None:
    assert outcome(404, None, retried={404}).verdict == "retry"
    assert outcome(429, None, retried={404}).verdict == "failed"


def test_J10_an_attempt_has_a_status_or_an_error() -> None:
    with pytest.raises(ValueError, match="status or an error"):
        outcome(None, None)


def test_J10_one_try_and_three_retries_after_30_s_2_min_and_10_min() -> None:
    for attempt, delay in enumerate(DEFAULT_DELAYS_MS, start=1):
        found = retry_in_ms(attempt, "a")
        assert found is not None
        assert 0.8 * delay <= found <= 1.2 * delay
    assert retry_in_ms(4, "a") is None
    assert retry_in_ms(5, "a") is None


def test_J10_retry_after_counts_between_the_delay_and_its_double() -> None:
    delay = spread(30_000, "a")
    assert [retry_in_ms(1, "a", given) for given in (None, 0, 10)] == [delay] * 3
    assert retry_in_ms(1, "a", 45) == 45_000
    assert [retry_in_ms(1, "a", given) for given in (75, 10**9)] == [2 * delay] * 2


def test_J10_nothing_is_later_than_an_hour() -> None:
    policy = RetryPolicy(10, (50 * MINUTE,))
    assert retry_in_ms(9, "a", 10**9, policy) == LONGEST_MS
    assert retry_in_ms(10, "a", None, policy) is None


@pytest.mark.parametrize(("attempts", "delays"), [(0, (1,)), (1, ()), (2, (-1,))])
def test_J10_a_policy_that_is_none_is_refused(attempts: int, delays: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one attempt"):
        RetryPolicy(attempts, delays)


def test_J10_attempts_are_spread_evenly_over_a_fifth_either_way() -> None:
    found = sorted(spread(100_000, f"attempt-{number}") for number in range(2_000))
    assert 80_000 <= found[0] < 81_000
    assert 119_000 < found[-1] <= 120_000
    assert abs(found[1_000] - 100_000) < 2_000


@given(st.integers(1, 20), st.text(), st.none() | st.integers(0, 10**6), st.integers(1, 20))
def test_J10_the_delay_depends_on_its_arguments_alone_and_is_bounded(
    attempt: int, attempt_id: str, retry_after: int | None, most: int
) -> None:
    policy = RetryPolicy(most)
    found = retry_in_ms(attempt, attempt_id, retry_after, policy)
    assert found == retry_in_ms(attempt, attempt_id, retry_after, policy)
    if attempt >= most:
        assert found is None
    else:
        base = DEFAULT_DELAYS_MS[min(attempt, 3) - 1]
        assert found is not None
        assert 0.8 * base <= found <= min(2.4 * base, LONGEST_MS)
