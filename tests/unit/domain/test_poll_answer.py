"""What an answer about an outside job says, and the paths by which it is read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events import json_path
from tocsin.events.deliveries import PollReading
from tocsin.streams.domain.poll_answer import read

READING = PollReading(
    status_path="$.job.state",
    result_path="$.job.out",
    completed_values=("DONE", "true", "200"),
    failed_values=("ERROR", "0"),
)


def answer(state: Any, **more: Any) -> str:
    return json.dumps({"job": {"state": state, **more}})


@pytest.mark.parametrize(
    ("text", "state", "word"),
    [
        (answer("DONE"), "completed", "DONE"),
        (answer(" done "), "completed", " done "),
        (answer(True), "completed", "true"),
        (answer(200), "completed", "200"),
        (answer("Error"), "failed", "Error"),
        (answer(0), "failed", "0"),
        (answer("WORKING"), "running", "WORKING"),
        (answer(1.5), "running", "1.5"),
        (answer(None), "unreadable", ""),
        (answer({}), "unreadable", ""),
        ("{}", "unreadable", ""),
        ("[1]", "unreadable", ""),
        ("no json", "unreadable", ""),
        ("", "unreadable", ""),
        ("[" * 5000, "unreadable", ""),
    ],
)
def test_T2_what_a_status_means(text: str, state: str, word: str) -> None:
    found, body = read(READING, text)
    assert (found.state, found.external_status, body) == (state, word, b"")
    assert bool(found.detail) == (state in ("unreadable", "failed"))


def test_T2_the_result_is_what_is_at_its_path_and_null_where_nothing_is() -> None:
    assert bytes(read(READING, answer("DONE", out={"rows": [1, 2]}))[0].result) == b'{"rows":[1,2]}'
    assert bytes(read(READING, answer("DONE"))[0].result) == b"null"


def test_T2_a_large_result_is_named_by_its_digest_and_one_too_large_is_said_to_be() -> None:
    found, body = read(READING, answer("DONE", out="x" * 5000))
    assert (bytes(found.result), found.result_digest) == (b"", hashlib.sha256(body).hexdigest())
    assert json.loads(body) == "x" * 5000
    at_most, _ = read(READING, answer("DONE", out="x" * (262_144 - 2)))
    assert at_most.state == "completed"
    found, body = read(READING, answer("DONE", out="x" * (262_144 - 1)))
    assert (found.state, body) == ("oversize", b"")
    assert "262145" in found.detail


def test_T2_bytes_are_counted_not_characters() -> None:
    assert read(READING, answer("DONE", out="ä" * 131_072))[0].state == "oversize"


def test_T2_an_answer_that_was_cut_is_not_read() -> None:
    assert read(READING, answer("DONE"), cut=True)[0].state == "unreadable"


# --- paths ------------------------------------------------------------------------------------------------------------

DOCUMENT = {"a": {"b c": [1, {"d": None}], "": 5, "x'y": 6}, "0": 7}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.a['b c'][0]", 1),
        ('a["b c"][-1].d', None),
        ("['a']['']", 5),
        (r"$.a['x\'y']", 6),
        ("$.0", 7),
        ("$.a.missing", json_path.MISSING),
        ("$.a['b c'][2]", json_path.MISSING),
        ("$.a['b c'][-3]", json_path.MISSING),
        ("$.a[0]", json_path.MISSING),
        ("$.a.b c", ValueError),
        ("$..a", ValueError),
        ("$.a[*]", ValueError),
        ("$.a[0", ValueError),
        ("$a", ValueError),
        ("", ValueError),
        ("a" * 201, ValueError),
        (".a" * 21, ValueError),
    ],
)
def test_T2_paths_find_one_value_or_none(path: str, value: Any) -> None:
    if value is ValueError:
        with pytest.raises(ValueError, match="path"):
            json_path.parse(path)
    else:
        assert json_path.find(DOCUMENT, path) == value


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_refused(path: str) -> None:
    try:
        json_path.parse(path)
    except ValueError:
        return
    assert json_path.find({}, path) in ({}, json_path.MISSING)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_any_json_is_read(document: Any) -> None:
    found, body = read(PollReading(), json.dumps(document))
    assert found.state in ("running", "unreadable", "completed", "failed")
    assert body == b"" or msgspec.json.decode(body) == document
