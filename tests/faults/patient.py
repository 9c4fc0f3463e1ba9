"""A client that repeats each request until it is accepted, as a sender does that has to be sure."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, Final

import aiohttp

ATTEMPT: Final = aiohttp.ClientTimeout(total=10)
GIVE_UP: Final = 120.0
PAUSE: Final = 0.1  # a sender's own patience
ACCEPTED: Final = (200, 201, 202, 204)


class Patient:
    """Each request has an Idempotency-Key and is repeated after 503, a lost connection or a timeout, so that what is
    accepted is known exactly.

    statuses: how often each HTTP status was answered; lost: requests that got no answer.
    """

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.lost = 0

    async def accepted(
        self, session: aiohttp.ClientSession, method: str, path: str, body: dict[str, Any], key: str
    ) -> dict[str, Any]:
        """The body of the answer; 503 is the only refusal there may be."""
        deadline = time.monotonic() + GIVE_UP
        while time.monotonic() < deadline:
            try:
                async with session.request(method, path, json=body, headers={"Idempotency-Key": key}) as answer:
                    self.statuses[answer.status] += 1
                    if answer.status in ACCEPTED:
                        accepted: dict[str, Any] = {} if answer.status == 204 else await answer.json()
                        return accepted
                    assert answer.status == 503, f"{method} {path}: {answer.status} {await answer.text()}"
                    assert "retry-after" in answer.headers
            except (aiohttp.ClientError, TimeoutError):
                self.lost += 1
            await asyncio.sleep(PAUSE)
        raise AssertionError(f"{method} {path} was not accepted within {GIVE_UP} s")
