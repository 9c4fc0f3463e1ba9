"""What an attempt's answer means for its delivery: done, tried again, given up, or the endpoint wants no more."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, NamedTuple, get_args

ErrorClass = Literal[
    "dns",  # no address, or no answer in time
    "connect",  # refused, unreachable, or no connection in time
    "tls",  # no handshake, or a certificate that is not accepted
    "timeout",  # no complete answer within the total time
    "disconnected",  # the connection ended before the answer did
    "protocol",  # the answer is no HTTP
    "headers_too_large",
    "redirect",  # 3xx; never followed
    "refused_by_egress_policy",  # nothing was dialled
    "request",  # what was to be sent cannot be
    "aws_unavailable",  # AWS could not be reached, or said that it did nothing
    "aws_unanswered",  # AWS may have done it: no answer, or one that says nothing about that
    "aws_refused",  # AWS will never do it
]
ERRORS: Final[tuple[ErrorClass, ...]] = get_args(ErrorClass)

# gone: 410, the endpoint wants no more; stop and disable
Verdict = Literal["succeeded", "retry", "failed", "gone"]

RETRIED_STATUSES: Final = frozenset({408, 425, 429})
"""Besides every 5xx."""
_FINAL_ERRORS: Final = frozenset[ErrorClass]({"refused_by_egress_policy", "request", "redirect", "aws_refused"})
_GONE: Final = 410


class Outcome(NamedTuple):
    """``reason``: an error class, or ``expected_status``, ``success``, ``gone``, ``retried_status``, ``final_status``,
    ``unexpected_status``."""

    verdict: Verdict
    reason: str


def outcome(
    status: int | None,
    error: ErrorClass | None,
    expected: Collection[int] | None = None,
    retried: Collection[int] = RETRIED_STATUSES,
) -> Outcome:
    """``expected``: the statuses that mean success; None: every 2xx. ``retried``: 4xx that are tried again.

    An expected status wins over everything but a broken answer, so a 302 or 410 can be what was wanted.
    """
    if status is not None and error in {None, "redirect"} and expected is not None and status in expected:
        return Outcome("succeeded", "expected_status")
    if error is not None:
        return Outcome("failed" if error in _FINAL_ERRORS else "retry", error)
    if status is None:
        raise ValueError("an attempt has a status or an error")
    return _by_status(status, expected, retried)


def _by_status(status: int, expected: Collection[int] | None, retried: Collection[int]) -> Outcome:
    if 200 <= status < 300:
        return Outcome("succeeded", "success") if expected is None else Outcome("failed", "unexpected_status")
    if status in retried or 500 <= status < 600:
        return Outcome("retry", "retried_status")
    if status == _GONE:
        return Outcome("gone", "gone")
    return Outcome("failed", "final_status")
