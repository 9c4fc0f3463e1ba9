"""Whether what every answer depends on is there: PostgreSQL with its schema, and Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import asyncpg
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from tocsin.kafka_security import client_options

TIMEOUT_SECONDS: Final = 2.0
REMEMBERED_SECONDS: Final = 0.5
OK: Final = "ok"

Check = Callable[[], Awaitable[None]]
"""Raises when the dependency cannot be used."""


class Health:
    """Asks all dependencies at once. Many who ask within half a second share one answer."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._found: dict[str, str] = {}
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def report(self) -> dict[str, str]:
        """``ok`` or what is wrong, by dependency."""
        async with self._lock:
            if time.monotonic() >= self._until:
                reports = await asyncio.gather(*(_ask(check) for check in self._checks.values()))
                self._found = dict(zip(self._checks, reports, strict=True))
                self._until = time.monotonic() + REMEMBERED_SECONDS
            return self._found


async def _ask(check: Check) -> str:
    try:
        await asyncio.wait_for(check(), TIMEOUT_SECONDS)
    except TimeoutError:
        return f"no answer within {TIMEOUT_SECONDS:.0f} s"
    except Exception as error:
        return f"unreachable ({type(error).__name__})"
    return OK


def postgres(pool: asyncpg.Pool[asyncpg.Record]) -> Check:
    async def check() -> None:
        if not await pool.fetchval("SELECT to_regclass('read_model.tickets') IS NOT NULL"):
            raise LookupError("the migrations were not applied")

    return check


def kafka(bootstrap: str, connected: Callable[[], bool] = lambda: True) -> Check:
    """``connected``: whether what this process holds open to the broker can be used."""

    async def check() -> None:
        if not connected():
            raise KafkaError("not connected")
        client = AIOKafkaClient(
            **client_options(), bootstrap_servers=bootstrap, request_timeout_ms=int(TIMEOUT_SECONDS * 1000)
        )
        try:
            await client.bootstrap()
            if not client.cluster.brokers():
                raise KafkaError("no broker")
        finally:
            await client.close()

    return check
