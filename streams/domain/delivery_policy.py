"""How long the deliveries domain waits between attempts, when a policy says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tocsin.streams.domain.delivery_retry import DEFAULT_DELAYS_MS, RetryPolicy


class DeliveriesPolicy(msgspec.Struct, frozen=True):
    """``retry_delays_ms``: before the second attempt, the third and so on; the last one counts for all after it."""

    retry_delays_ms: tuple[int, ...] = DEFAULT_DELAYS_MS


def policy_of(body: Mapping[str, Any]) -> DeliveriesPolicy:
    """Raises ValueError for delays that cannot be."""
    policy = msgspec.convert(body, DeliveriesPolicy)
    RetryPolicy(1, policy.retry_delays_ms)
    return policy
