"""What governs tasks besides their own specs: how AWS is told, and how long a settlement is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
DEFAULT_DELAYS_MS: Final = (
    *(_SECOND, 2 * _SECOND, 5 * _SECOND, 10 * _SECOND, 30 * _SECOND),
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR),
)
# with the delays above about two days; whoever waits longer has been told by an alert
DEFAULT_MAX_ATTEMPTS: Final = 56
# far longer than an endpoint that fails is left alone: nobody will tell the end of such a poll
DEFAULT_POLL_LOST_MS: Final = _HOUR
DEFAULT_KEPT_MS: Final = 30 * 24 * _HOUR


class TasksPolicy(msgspec.Struct, frozen=True):
    """``settlement_retry_delays_ms``: between tries of telling AWS; the last one counts for all after it.

    poll_lost_ms: a poll that has not ended after so long counts as one without an answer. kept_ms: for so long after
    its settlement a task answers that it was settled; then its token is unknown.
    """

    settlement_retry_delays_ms: tuple[int, ...] = DEFAULT_DELAYS_MS
    settlement_max_attempts: int = DEFAULT_MAX_ATTEMPTS
    notice_max_attempts: int = 8
    poll_lost_ms: int = DEFAULT_POLL_LOST_MS
    kept_ms: int = DEFAULT_KEPT_MS


def policy_of(body: Mapping[str, Any]) -> TasksPolicy:
    """Raises msgspec.ValidationError when the body is no policy of tasks."""
    return msgspec.convert(body, TasksPolicy)
