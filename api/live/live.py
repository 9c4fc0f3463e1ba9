"""Live events of one process: the hub, how many clients it takes, and who may listen."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable
from typing import Final

from starlette.requests import HTTPConnection

from tocsin.api.live import entrance, metrics
from tocsin.api.live.entrance import Wish
from tocsin.api.live.hub import Hub, Unreadable
from tocsin.api.live.subscription import Subscription
from tocsin.problems import Problem, unavailable
from tocsin.stream_tokens import Database

# A connection ends after about an hour and comes back: a key that was revoked does not read on for ever.
LIFE_SECONDS: Final = (3_000.0, 3_600.0)


class Live:
    """``tokens``: the database that stream tokens are kept in."""

    def __init__(self, hub: Hub, tokens: Database, origins: Iterable[str], max_clients: int) -> None:
        self.hub, self.tokens, self.origins = hub, tokens, frozenset(origins)
        self._max_clients = max_clients
        self._clients = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reads the log beside the body; a failure that it cannot outlive ends the body, too."""
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self.hub.run())
            yield
            self.hub.end()
            reading.cancel()

    async def subscribe(self, connection: HTTPConnection, wish: Wish, kind: str) -> Listening:
        """Raises Problem 401, 403, 429, 503."""
        principal = await entrance.admit(connection, self.tokens)
        if self._clients >= self._max_clients:
            metrics.REFUSED.labels(kind, "too_many_clients").inc()
            raise TooManyClients(self._max_clients)
        self._clients += 1
        try:
            made = await Subscription.subscribe(self.hub, principal.workspace, wish.types, wish.cursor)
        except BaseException as error:
            self._clients -= 1
            if isinstance(error, Unreadable):
                metrics.REFUSED.labels(kind, "log_unreadable").inc()
                raise unavailable("Live events cannot be read now: Kafka does not answer") from None
            raise
        metrics.CLIENTS.labels(kind).inc()
        return Listening(self, made, kind, wish.positions)

    def left(self, kind: str) -> None:
        self._clients -= 1
        metrics.CLIENTS.labels(kind).dec()


class TooManyClients(Problem):
    """503: this process takes no more."""

    def __init__(self, limit: int) -> None:
        detail = f"This process serves {limit} clients of live events, as TOCSIN_MAX_LIVE_CLIENTS has it"
        super().__init__(503, "too-many-clients", "Too many clients", detail, headers={"Retry-After": "10"})


class Listening:
    """One client that was let in; ``close`` lets it go. ``ends_at``: loop time at which it is to come anew."""

    def __init__(self, live: Live, subscription: Subscription, kind: str, positions: bool) -> None:
        self.subscription, self.kind, self.positions = subscription, kind, positions
        self.ends_at = asyncio.get_running_loop().time() + random.uniform(*LIFE_SECONDS)  # noqa: S311
        self._live: Live | None = live

    def patience(self, seconds: float) -> float:
        """At most ``seconds``, and not beyond the end."""
        return max(0.0, min(seconds, self.ends_at - asyncio.get_running_loop().time()))

    @property
    def over(self) -> bool:
        return asyncio.get_running_loop().time() >= self.ends_at

    def close(self) -> None:
        if self._live is not None:
            self._live.left(self.kind)
            self._live = None
            self.subscription.close()
