"""Who is asking: API keys, scopes, and what loopback may do without a key.

Keys come as ``x-api-key``, ``Authorization: Bearer`` or Basic password. Only failed attempts are counted, so nobody
can lock a valid key out. The client address is that of the connection: the server replaces it from X-Forwarded-For
for trusted proxies alone.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import ipaddress
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Protocol

from fastapi import Depends, FastAPI
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.requests import HTTPConnection
from starlette.types import Scope as Connection

from tocsin.keys import DEFAULT_SCOPES, ApiKey, Scope, digest_of, prefix_of
from tocsin.problems import Problem

DEFAULT_WORKSPACE: Final = "default"
BAD_ATTEMPTS_PER_MINUTE: Final = 10
# Never open without a key, whatever the settings say.
_KEYED_PREFIXES: Final = ("/v1/", "/webhooks/")
_METRICS: Final = "/metrics"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. ``name`` is that of the key, used as actor where a request names none."""

    workspace: str
    name: str
    scopes: frozenset[str]


ANYBODY: Final = Principal(DEFAULT_WORKSPACE, "anonymous", frozenset(DEFAULT_SCOPES))
SCRAPER: Final = Principal(DEFAULT_WORKSPACE, "loopback", frozenset({"metrics"}))


class Keys(Protocol):
    """Where keys are looked up: ``known`` from memory, ``find`` where they are kept.

    ``find`` raises Problem (503) when the store cannot answer, so that an unknown key is not mistaken for a wrong one.
    """

    def known(self, prefix: str) -> ApiKey | None: ...
    async def find(self, prefix: str) -> ApiKey | None: ...


class MemoryKeys:
    """Keys of tests and of roles without a database."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self.keys = {key.prefix: key for key in keys}

    def known(self, prefix: str) -> ApiKey | None:
        return self.keys.get(prefix)

    async def find(self, prefix: str) -> ApiKey | None:
        return self.keys.get(prefix)


class Authenticator:
    """Admits a connection for a scope, or raises the Problem that answers it (401, 403, 429, 503)."""

    def __init__(self, keys: Keys, pepper: str, unversioned_open: bool, bound_to_loopback: bool) -> None:
        self._keys = keys
        self._pepper = pepper
        self._unversioned_open = unversioned_open
        self._bound_to_loopback = bound_to_loopback
        self._failures = MovingWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(BAD_ATTEMPTS_PER_MINUTE)

    async def admit(self, connection: Connection, scope: Scope) -> Principal:
        """The principal of an ASGI connection; without a key, the open one where that is allowed."""
        presented = presented_key(connection["headers"])
        if presented is None:
            return self._without_key(connection, scope)
        key = await self._find(presented)
        if key is None:
            raise await self.refused(connection, "The key is not known, or has ended")
        if scope not in key.scopes:
            detail = f"The key {key.name!r} lacks the scope {scope!r}"
            raise Problem(403, "forbidden", "Forbidden", detail, required_scope=scope)
        return Principal(key.workspace, key.name, frozenset(key.scopes))

    def _without_key(self, connection: Connection, scope: Scope) -> Principal:
        path: str = connection["path"]
        if path == _METRICS:
            if self._bound_to_loopback and _is_loopback(client_address(connection)):
                return SCRAPER
        elif self._unversioned_open and scope in ANYBODY.scopes and not path.startswith(_KEYED_PREFIXES):
            if _from_another_site(connection["headers"]):
                raise _unauthenticated("A page of another site must send an API key")
            return ANYBODY
        # no attempt at a key, so nothing to count
        raise _unauthenticated("Send an API key as x-api-key or Authorization: Bearer")

    async def _find(self, presented: str) -> ApiKey | None:
        prefix = prefix_of(presented)
        if prefix is None:
            return None
        key = self._keys.known(prefix) or await self._keys.find(prefix)
        # the digest is computed for unknown prefixes too, so that the time tells nothing
        digest = digest_of(presented, self._pepper)
        matches = hmac.compare_digest(digest, key.digest if key else bytes(32))
        return key if key and matches and key.live(datetime.now(UTC)) else None

    async def guessed(self, connection: Connection) -> bool:
        """Counts an attempt with a wrong key; whether the address has made too many."""
        return not await self._failures.hit(self._limit, "bad-key", _counted_as(client_address(connection)))

    async def refused(self, connection: Connection, detail: str) -> Problem:
        """401, or 429 once the address has failed too often. Counts this attempt."""
        address = _counted_as(client_address(connection))
        if not await self.guessed(connection):
            return _unauthenticated(detail)
        window = await self._failures.get_window_stats(self._limit, "bad-key", address)
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        return Problem(
            429,
            "too-many-bad-keys",
            "Too many failed attempts",
            f"More than {BAD_ATTEMPTS_PER_MINUTE} bad keys in a minute from this address; valid keys still pass",
            headers={"Retry-After": str(seconds)},
        )


def _unauthenticated(detail: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer realm="tocsin"'}
    return Problem(401, "unauthenticated", "Authentication is needed", detail, headers=headers)


def presented_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key a request carries, None when it carries none. What cannot be read counts as a (wrong) key."""
    authorization: bytes | None = None
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1")
        if name == b"authorization":
            authorization = value
    if authorization is None:
        return None
    scheme, _, credentials = authorization.strip().partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip().decode("latin-1")
    if scheme.lower() == b"basic":
        return _basic_password(credentials)
    return ""


def _from_another_site(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a browser sent this for a page of another origin.

    Without a key nothing else would keep any web page from writing to a server on the loopback of its reader.
    """
    origin = host = None
    for name, value in headers:
        if name == b"host":
            host = value
        elif name == b"origin":
            origin = value
        elif name == b"sec-fetch-site" and value == b"cross-site":
            return True
    return origin is not None and origin.partition(b"://")[2] != host


def _basic_password(credentials: bytes) -> str:
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def client_address(connection: Connection) -> str:
    client = connection.get("client")
    return str(client[0]) if client else ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _counted_as(address: str) -> str:
    """IPv6 is counted by /64: one host has that many addresses to try from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


# --- FastAPI --------------------------------------------------------------------------------------------------------


def install(app: FastAPI, authenticator: Authenticator) -> None:
    """Makes the authenticator the one that ``require`` asks."""
    app.state.authenticator = authenticator


@functools.cache
def require(scope: Scope) -> Callable[[HTTPConnection], Awaitable[Principal]]:
    """The dependency that admits only principals with ``scope``; the same object for the same scope.

    Use as ``principal: Annotated[Principal, Depends(require("read"))]`` on HTTP and WebSocket routes.
    """

    async def admitted(connection: HTTPConnection) -> Principal:
        authenticator: Authenticator = connection.app.state.authenticator
        return await authenticator.admit(connection.scope, scope)

    admitted.__name__ = f"require_{scope}"
    return admitted


Reader = Annotated[Principal, Depends(require("read"))]
Writer = Annotated[Principal, Depends(require("write"))]
Sender = Annotated[Principal, Depends(require("ingest"))]
