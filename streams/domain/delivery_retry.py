"""When a failed attempt is made again: 30 s, 2 min, 10 min, spread by the attempt's own id, never without end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

DEFAULT_DELAYS_MS: Final = (30_000, 120_000, 600_000)
DEFAULT_MAX_ATTEMPTS: Final = 4
"""The first try and three retries, so that each of the three delays is used."""
SPREAD: Final = 0.2
LONGEST_MS: Final = 3_600_000
_DIGEST_BYTES: Final = 8
_DIGESTS: Final = 256**8


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``max_attempts`` counts the first try; after the last delay of ``delays_ms`` that one is used again."""

    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    delays_ms: tuple[int, ...] = DEFAULT_DELAYS_MS

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or not self.delays_ms or min(self.delays_ms) < 0:
            raise ValueError("a retry policy has at least one attempt and one delay that is not negative")


DEFAULT: Final = RetryPolicy()


def retry_in_ms(
    attempt: int, attempt_id: str, retry_after_seconds: int | None = None, policy: RetryPolicy = DEFAULT
) -> int | None:
    """Milliseconds from the end of ``attempt`` (1 = the first try) to the next one; None when there is none.

    The receiver's Retry-After counts between the delay and twice the delay. Nothing is later than an hour.
    """
    if attempt >= policy.max_attempts:
        return None
    base = policy.delays_ms[min(attempt, len(policy.delays_ms)) - 1]
    delay = spread(base, attempt_id)
    wanted = delay if retry_after_seconds is None else retry_after_seconds * 1000
    return min(max(delay, min(wanted, 2 * delay)), LONGEST_MS)


def spread(delay_ms: int, attempt_id: str) -> int:
    """The delay give or take a fifth: the same for the same id, so that deciding again gives the same time."""
    digest = hashlib.sha256(attempt_id.encode()).digest()[:_DIGEST_BYTES]
    share = int.from_bytes(digest) / _DIGESTS
    return round(delay_ms * (1 - SPREAD + 2 * SPREAD * share))
