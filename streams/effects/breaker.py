"""Breakers: an endpoint that fails most of the time is left alone for a while, then tried once. In memory, per owner.

Half of at least ten attempts within a minute open it for 30 s; the first attempt after that is the probe.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import structlog

from tocsin.streams.effects import metrics
from tocsin.streams.effects.fair_queue import Place

WINDOW_MS: Final = 60_000
LEAST_ATTEMPTS: Final = 10
SHARE: Final = 0.5
OPEN_MS: Final = 30_000
PROBE_LOOK_MS: Final = 1_000
"""While a probe is under way, the others look again after this."""
_FORGET_AT: Final = 1024

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Breaker:
    """``attempts``: when each ended, Unix ms, and whether the endpoint failed. ``open_until``: 0 while closed."""

    attempts: deque[tuple[int, bool]] = field(default_factory=deque)
    open_until: int = 0
    probing: bool = False


class Breakers:
    """``now`` is Unix ms everywhere. Whoever was admitted owes one ``record`` or ``abandon``."""

    def __init__(self) -> None:
        self._breakers: dict[Place, _Breaker] = {}
        self._forget_at = _FORGET_AT

    def admit(self, place: Place, now: int) -> int | None:
        """None: go ahead. Else when to ask again."""
        breaker = self._breakers.get(place)
        if breaker is None or not breaker.open_until:
            return None
        if now < breaker.open_until:
            return breaker.open_until
        if breaker.probing:
            return now + PROBE_LOOK_MS
        breaker.probing = True
        return None

    def abandon(self, place: Place) -> None:
        """Nothing is known of an attempt that was admitted: another one may probe."""
        if breaker := self._breakers.get(place):
            breaker.probing = False

    def record(self, place: Place, now: int, *, failed: bool, url: str = "") -> None:
        """What became of an attempt; ``url`` for the log."""
        breaker = self._breakers.setdefault(place, _Breaker())
        if breaker.open_until:
            if breaker.probing:
                self._probed(place, breaker, now, url, failed=failed)
            return
        breaker.attempts.append((now, failed))
        while breaker.attempts[0][0] <= now - WINDOW_MS:
            breaker.attempts.popleft()
        failures = sum(one for _, one in breaker.attempts)
        if len(breaker.attempts) >= LEAST_ATTEMPTS and failures >= SHARE * len(breaker.attempts):
            self._open(place, breaker, now, url, failures)
        elif len(self._breakers) > self._forget_at:
            self._forget(now)

    def is_open(self, place: Place) -> bool:
        breaker = self._breakers.get(place)
        return breaker is not None and bool(breaker.open_until)

    def _probed(self, place: Place, breaker: _Breaker, now: int, url: str, *, failed: bool) -> None:
        breaker.probing = False
        if failed:
            breaker.open_until = now + OPEN_MS
            return
        del self._breakers[place]
        metrics.BREAKERS_OPEN.dec()
        log.info("an endpoint answers again", workspace=place.workspace, endpoint=place.endpoint, url=_origin(url))

    def _open(self, place: Place, breaker: _Breaker, now: int, url: str, failures: int) -> None:
        total = len(breaker.attempts)
        breaker.attempts.clear()
        breaker.open_until = now + OPEN_MS
        metrics.BREAKERS_OPEN.inc()
        metrics.BREAKER_OPENED.inc()
        log.warning(
            "an endpoint fails; it is left alone for a while",
            workspace=place.workspace,
            endpoint=place.endpoint,
            url=_origin(url),
            failed=failures,
            of=total,
        )

    def _forget(self, now: int) -> None:
        """Breakers of endpoints nobody has asked for lately."""
        for place, breaker in list(self._breakers.items()):
            if not breaker.open_until and breaker.attempts[-1][0] <= now - WINDOW_MS:
                del self._breakers[place]
        self._forget_at = max(_FORGET_AT, 2 * len(self._breakers))


def _origin(url: str) -> str:
    """Scheme, host and port: a path or a query may hold secrets."""
    return "/".join(url.split("/", 3)[:3])
