"""What Slack takes and what it refuses, in its own words."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.mock_slack.blocks import mistake
from tocsin.mock_slack.payloads import LONGEST_TEXT, Refused, read

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def plain(text: Any) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def section(text: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def image(**more: Any) -> dict[str, Any]:
    return {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a graph", **more}


def word(payload: Any) -> str:
    found = read(JSON, json.dumps(payload).encode())
    return f"{found.status} {found.word}" if isinstance(found, Refused) else "ok"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"text": "hello"}, "ok"),
        ({"text": "hello", "channel": "#ops", "username": "tocsin"}, "ok"),
        ({"blocks": [section()]}, "ok"),
        ({"attachments": [{"color": "#f00", "text": "x"}]}, "ok"),
        ({"attachments": [{}] * 101}, "400 too_many_attachments"),
        ({}, "400 no_text"),
        ({"text": " \n"}, "400 no_text"),
        ({"blocks": []}, "400 no_text"),
        ({"text": 1}, "400 invalid_payload"),
        ({"text": "x", "attachments": {}}, "400 invalid_payload"),
        (["text"], "400 invalid_payload"),
        ("text", "400 invalid_payload"),
        ({"text": "x", "blocks": [{"type": "nothing"}]}, "400 invalid_blocks"),
    ],
)
def test_S10_a_payload_is_answered_in_slacks_words(payload: Any, expected: str) -> None:
    assert word(payload) == expected


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (FORM, urlencode({"payload": '{"text": "a & b"}'}).encode(), {"text": "a & b"}),
        (f"{FORM}; charset=utf-8", urlencode({"payload": '{"text": "é"}'}).encode(), {"text": "é"}),
        ("", b'{"text": "curl without a type"}', {"text": "curl without a type"}),
        (FORM, b'{"text": "curl -d"}', None),
        (FORM, b"payload=%7B%7D&payload=%7B%7D", None),
        (JSON, b"", None),
        (JSON, b"{", None),
        (JSON, b"\xff\xfe", None),
        (JSON, b"[" * 200_000, None),
        (JSON, b'{"text": "\\ud800"}', None),  # half a character could not be shown
        (JSON, b'{"text": NaN}', None),
    ],
)
def test_S10_json_or_a_form_with_a_payload(content_type: str, body: bytes, expected: dict[str, str] | None) -> None:
    found = read(content_type, body)
    assert found == expected if expected else isinstance(found, Refused) and found.word == "invalid_payload"


def test_S10_a_text_that_is_too_long_is_cut() -> None:
    found = read(JSON, json.dumps({"text": "x" * (LONGEST_TEXT + 1)}).encode())
    assert not isinstance(found, Refused)
    assert found["text"] == "x" * LONGEST_TEXT


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        ([section()] * 50, [section()] * 51),
        ([section("x" * 3000)], [section("x" * 3001)]),
        ([{"type": "header", "text": plain("x" * 150)}], [{"type": "header", "text": plain("x" * 151)}]),
        ([{"type": "section", "fields": [plain("x" * 2000)] * 10}], [{"type": "section", "fields": [plain("x")] * 11}]),
        ([{"type": "section", "fields": [plain("x")]}], [{"type": "section", "fields": [plain("x" * 2001)]}]),
        ([{"type": "context", "elements": [image()] * 10}], [{"type": "context", "elements": [plain("x")] * 11}]),
        ([section(block_id="a"), section(block_id="b")], [section(block_id="a"), section(block_id="a")]),
        ([section(block_id="x" * 255)], [section(block_id="x" * 256)]),
        ([image(alt_text="x" * 2000)], [image(alt_text="x" * 2001)]),
        ([{"type": "markdown", "text": "x" * 6000}] * 2, [{"type": "markdown", "text": "x" * 6001}] * 2),
        (
            [{"type": "actions", "elements": [{"type": "button", "text": plain("x" * 75), "url": "https://a"}] * 25}],
            [{"type": "actions", "elements": [{"type": "button", "text": plain("x" * 76)}]}],
        ),
    ],
)
def test_S10_blocks_have_slacks_limits(fits: Any, too_much: Any) -> None:
    assert (mistake(fits), mistake(too_much) != "") == ("", True)


@pytest.mark.parametrize(
    "blocks",
    [
        {"type": "section"},
        ["section"],
        [{"text": plain("x")}],
        [{"type": ["section"]}],
        [{"type": "section"}],
        [{"type": "section", "text": "x"}],
        [{"type": "section", "text": {"type": "html", "text": "x"}}],
        [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
        [{"type": "header", "text": plain("")}],
        [{"type": "header", "text": plain(None)}],
        [{"type": "context", "elements": []}],
        [{"type": "actions", "elements": ["button"]}],
        [{"type": "image", "image_url": "https://example.com/a.png"}],
        [{"type": "image", "alt_text": "no picture"}],
        [{"type": "markdown"}],
        [{"type": "input", "label": plain("x")}],
    ],
)
def test_S10_blocks_slack_would_not_show_are_named(blocks: Any) -> None:
    assert mistake(blocks).startswith("blocks")


_NAMES = st.sampled_from(["type", "text", "blocks", "fields", "elements", "attachments", "block_id", "x"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_NAMES, _JSON))
def test_S10_nothing_a_sender_writes_is_a_server_error(payload: dict[str, Any]) -> None:
    assert word(payload).split()[0] in ("ok", "400")


@given(st.binary(), st.sampled_from([JSON, FORM, "", "text/plain; x"]))
def test_S10_nor_are_bytes(body: bytes, content_type: str) -> None:
    found = read(content_type, body)
    assert not isinstance(found, Refused) or found.status == 400
