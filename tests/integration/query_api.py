"""The query API over a real PostgreSQL, asked through ASGI; Kafka is only a name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.live import live_events
from tocsin import authentication, database
from tocsin.api.app import Api, watching
from tocsin.api.health import Health
from tocsin.api.health import postgres as postgres_check
from tocsin.api.queries.reader import Reader
from tocsin.asgi import surround
from tocsin.authentication import Authenticator, MemoryKeys
from tocsin.database import PromptPool
from tocsin.keys import ApiKey, digest_of, mint, prefix_of
from tocsin.openapi import Application, application

PEPPER = "pepper"


@dataclass
class QueryApi:
    http: httpx.AsyncClient
    app: Application
    keys: list[ApiKey]


def key_for(workspace: str, *scopes: str) -> tuple[str, ApiKey]:
    from datetime import UTC, datetime

    key = mint()
    prefix = prefix_of(key)
    assert prefix is not None
    row = ApiKey(prefix, workspace, "test", scopes or ("read",), digest_of(key, PEPPER), datetime.now(UTC))  # type: ignore[arg-type]
    return key, row


@asynccontextmanager
async def query_api(dsn: str, *keys: ApiKey, kafka: Health | None = None) -> AsyncIterator[QueryApi]:
    pool = await database.pool(dsn, application="test", size=2)
    reader = Reader(dsn, size=4)
    app = application()
    authentication.install(app, Authenticator(MemoryKeys(keys), PEPPER, True, True))
    checks = kafka or Health({"postgres": postgres_check(pool)})
    Api(reader, pool, checks, live_events(PromptPool(pool)), watching(reader)).mount(app)
    transport = httpx.ASGITransport(surround(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        try:
            yield QueryApi(client, app, list(keys))
        finally:
            await reader.close()
            pool.terminate()
