"""One structured line for every HTTP request, as long as that is affordable."""

from __future__ import annotations

import time
from typing import Final

import structlog
from starlette.types import Scope

log = structlog.get_logger(__name__)

# whoever knows such a path needs no key
_CAPABILITIES: Final = "/callbacks/"


class AccessLog:
    """One structured line a request, up to a rate; beyond it only errors, and one line a second that sums up the rest.

    At 10,000 requests a second writing each line would cost more than answering.
    """

    def __init__(self, lines_per_second: int = 200) -> None:
        self._rate = lines_per_second
        self._second = 0
        self._written = 0
        self._withheld = 0

    def write(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        second = int(time.monotonic())
        if second != self._second:
            if self._withheld:
                log.info("requests not logged one by one", requests=self._withheld)
            self._second, self._written, self._withheld = second, 0, 0
        self._written += 1
        if self._written > self._rate and status < 500:
            self._withheld += 1
            return
        log.info(
            "request",
            method=scope["method"],
            path=route if scope["path"].startswith(_CAPABILITIES) else scope["path"],
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 2),
            client=scope["client"][0] if scope.get("client") else None,
        )
