"""Cursors, choices of types and origins: what is understood, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from tocsin.api.live import entrance
from tocsin.api.live.cursor import Cursor, last_position_of, position_of
from tocsin.api.live.cursor import parse as parse_cursor
from tocsin.api.live.types import EVERY, Types, UnknownType
from tocsin.api.live.types import parse as parse_types
from tocsin.events.live import TYPES
from tocsin.problems import Problem


def connection(query: str = "", **headers: str) -> HTTPConnection:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "path": "/events", "query_string": query.encode(), "headers": pairs})


def whole(partition: int, offset: int) -> Cursor:
    return Cursor(partition, last_position_of(offset))


@pytest.mark.parametrize(
    "cursor",
    [whole(0, 0), whole(3, 123_456_789), whole(47, -1), Cursor(2, position_of(17, 3)), Cursor(0, position_of(0))],
)
def test_a_cursor_is_read_as_it_is_written(cursor: Cursor) -> None:
    assert parse_cursor(str(cursor)) == cursor
    assert cursor.next == cursor.position + 1


def test_the_record_that_was_passed_is_followed_by_the_next() -> None:
    assert [str(one) for one in (whole(1, 7), Cursor(1, position_of(7, 2)))] == ["1-7", "1-7.2"]
    assert whole(1, 7).next == position_of(8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "a-1",
        "1-",
        "-1",
        "1--2",
        "1-2-3",
        "1-99999999999999999999",
        " 1-2",
        "١-٢",
        "1-2.",
        "1-2.4095",
        "1--1.0",
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="partition"):
        parse_cursor(text)


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        ([], set(TYPES)),
        (["*"], set(TYPES)),
        (["sla.*"], {name for name in TYPES if name.startswith("sla.")}),
        (["ticket.opened"], {"ticket.opened"}),
        (["ticket.opened", "ticket.*"], {name for name in TYPES if name.startswith("ticket.")}),
        (["sla.b*", "job.disabled"], {"sla.breached", "job.disabled"}),
    ],
)
def test_types_are_chosen_by_name_and_by_prefix(patterns: list[str], wanted: set[str]) -> None:
    assert {name for name in TYPES if parse_types(patterns).match(name)} == wanted


def test_the_same_wish_is_the_same_choice() -> None:
    assert parse_types(["ticket.opened", "sla.*", "sla.breached"]) == parse_types(["sla.*", "ticket.opened"])
    assert parse_types([]) == EVERY == Types((), ("",))


@pytest.mark.parametrize("pattern", ["sla", "sla.brecahed", "tickets.*", "*.opened", "sla.*.*", "SLA.*"])
def test_a_pattern_that_no_type_matches_is_refused(pattern: str) -> None:
    with pytest.raises(UnknownType) as refused:
        parse_types(["ticket.opened", pattern])
    assert refused.value.pattern == pattern


@pytest.mark.parametrize(
    ("query", "headers", "cursor", "positions"),
    [
        ("", {}, None, False),
        ("last_event_id=", {}, None, True),
        ("last_event_id=1-5", {}, whole(1, 5), True),
        ("last_event_id=1-5", {"last_event_id": "1-9"}, whole(1, 9), True),
    ],
)
def test_the_header_is_newer_than_the_url(
    query: str, headers: dict[str, str], cursor: Cursor | None, positions: bool
) -> None:
    wish = entrance.wish_of(connection(query, **headers))
    assert (wish.types, wish.cursor, wish.positions) == (EVERY, cursor, positions)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("typ=sla.*", "typ"),
        ("types=nothing", "types"),
        ("types=" + ",".join(["sla.*"] * 33), "types"),
        ("last_event_id=x", "last_event_id"),
    ],
)
def test_a_wish_that_makes_no_sense_names_the_field(query: str, field: str) -> None:
    with pytest.raises(Problem) as refused:
        entrance.wish_of(connection(query))
    assert (refused.value.status, refused.value.errors[0].field) == (422, field)


def test_a_default_choice_is_replaced_by_the_given_one() -> None:
    assert entrance.wish_of(connection(), "sla.*").types == Types((), ("sla.",))
    assert entrance.wish_of(connection("types=job.*"), "sla.*").types == Types((), ("job.",))


HOST = {"host": "tocsin.example:8000"}


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({**HOST}, True),
        ({**HOST, "origin": "http://tocsin.example:8000"}, True),
        ({**HOST, "origin": "https://TOCSIN.example:8000"}, True),
        ({**HOST, "origin": "https://console.example"}, True),
        ({**HOST, "origin": "http://tocsin.example"}, False),
        ({**HOST, "origin": "http://console.example"}, False),
        ({**HOST, "origin": "https://console.example.evil.example"}, False),
        ({**HOST, "origin": "null"}, False),
        ({**HOST, "origin": ""}, False),
        ({"origin": "http://"}, False),
    ],
)
def test_S5_only_pages_of_known_hosts_may_listen(headers: dict[str, str], admitted: bool) -> None:
    def check() -> int:
        try:
            entrance.check_origin(connection(**headers), {"https://console.example"})
        except Problem as problem:
            return problem.status
        return 200

    assert check() == (200 if admitted else 403)


def test_S5_two_origins_are_none_that_is_known() -> None:
    scope: dict[str, Any] = connection(host="a.example", origin="http://a.example").scope  # type: ignore[assignment]
    scope["headers"].append((b"origin", b"http://b.example"))
    with pytest.raises(Problem):
        entrance.check_origin(HTTPConnection(scope), ())
