"""docs/cost.md says what tools/cost.py computes, and that behaves as costs do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools import cost

ROOT = Path(__file__).parents[2]
REMEDY = "prices or assumptions changed: run 'python tools/cost.py' and read docs/cost.md again"


def test_T8_the_tables_are_those_of_the_script() -> None:
    text = cost.DOCUMENT.read_text()
    assert cost.rendered(text) == text, REMEDY
    assert all(f"<!-- cost: {name} -->" in text for name in cost.BLOCKS)


def test_T8_the_plot_is_that_of_the_script(tmp_path: Path) -> None:
    cost.plot(tmp_path / "cost.svg")
    assert (tmp_path / "cost.svg").read_bytes() == cost.PLOT.read_bytes(), REMEDY


def test_the_prices_in_the_document_are_those_of_the_script() -> None:
    text = cost.DOCUMENT.read_text()
    prices = cost.PRICES
    for value in (
        f"{prices.transition * 1e6:.2f} per million",
        f"{prices.lambda_request * 1e6:.2f} per million",
        f"{prices.lambda_gb_second * 1e6:.4f} per million",
        f"{prices.dynamodb_write * 1e6:.3f} per million",
        f"{prices.dynamodb_read * 1e6:.3f} per million",
        f"{prices.schedule * 1e6:.2f} per million",
    ):
        assert value in text
    assert (
        f"{cost.ASSUMED.poller_writes_a_job} write units a job and {cost.ASSUMED.poller_writes_a_poll} a poll" in text
    )


@pytest.mark.parametrize(("polls", "loop", "share"), [(10, 2, 20 / 23), (7, 3, 21 / 24), (20, 1, 20 / 23)])
def test_T8_where_the_87_percent_come_from(polls: int, loop: int, share: float) -> None:
    assert cost.transitions_saved(polls, loop) == pytest.approx(share)
    assert f"{cost.transitions_saved(polls, loop):.0%}" in ("87%", "88%")


@given(st.integers(1, 100_000), st.integers(1, 10_000))
def test_saving_grows_with_the_polls_and_with_the_company(polls: int, waiting: int) -> None:
    one, more = cost.Assumptions(waiting_at_once=waiting), cost.Assumptions(waiting_at_once=waiting + 1)
    assert cost.saving(cost.by_poller, polls, one) < cost.saving(cost.by_poller, polls + 1, one) < 1
    assert cost.saving(cost.by_poller, polls, one) < cost.saving(cost.by_poller, polls, more)
    assert cost.saving(cost.by_poller, polls, one) < cost.saving(cost.by_tocsin, polls, one) < 1
