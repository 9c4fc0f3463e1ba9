"""Asks an HTTP role whether it is ready."""

from __future__ import annotations

import asyncio
import http.client


async def wait_until_ready(host: str, port: int) -> None:
    """Returns once ``GET /health/ready`` answers 200. The caller limits the time."""
    while not await asyncio.to_thread(is_ready, host, port):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)


def is_ready(host: str, port: int, timeout: float = 2) -> bool:
    """One question; False when nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
