"""Who is let in: every way to send a key, every opening without one, and what guessing costs."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.authentication import ANYBODY, Authenticator, MemoryKeys, Principal, presented_key, require
from tocsin.keys import ApiKey, Scope, digest_of, mint, prefix_of
from tocsin.problems import Problem, unavailable

PEPPER = "pepper"


def issue(*scopes: Scope, workspace: str = "acme", **fields: Any) -> tuple[ApiKey, str]:
    key = mint()
    prefix = prefix_of(key)
    assert prefix is not None
    return ApiKey(prefix, workspace, "ci", scopes, digest_of(key, PEPPER), datetime.now(UTC), **fields), key


def connection(path: str = "/v1/jobs", *, client: str = "203.0.113.7", **headers: str) -> dict[str, Any]:
    found = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "path": path, "headers": found, "client": (client, 1)}


def authenticator(*keys: ApiKey, unversioned_open: bool = False, loopback: bool = False) -> Authenticator:
    return Authenticator(MemoryKeys(keys), PEPPER, unversioned_open, loopback)


async def status_of(checked: Authenticator, request: dict[str, Any], scope: Scope = "read") -> int:
    try:
        await checked.admit(request, scope)
    except Problem as problem:
        return problem.status
    return 200


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_a_key_is_taken_from_every_place_it_may_stand_in() -> None:
    kept, key = issue("read")
    checked = authenticator(kept)
    for headers in (
        {"x_api_key": key},
        {"authorization": f"Bearer {key}"},
        {"authorization": f"bearer  {key} "},
        {"authorization": basic("anybody", key)},
        {"authorization": "Bearer nonsense", "x_api_key": key},
    ):
        assert await checked.admit(connection(**headers), "read") == Principal("acme", "ci", frozenset({"read"}))


@pytest.mark.parametrize(
    "headers",
    [
        {"x_api_key": ""},
        {"x_api_key": "tocsin_abcdefgh_short"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer \xff"},
        {"authorization": "Basic %%%"},
        {"authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"authorization": "Digest username=x"},
        {"authorization": ""},
    ],
)
async def test_what_is_no_key_is_401_and_never_500(headers: dict[str, str]) -> None:
    assert await status_of(authenticator(unversioned_open=True), connection("/tickets", **headers)) == 401


async def test_a_key_with_one_changed_character_is_refused() -> None:
    kept, key = issue("read")
    checked = authenticator(kept)
    wrong = key[:-2] + ("A" if key[-2] != "A" else "B") + key[-1]
    assert await status_of(checked, connection(x_api_key=wrong)) == 401


async def test_ended_keys_are_refused() -> None:
    now = datetime.now(UTC)
    ended: list[dict[str, Any]] = [{"revoked_at": now}, {"expires_at": now - timedelta(seconds=1)}]
    for fields in ended:
        kept, key = issue("read", **fields)
        assert await status_of(authenticator(kept), connection(x_api_key=key)) == 401
    kept, key = issue("read", expires_at=now + timedelta(hours=1))
    assert await status_of(authenticator(kept), connection(x_api_key=key)) == 200


async def test_a_key_without_the_scope_is_403_and_named() -> None:
    kept, key = issue("read")
    with pytest.raises(Problem) as caught:
        await authenticator(kept).admit(connection(x_api_key=key), "write")
    assert (caught.value.status, caught.value.extensions["required_scope"]) == (403, "write")


@pytest.mark.parametrize(
    ("path", "scope", "unversioned_open", "expected"),
    [
        ("/tickets", "read", True, 200),
        ("/tickets", "write", True, 200),
        ("/failures", "ingest", True, 200),
        ("/failures", "ingest", False, 401),
        ("/tickets", "admin", True, 401),
        ("/v1/jobs", "read", True, 401),
        ("/webhooks/cloudevents", "ingest", True, 401),
        ("/metrics", "metrics", True, 401),
    ],
)
async def test_unversioned_routes_are_open_only_where_set(
    path: str, scope: Scope, unversioned_open: bool, expected: int
) -> None:
    checked = authenticator(unversioned_open=unversioned_open)
    assert await status_of(checked, connection(path), scope) == expected


async def test_without_a_key_one_is_anybody_in_the_default_workspace() -> None:
    assert await authenticator(unversioned_open=True).admit(connection("/tickets"), "read") == ANYBODY


async def test_a_presented_key_is_checked_even_where_none_is_needed() -> None:
    kept, key = issue("read")
    checked = authenticator(kept, unversioned_open=True)
    assert await status_of(checked, connection("/tickets", x_api_key="wrong")) == 401
    assert (await checked.admit(connection("/tickets", x_api_key=key), "read")).workspace == "acme"


@pytest.mark.parametrize(
    ("loopback", "client", "expected"),
    [(True, "127.0.0.1", 200), (True, "::1", 200), (True, "203.0.113.7", 401), (False, "127.0.0.1", 401)],
)
async def test_metrics_are_open_on_loopback(loopback: bool, client: str, expected: int) -> None:
    checked = authenticator(loopback=loopback)
    assert await status_of(checked, connection("/metrics", client=client), "metrics") == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"origin": "http://localhost:8000", "host": "localhost:8000"}, 200),
        ({"origin": "https://evil.example", "host": "localhost:8000"}, 401),
        ({"origin": "null", "host": "localhost:8000"}, 401),
        ({"sec_fetch_site": "cross-site", "host": "localhost:8000"}, 401),
        ({"sec_fetch_site": "same-origin", "host": "localhost:8000"}, 200),
    ],
)
async def test_pages_of_other_sites_cannot_use_the_opening(headers: dict[str, str], expected: int) -> None:
    assert (
        await status_of(authenticator(unversioned_open=True), connection("/failures", **headers), "ingest") == expected
    )


async def test_guessing_is_429_from_the_eleventh_time_and_valid_keys_still_pass() -> None:
    kept, key = issue("read")
    checked = authenticator(kept)
    guesses = [await status_of(checked, connection(x_api_key=mint())) for _ in range(12)]
    assert guesses == [401] * 10 + [429] * 2
    assert await status_of(checked, connection(x_api_key=key)) == 200
    assert await status_of(checked, connection(x_api_key=mint(), client="198.51.100.1")) == 401
    with pytest.raises(Problem) as caught:
        await checked.admit(connection(x_api_key=mint()), "read")
    assert 1 <= int(caught.value.headers["Retry-After"]) <= 60


async def test_a_missing_key_is_no_guess() -> None:
    checked = authenticator()
    assert {await status_of(checked, connection()) for _ in range(15)} == {401}


async def test_ipv6_is_counted_by_network() -> None:
    checked = authenticator()
    guesses = [await status_of(checked, connection(x_api_key=mint(), client=f"2001:db8::{n}")) for n in range(1, 12)]
    assert guesses[-1] == 429


async def test_an_unknown_key_is_503_while_the_store_is_away() -> None:
    class Away(MemoryKeys):
        async def find(self, prefix: str) -> ApiKey | None:
            raise unavailable("away")

    kept, key = issue("read")
    checked = Authenticator(Away([kept]), PEPPER, False, False)
    assert await status_of(checked, connection(x_api_key=key)) == 200
    assert {await status_of(checked, connection(x_api_key=mint())) for _ in range(12)} == {503}


def test_keys_carry_their_prefix_and_nothing_else_readable() -> None:
    key = mint()
    assert len(key) == len("tocsin_") + 8 + 1 + 43
    assert prefix_of(key) == key.split("_")[1]
    assert prefix_of(key + "\n") is None
    assert presented_key([]) is None


def test_the_dependency_of_a_scope_is_one_object() -> None:
    assert require("read") is require("read")
    assert require("read") is not require("write")
