"""Rows travel as array literals: whatever the values are, PostgreSQL reads the same ones back."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.projections.writes import Write

TEXTS = st.just("NULL") | st.text(alphabet='aé"\\,{} \0', max_size=6)


class Connection:
    """Keeps what it was to execute."""

    def __init__(self) -> None:
        self.arguments: tuple[str, ...] = ()

    async def execute(self, _sql: str, *arguments: str) -> None:
        self.arguments = arguments


def written(kind: str, values: list[Any]) -> str:
    connection = Connection()
    write = Write("test", {"only": kind}, "SELECT * FROM {changed}")
    asyncio.run(write.run(connection, [(value,) for value in values]))
    return connection.arguments[0]


def read(literal: str) -> list[str | None]:
    """An array literal as PostgreSQL reads it (manual, 8.15.6): in quotes, a backslash stands before what is itself."""
    assert literal[0] + literal[-1] == "{}"
    found: list[str | None] = []
    text, at = literal[1:-1], 0
    while at < len(text):
        if text[at] != '"':
            word, _, _ = text[at:].partition(",")
            found.append(None if word == "NULL" else word)
            at += len(word) + 1
            continue
        value, at = "", at + 1
        while text[at] != '"':
            at += text[at] == "\\"
            value, at = value + text[at], at + 1
        found.append(value)
        at += 2
    return found


@given(st.lists(st.none() | TEXTS, min_size=1, max_size=6))
def test_texts_are_read_back_as_they_are(values: list[str | None]) -> None:
    assert read(written("TEXT", values)) == values


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_texts_without_a_null_are_read_back_as_they_are(values: list[str]) -> None:
    assert read(written("TEXT", values)) == values


@given(st.lists(st.none() | st.integers(), min_size=1, max_size=6))
def test_numbers_are_read_back_as_they_are(values: list[int | None]) -> None:
    assert read(written("BIGINT", values)) == [None if value is None else str(value) for value in values]


@given(st.lists(st.none() | st.just("2025-10-09T08:53:20.000Z"), min_size=1, max_size=6))
def test_instants_are_read_back_as_they_are(values: list[str | None]) -> None:
    assert read(written("TIMESTAMP WITH TIME ZONE", values)) == values


@given(st.lists(st.none() | st.binary(max_size=4), min_size=1, max_size=6))
def test_bytes_are_read_back_as_they_are(values: list[bytes | None]) -> None:
    assert read(written("BYTEA", values)) == [None if value is None else f"\\x{value.hex()}" for value in values]
