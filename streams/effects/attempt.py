"""One HTTP request to a destination that may be reached, and what came of it. Never raises for what the world does.

The URL is judged again, its name looked up anew and every address judged, at every attempt. Addresses are tried in
turn while none connects; once one has, nothing is sent a second time.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

import aiohttp
import structlog

from tocsin.egress.headers import sendable
from tocsin.egress.policy import EgressPolicy
from tocsin.egress.refusal import Refusal
from tocsin.egress.urls import Destination
from tocsin.streams.domain.delivery_outcome import ErrorClass
from tocsin.streams.effects import answer, connections
from tocsin.streams.effects.capture import Capture
from tocsin.streams.effects.failures import Failed, could_not_connect, failed
from tocsin.streams.effects.names import LookupFailed, Names, SystemNames
from tocsin.streams.effects.request import AttemptResult, OutgoingRequest

TOTAL_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 3.0
"""Of the total: lookup, TCP and TLS."""
MOST_ADDRESSES: Final = 4
"""Tried of a name; all of them are judged."""
_CHARSET: Final = re.compile(r";\s*charset=\"?([\w-]{1,40})", re.IGNORECASE)

log = structlog.get_logger(__name__)


class NotNow(Exception):
    """Nothing was sent, and this one is not to be made by whoever wanted to."""


def _always() -> bool:
    return True


class Sender:
    """``tls``: verifies against the system's authorities unless given. Made and closed in a running loop."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        names: Names | None = None,
        tls: ssl.SSLContext | None = None,
        total_seconds: float = TOTAL_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._policy = policy
        self._names = names or SystemNames()
        self._total = total_seconds
        self._connect = min(connect_seconds, total_seconds)
        self._session = connections.session(tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Kept connections are closed. Attempts under way must have ended."""
        await self._names.close()
        await self._session.close()

    async def send(
        self, request: OutgoingRequest, started_at: int, may_dial: Callable[[], bool] = _always
    ) -> AttemptResult:
        """``started_at``: now, Unix ms, by the caller's clock. Cancelling it cuts the connection.

        may_dial: asked right before each address is dialled. Raises NotNow when it says no.
        """
        began, seen = time.perf_counter(), _Seen(may_dial, request.most_bytes)
        try:
            async with asyncio.timeout(self._total):
                await self._attempt(request, seen)
        except NotNow:
            raise
        except TimeoutError:
            seen.failed("timeout", f"no complete answer within {self._total:g} s")
        except Failed as failure:
            seen.failed(failure.error, failure.detail)
        except Exception:
            # no answer may stop the worker; the traceback says what aiohttp did not expect
            log.exception("an attempt failed in an unforeseen way", workspace=request.workspace)
            seen.failed("protocol", "the answer could not be handled")
        return seen.result(started_at, round((time.perf_counter() - began) * 1000))

    async def _attempt(self, request: OutgoingRequest, seen: _Seen) -> None:
        destination = self._policy.check_url(request.url, by_operator=request.by_operator, trusted=request.trusted)
        if isinstance(destination, Refusal):
            raise Failed("refused_by_egress_policy", destination.message)
        if not all(sendable(name, value) for name, value in request.headers.items()):
            raise Failed("request", "a header cannot be sent")
        deadline = asyncio.get_running_loop().time() + self._connect
        addresses = await self._addresses(destination, request.workspace, deadline)
        await self._first_that_connects(request, destination, addresses, deadline, seen)

    async def _addresses(self, destination: Destination, workspace: str, deadline: float) -> Sequence[str]:
        if destination.address is not None:  # judged with the URL
            return [str(destination.address)]
        try:
            async with asyncio.timeout_at(deadline):
                found = await self._names.addresses(destination.host, workspace)
        except TimeoutError:
            raise Failed("dns", f"no address within {self._connect:g} s") from None
        except LookupFailed as error:
            raise Failed("dns", str(error)) from None
        if not found:
            raise Failed("dns", "the name has no address")
        if refusal := self._policy.check_addresses(found, destination):
            raise Failed("refused_by_egress_policy", refusal.message)
        return found[:MOST_ADDRESSES]

    async def _first_that_connects(
        self,
        request: OutgoingRequest,
        destination: Destination,
        addresses: Sequence[str],
        deadline: float,
        seen: _Seen,
    ) -> None:
        now = asyncio.get_running_loop().time
        for place, address in enumerate(addresses, start=1):
            share = max(deadline - now(), 0.001) / (len(addresses) - place + 1)
            try:
                return await self._exchange(request, destination, address, share, seen)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                if place == len(addresses) or not could_not_connect(error):
                    raise failed(error) from error
        return None

    async def _exchange(
        self, request: OutgoingRequest, destination: Destination, address: str, connect_seconds: float, seen: _Seen
    ) -> None:
        if not seen.may_dial():
            raise NotNow
        connections.admit(address, destination.port)
        seen.address = address
        async with self._session.request(
            request.method,
            connections.dialled(destination, address),
            data=request.body or (b"" if request.method == "POST" else None),
            headers={**request.headers, "Host": destination.authority},
            # also for http: it keeps the connections of two names at one address apart
            server_hostname=destination.host,
            allow_redirects=False,
            timeout=connections.timeouts(connect_seconds),
        ) as response:
            await seen.read(response)


class _Seen:
    """What is known of the answer so far, kept when the rest fails."""

    def __init__(self, may_dial: Callable[[], bool], most_bytes: int) -> None:
        self.may_dial = may_dial
        self._most_bytes = most_bytes
        self.address: str | None = None
        self._status: int | None = None
        self._headers: tuple[tuple[str, str], ...] = ()
        self._retry_after = ""
        self._capture = Capture()
        self._error: ErrorClass | None = None
        self._detail = ""

    async def read(self, response: aiohttp.ClientResponse) -> None:
        self._status = response.status
        self._headers = answer.kept_headers(response.raw_headers)
        self._retry_after = response.headers.get("Retry-After", "")
        self._capture = Capture(response.headers.get("Content-Encoding", ""), _charset(response), self._most_bytes)
        if 300 <= response.status < 400:
            self.failed("redirect", "redirects are not followed")
        async for chunk in response.content.iter_any():
            if not self._capture.add(chunk):
                response.close()  # the connection too: the rest is not wanted
                return

    def failed(self, error: ErrorClass, detail: str) -> None:
        self._error, self._detail = error, detail

    def result(self, started_at: int, duration_ms: int) -> AttemptResult:
        text = self._capture.text()
        return AttemptResult(
            started_at,
            duration_ms,
            self._status,
            self._error,
            self._detail,
            text,
            self._capture.cut,
            self._headers,
            answer.retry_after(self._retry_after, started_at + duration_ms) if self._retry_after else None,
            self.address,
        )


def _charset(response: aiohttp.ClientResponse) -> str:
    found = _CHARSET.search(response.headers.get("Content-Type", ""))
    return found[1] if found else ""
