"""The mock Slack inside a test: a real server on a free port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn

from tocsin.mock_slack.app import create_app
from tocsin.mock_slack.mailbox import Mailbox
from tocsin.server import ReceiptDeadline


@contextlib.asynccontextmanager
async def mock_slack(mailbox: Mailbox) -> AsyncIterator[str]:
    """Its address; ``/services/T0/B0/<channel>`` below it are webhooks."""
    configuration = uvicorn.Config(
        create_app(mailbox), port=0, http=ReceiptDeadline, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(configuration)
    listening = configuration.bind_socket()
    task = asyncio.create_task(server._serve([listening]))
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
