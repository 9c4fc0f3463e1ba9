"""PostgreSQL for every role: pools, engines and LISTEN that survive a database that comes and goes.

DSNs have the form ``postgresql://user:password@host/name`` or, for a socket directory,
``postgresql://postgres:@/postgres?host=/run/…``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT_SECONDS: Final = 3.0
COMMAND_TIMEOUT_SECONDS: Final = 5.0
_LISTEN_RETRY_SECONDS: Final = (0.1, 0.5, 1.0, 2.0)
_PROBE_SECONDS: Final = 10.0

# What a caller sees when the database is gone, slow or refuses; programming errors are not among them.
UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection was cut between two of its operations, and lost count of them
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # closed for connections
    asyncpg.UndefinedTableError,  # not migrated yet
)


async def pool(dsn: str, *, application: str, size: int = 10) -> asyncpg.Pool[Any]:
    """A pool that connects on first use, so that a role starts, and keeps what it can do, without the database."""
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings={"application_name": f"tocsin-{application}"},
    )


@dataclass(frozen=True, slots=True)
class PromptPool:
    """Rows from a pool. A connection that did not answer in time is cut: giving it back would take as long
    again, since the pool then waits for it once more."""

    pool: asyncpg.Pool[Any]

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        """The row or None. Raises TimeoutError and database errors."""
        async with self._connection() as connection:
            return await connection.fetchrow(query, *arguments)

    async def fetch(self, query: str, *arguments: Any) -> Any:
        """All rows. Raises TimeoutError and database errors."""
        async with self._connection() as connection:
            return await connection.fetch(query, *arguments)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        async with self.pool.acquire() as connection:
            try:
                yield connection
            except TimeoutError:
                connection.terminate()
                raise


def sqlalchemy_url(dsn: str) -> str:
    """The same DSN for SQLAlchemy on asyncpg."""
    _, separator, rest = dsn.partition("://")
    return f"postgresql+asyncpg{separator}{rest}"


def engine(dsn: str, *, application: str, size: int = 10, **options: Any) -> AsyncEngine:
    """An engine that connects on first use and checks a connection before it is handed out."""
    # 0.2 s and 20 MB that roles with a pool only need not spend
    from sqlalchemy.ext.asyncio import create_async_engine

    return create_async_engine(
        sqlalchemy_url(dsn),
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={
            "timeout": CONNECT_TIMEOUT_SECONDS,
            "command_timeout": COMMAND_TIMEOUT_SECONDS,
            "server_settings": {"application_name": f"tocsin-{application}"},
        },
        **options,
    )


async def listen(
    dsn: str, channels: Mapping[str, Callable[[str], None]], connected: Callable[[], None], *, application: str
) -> None:
    """Calls ``channels[channel](payload)`` for every NOTIFY, until cancelled; reconnects for ever.

    ``connected`` is called after every (re)connect: what was notified before it has been missed and must be looked up.
    """
    attempt = 0
    while True:
        try:
            connection = await asyncpg.connect(
                dsn,
                timeout=CONNECT_TIMEOUT_SECONDS,
                command_timeout=COMMAND_TIMEOUT_SECONDS,
                server_settings={"application_name": f"tocsin-{application}-listen"},
            )
            try:
                await _subscribe(connection, channels)
                connected()
                attempt = 0
                await _until_lost(connection)
            finally:
                connection.terminate()
        except UNAVAILABLE as error:
            if attempt == 0:
                log.warning("not listening to the database; trying on", error=type(error).__name__)
        await asyncio.sleep(_LISTEN_RETRY_SECONDS[min(attempt, len(_LISTEN_RETRY_SECONDS) - 1)])
        attempt += 1


async def _subscribe(connection: Any, channels: Mapping[str, Callable[[str], None]]) -> None:
    def dispatch(_connection: Any, _process: int, channel: str, payload: object) -> None:
        channels[channel](str(payload))

    for channel in channels:
        await connection.add_listener(channel, dispatch)


async def _until_lost(connection: Any) -> None:
    """Returns when the connection is closed. A host that vanished says nothing, so it is asked now and then."""
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    while not connection.is_closed():
        try:
            await asyncio.wait_for(lost.wait(), _PROBE_SECONDS)
        except TimeoutError:
            await connection.execute("SELECT 1")
