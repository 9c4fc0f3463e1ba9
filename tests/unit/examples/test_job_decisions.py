"""What an answer about an outside job means, as ``poc-poller`` decides it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lambdas.decisions import (
    MAX_CAUSE_BYTES,
    MAX_ERROR_BYTES,
    MAX_OUTPUT_BYTES,
    Answer,
    Waiting,
    cut,
    decide,
    failure,
)

ROW = Waiting(
    token_id="a" * 32,
    task_token="secret",
    status="POLLING",
    attempts=2,
    max_attempts=3,
    interval_ms=1_000,
    deadline=10_000,
    next_poll=3_000,
    job_id="job-1",
)
RUNNING = Answer("RUNNING")


@pytest.mark.parametrize(
    ("row", "answer", "now", "status", "error", "words"),
    [
        (ROW, RUNNING, 9_999, None, "", ""),
        (ROW, Answer(""), 9_999, None, "", ""),
        (ROW, Answer("COMPLETED", {"rows": 1}), 9_999, "COMPLETED", "", ""),
        (ROW, Answer("FAILED", reason="disk full"), 9_999, "FAILED", "FAILED", "disk full"),
        (ROW, Answer("FAILED"), 9_999, "FAILED", "FAILED", "job job-1 failed"),
        (ROW, RUNNING, 10_000, "TIMEOUT", "TIMEOUT", "by its deadline, after 2 polls"),
        (replace(ROW, attempts=3), RUNNING, 9_999, "MAX_ATTEMPTS", "MAX_ATTEMPTS", "after 3 polls"),
        (replace(ROW, attempts=3), RUNNING, 10_000, "TIMEOUT", "TIMEOUT", "by its deadline"),
        # what the job says goes before the clock and the count
        (replace(ROW, attempts=3), Answer("COMPLETED", 1), 99_999, "COMPLETED", "", ""),
        (replace(ROW, attempts=3), Answer("FAILED"), 99_999, "FAILED", "FAILED", "failed"),
        (ROW, Answer("COMPLETED", "x" * MAX_OUTPUT_BYTES), 1, "FAILED", "ResultTooLarge", "262146 bytes"),
    ],
)
def test_what_an_answer_means(
    row: Waiting, answer: Answer, now: int, status: str | None, error: str, words: str
) -> None:
    what = decide(row, answer, now)
    if status is None:
        assert what is None
        return
    assert what is not None
    assert (what.status, what.error) == (status, error)
    assert words in what.cause
    assert (what.output != "") == (status == "COMPLETED")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=4), max_leaves=8
    )
)
def test_the_result_travels_unchanged(result: Any) -> None:
    what = decide(ROW, Answer("COMPLETED", result), 0)
    assert what is not None
    assert json.loads(what.output) == result


@given(st.text(), st.text())
def test_a_failure_never_exceeds_what_the_api_takes(error: str, cause: str) -> None:
    what = failure("FAILED", cause * 5_000, error=error * 200)
    assert len(what.error.encode()) <= MAX_ERROR_BYTES
    assert len(what.cause.encode()) <= MAX_CAUSE_BYTES
    assert what.error


@given(st.text(alphabet=st.characters(codec="utf-8")), st.integers(0, 50))
def test_cutting_keeps_whole_characters(text: str, most: int) -> None:
    assert text.startswith(cut(text, most))
