"""The parts of stage 4, put together: what a role with query routes starts, stops and mounts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

import asyncpg
from fastapi import FastAPI

from tocsin.api.health import Health
from tocsin.api.live.hub import Hub
from tocsin.api.live.live import Live
from tocsin.api.live.log import KafkaReader
from tocsin.api.queries import tasks as queries
from tocsin.api.queries.reader import Reader
from tocsin.api.routes import alerts, commands, dashboard, incidents, jobs, metrics, silences, sla, tasks, tickets
from tocsin.api.routes import health as health_routes
from tocsin.api.routes import live as live_routes
from tocsin.api.settlements import Key, Settlements
from tocsin.database import PromptPool
from tocsin.settings import Settings


@dataclass(frozen=True, slots=True)
class Api:
    """Stage 4 of one process."""

    reader: Reader
    pool: asyncpg.Pool[asyncpg.Record]
    health: Health
    live: Live
    settlements: Settlements

    def mount(self, app: FastAPI) -> None:
        app.include_router(tickets.router(self.reader))
        app.include_router(dashboard.router(self.reader))
        app.include_router(sla.router(self.reader))
        app.include_router(alerts.router(self.reader))
        app.include_router(incidents.router(self.reader))
        app.include_router(silences.router(self.reader))
        app.include_router(jobs.router(self.reader))
        app.include_router(tasks.router(self.reader, self.settlements))
        app.include_router(commands.router(PromptPool(self.pool)))
        app.include_router(health_routes.router(self.health))
        app.include_router(metrics.router(self.reader))
        app.include_router(live_routes.router(self.live))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connects on first use; closes its connections at the end."""
        try:
            async with self.live.running():
                yield
        finally:
            await self.settlements.close()
            await self.reader.close()


def api(settings: Settings, pool: asyncpg.Pool[asyncpg.Record], health: Health) -> Api:
    """The query API as the settings describe it."""
    kafka = settings.kafka
    hub = Hub(lambda: KafkaReader(kafka), settings.partitions)
    live = Live(hub, PromptPool(pool), settings.allowed_origins, settings.max_live_clients)
    reader = Reader(settings.database)
    return Api(reader, pool, health, live, watching(reader))


def watching(reader: Reader) -> Settlements:
    """One look for everybody of this process who waits for the end of a task."""

    async def find(keys: Collection[Key]) -> Collection[Key]:
        async with reader.connection() as connection:
            return await queries.settled(connection, keys)

    return Settlements(find)
