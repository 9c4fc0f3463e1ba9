"""The agent of the tasks domain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from tocsin.streams.runtime.app import StreamApp, apply_events


def register(app: StreamApp) -> None:
    @app.agent(app.events_of("tasks"), name="tasks", isolated_partitions=True)
    async def tasks(stream: Any) -> AsyncIterator[None]:
        async for _ in apply_events(app, stream):
            yield
