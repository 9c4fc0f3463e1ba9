"""Cursors, search words and entity tags: pure text in, pure text out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.queries import cursor
from tocsin.api.routes.paging import matches
from tocsin.problems import Problem
from tocsin.projections.outcomes import notifications
from tocsin.projections.tables.ticket_search import search_query, words


@given(st.text(max_size=40), st.integers(-(2**40), 2**40))
def test_a_cursor_gives_back_its_values(text: str, number: int) -> None:
    made = cursor.encode("-severity", [number, text])
    assert cursor.decode(made, "-severity", [int, str]) == [number, text]


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Problem) as refused:
        cursor.decode(text, "created_at", [str, str])
    assert refused.value.status == 422


def test_a_cursor_of_another_sort_or_type_is_refused() -> None:
    made = cursor.encode("created_at", ["2026-01-01", "t_1"])
    for sort, types in (("-created_at", [str, str]), ("created_at", [int, str]), ("created_at", [str])):
        with pytest.raises(Problem):
            cursor.decode(made, sort, types)


def test_words_are_cut_alike_in_texts_and_queries() -> None:
    assert set(words("Deploy_EU-1: it's 42%", "ÄRGER").split()) == {"deploy", "eu", "1", "it", "s", "42", "ärger"}
    assert search_query("Deploy_EU fail* deploy") == "'deploy' & 'eu' & 'fail':*"
    assert search_query("--- '") == ""


@given(st.text())
def test_a_query_never_carries_its_own_operators(text: str) -> None:
    assert not set(search_query(text)) & set("|!<>()\\\x00")


@pytest.mark.parametrize(
    ("header", "same"), [('"7"', True), ('W/"7"', True), ('"6", "7"', True), ("*", True), ("7", False), ("", False)]
)
def test_entity_tags_compare_weakly(header: str, same: bool) -> None:
    assert matches(header, '"7"') is same


@given(st.lists(st.text(alphabet="abé/-0", min_size=1, max_size=120), max_size=400))
def test_notifications_carry_every_name_within_the_limit(announced: list[str]) -> None:
    chunks = list(notifications(announced))
    assert " ".join(chunks).split() == announced
    assert all(len(chunk.encode()) < 8000 for chunk in chunks)
