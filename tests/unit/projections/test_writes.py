"""Rows travel as array literals or as lines of COPY: whatever the values are, PostgreSQL reads the same ones back."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tocsin.projections.writes import Append, Write

TEXTS = st.just("NULL") | st.text(alphabet='aé"\\,{} \0', max_size=6)
COPIED_TEXTS = st.sampled_from(["NULL", "\\N", "\\."]) | st.text(alphabet="aNtnré\\\t\n\r\0 ", max_size=6)


class Connection:
    """Keeps what it was to execute."""

    def __init__(self) -> None:
        self.arguments: tuple[str, ...] = ()

    async def execute(self, _sql: str, *arguments: str) -> None:
        self.arguments = arguments

    async def copy_to_table(self, table: str, *, source: memoryview, columns: list[str], format: str) -> None:
        assert (table, columns, format) == ("test", ["one", "other"], "text")
        self.arguments = (source.tobytes().decode(),)


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


# --- COPY -----------------------------------------------------------------------------------------------------------


def copied(kind: str, values: list[Any]) -> list[str | None]:
    """What PostgreSQL reads of these values, in the first of two columns."""
    connection = Connection()
    append = Append("test", "test", {"one": kind, "other": "TEXT"})
    asyncio.run(append.run(connection, [(value, "\tsecond\n") for value in values]))
    lines = connection.arguments[0].removesuffix("\n").split("\n")
    fields = [line.split("\t") for line in lines]
    assert [other for _, other in fields] == ["\\tsecond\\n"] * len(values)
    return [copied_field(one) for one, _ in fields]


def copied_field(text: str) -> str | None:
    """A field of COPY as PostgreSQL reads it (manual, COPY, "Text Format")."""
    if text == "\\N":
        return None
    value, characters = "", iter(text)
    for one in characters:
        value += {"t": "\t", "n": "\n", "r": "\r"}.get(after := next(characters), after) if one == "\\" else one
    return value


@given(st.lists(st.none() | COPIED_TEXTS, min_size=1, max_size=6))
def test_copied_texts_are_read_back_as_they_are(values: list[str | None]) -> None:
    assert copied("TEXT", values) == values


@given(st.lists(COPIED_TEXTS, min_size=1, max_size=6))
def test_copied_texts_without_a_null_are_read_back_as_they_are(values: list[str]) -> None:
    assert copied("TEXT", values) == values


@given(st.lists(st.none() | st.integers(), min_size=1, max_size=6))
def test_copied_numbers_are_read_back_as_they_are(values: list[int | None]) -> None:
    assert copied("BIGINT", values) == [None if value is None else str(value) for value in values]


@given(st.lists(st.none() | st.just("2025-10-09T08:53:20.000Z"), min_size=1, max_size=6))
def test_copied_instants_are_read_back_as_they_are(values: list[str | None]) -> None:
    assert copied("TIMESTAMP WITH TIME ZONE", values) == values
