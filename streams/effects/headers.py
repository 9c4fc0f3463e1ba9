"""The headers of one attempt: the delivery's own, its signature, and the user's behind them.

Source: Standard Webhooks, spec: ``webhook-id`` is the same on every attempt, ``webhook-timestamp`` the attempt's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin import __version__
from tocsin.egress.headers import check_headers
from tocsin.egress.refusal import Refused
from tocsin.egress.signing import signature
from tocsin.events.times import rfc3339

# A body of another coding would have to be decoded to be kept; this one asks for none.
_DEFAULTS: Final = {
    "Accept": "*/*",
    "Content-Type": "application/json",
    "User-Agent": f"tocsin/{__version__}",
}
_IDENTITY: Final = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """``message_id``: of the delivery, the same on every attempt. ``number``: 1 is the first try. Times in Unix ms.

    ``secrets``: none, or the one or two that are live (``whsec_…``).
    """

    message_id: str
    number: int
    scheduled_for: int
    started_at: int
    secrets: Sequence[str] = field(default=(), repr=False)


def complete(user: Mapping[str, str], attempt: Attempt, body: bytes) -> dict[str, str]:
    """Over exactly the bytes that are sent. Raises Refused for a user's header that cannot be sent, ValueError for a
    secret that is none."""
    if wrong := check_headers(user):
        raise Refused(wrong[0].code, wrong[0].message)
    given = {name.lower() for name in user}
    defaults = {name: value for name, value in _DEFAULTS.items() if name.lower() not in given}
    return defaults | dict(user) | _IDENTITY | _delivery(attempt, body)


def _delivery(attempt: Attempt, body: bytes) -> dict[str, str]:
    timestamp = attempt.started_at // 1000
    headers = {
        "webhook-id": attempt.message_id,
        "webhook-timestamp": str(timestamp),
        "x-attempt": str(attempt.number),
        "x-scheduled-for": rfc3339(attempt.scheduled_for),
    }
    if attempt.secrets:
        headers["webhook-signature"] = signature(attempt.secrets, attempt.message_id, timestamp, body)
    return headers
