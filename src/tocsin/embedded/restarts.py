"""When a crashed child starts again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

WINDOW_SECONDS: Final = 30
FREE_RESTARTS: Final = 2
LONGEST_DELAY_SECONDS: Final = 30


def delay(crashes: Sequence[float], now: float) -> float:
    """Seconds to wait before the next start: none for a lone crash, doubling from the third within 30 s.

    ``crashes``: when it crashed, this one included, in seconds of a monotonic clock.
    """
    recent = sum(1 for at in crashes if now - at <= WINDOW_SECONDS)
    if recent <= FREE_RESTARTS:
        return 0.0
    return float(min(LONGEST_DELAY_SECONDS, 2 ** (recent - FREE_RESTARTS - 1)))
