"""Hostile answers, cut anywhere: what is kept stays bounded and is text PostgreSQL accepts."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.egress.refusal import Refused
from tocsin.streams.effects.answer import MOST_HEADERS, kept_headers, retry_after
from tocsin.streams.effects.capture import LIMIT, RAW_LIMIT, Capture
from tocsin.streams.effects.headers import Attempt, complete
from tocsin.streams.effects.names import LookupFailed, SystemNames, system_lookup

CODINGS = {"": lambda data: data, "gzip": gzip.compress, "deflate": zlib.compress}


def captured(data: bytes, coding: str, size: int, charset: str = "") -> Capture:
    capture = Capture(coding, charset)
    for start in range(0, len(data), size):
        if not capture.add(data[start : start + size]):
            break
    return capture


@given(
    st.text(max_size=300).map(lambda text: text.replace("\0", "")),
    st.sampled_from(sorted(CODINGS)),
    st.integers(1, 400),
)
def test_J9_text_comes_back_whatever_the_coding_and_the_chunks(text: str, coding: str, size: int) -> None:
    capture = captured(CODINGS[coding](text.encode()), coding, size)
    assert (capture.text(), capture.cut) == (text, False)


@given(
    st.binary(max_size=400), st.sampled_from(["", "gzip", "deflate", "br", "gzip, gzip"]), st.integers(1, 50), st.text()
)
def test_J9_any_answer_gives_bounded_text(data: bytes, coding: str, size: int, charset: str) -> None:
    text = captured(data * 300, coding, size * 100, charset).text()
    assert len(text.encode()) <= LIMIT
    assert "\0" not in text


@pytest.mark.parametrize("size", [2, 7, 10**9])
def test_J9_deflate_without_its_wrapper_is_read_too(size: int) -> None:
    data = zlib.compress(b"hello" * 100, wbits=-15)
    assert captured(data, "deflate", size).text() == "hello" * 100


def test_J9_an_endless_stream_that_decodes_to_nothing_ends() -> None:
    capture = Capture("gzip")
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
    assert capture.add(head)
    empty_block = b"\x00\x00\x00\xff\xff"
    taken = 0
    while capture.add(empty_block * 100):
        taken += 500
    assert taken <= RAW_LIMIT
    assert capture.cut


def test_J9_a_bomb_costs_no_memory() -> None:
    capture = Capture("gzip")
    assert not capture.add(gzip.compress(b"x" * (50 << 20)))
    assert len(capture._data) == LIMIT + 1
    assert capture.text() == "x" * LIMIT


@given(st.lists(st.tuples(st.binary(max_size=200), st.binary(max_size=700)), max_size=50))
def test_J9_any_headers_are_kept_bounded(raw: list[tuple[bytes, bytes]]) -> None:
    found = kept_headers(raw)
    assert len(found) <= MOST_HEADERS
    assert not any("\0" in name + value or "\n" in name + value for name, value in found)


@given(st.text(), st.integers(0, 2**41))
def test_J10_any_retry_after_is_a_number_of_seconds_or_none(value: str, now: int) -> None:
    found = retry_after(value, now)
    assert found is None or found >= 0


def test_J9_a_users_header_that_was_once_accepted_is_judged_again() -> None:
    attempt = Attempt("f", 1, 0, 0)
    with pytest.raises(Refused):
        complete({"Host": "x"}, attempt, b"")
    found = complete({"accept": "text/x", "User-Agent": "me"}, attempt, b"")
    assert {name.lower() for name in found} == {
        *("accept", "user-agent", "content-type", "accept-encoding"),
        *("webhook-id", "webhook-timestamp", "x-attempt", "x-scheduled-for"),
    }


# --- names ------------------------------------------------------------------------------------------------------------


async def test_J9_lookups_of_a_name_at_the_same_time_are_one_and_none_is_remembered() -> None:
    asked: list[str] = []

    def lookup(host: str) -> Sequence[str]:
        asked.append(host)
        time.sleep(0.02)
        return ["1.1.1.1"]

    names = SystemNames(lookup)
    assert await asyncio.gather(*(names.addresses("a", "w") for _ in range(5))) == [["1.1.1.1"]] * 5
    assert asked == ["a"]
    await names.addresses("a", "w")
    assert asked == ["a", "a"]


async def test_J9_one_workspaces_dead_name_servers_delay_nobody_else() -> None:
    release = threading.Event()
    hanging: list[str] = []

    def lookup(host: str) -> Sequence[str]:
        if host.startswith("dead"):
            hanging.append(host)
            release.wait(5)
        return ["1.1.1.1"]

    names = SystemNames(lookup, most=10, per_workspace=3)
    dead = [asyncio.create_task(names.addresses(f"dead{number}", "hostile")) for number in range(30)]
    async with asyncio.timeout(5):
        while len(hanging) < 3:  # noqa: ASYNC110 - other threads
            await asyncio.sleep(0.001)
    assert await asyncio.wait_for(names.addresses("good", "other"), 1) == ["1.1.1.1"]
    for task in dead:
        task.cancel()
    await asyncio.sleep(0)
    # those whose caller gave up still count until they end
    assert len(hanging) == 3
    assert await asyncio.wait_for(names.addresses("good", "other"), 1) == ["1.1.1.1"]
    await names.close()
    release.set()


async def test_J9_a_lookup_that_breaks_is_a_failure() -> None:
    def lookup(host: str) -> Sequence[str]:
        raise {"known": LookupFailed("no such name"), "odd": KeyError("x")}[host]

    names = SystemNames(lookup)
    for host, reason in (("known", "no such name"), ("odd", "cannot be looked up")):
        with pytest.raises(LookupFailed, match=reason):
            await names.addresses(host, "w")


def test_J9_the_system_knows_localhost_and_not_an_invalid_name() -> None:
    assert "127.0.0.1" in system_lookup("localhost")
    with pytest.raises(LookupFailed):
        system_lookup("nothing.invalid")
