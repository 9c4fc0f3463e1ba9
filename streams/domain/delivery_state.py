"""The state of one delivery, which attempt it is at, and what each fact makes of it."""

from __future__ import annotations

import msgspec

from tocsin.events import deliveries as contract
from tocsin.events.commands import Fact
from tocsin.events.deliveries import Origin, Request
from tocsin.events.times import unix_ms


class DeliveryState(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """``attempt``: the next one, or the one under way; it starts at ``not_before`` (Unix ms) or later.

    scheduled_for: the nominal time, RFC 3339.
    """

    delivery_id: str
    origin: Origin
    request: Request
    not_before: int
    scheduled_for: str
    max_attempts: int
    attempt: int = 1


def evolve(state: DeliveryState | None, fact: Fact) -> DeliveryState | None:
    """A delivery that ended leaves nothing behind. Facts that change nothing leave the state as it is."""
    match fact:
        case contract.DeliveryAccepted():
            return DeliveryState(
                fact.delivery_id,
                fact.origin,
                fact.request,
                unix_ms(fact.not_before),
                fact.scheduled_for,
                fact.max_attempts,
            )
        case contract.AttemptRecorded(next_attempt_at=at) if at and state is not None:
            return msgspec.structs.replace(state, attempt=fact.attempt + 1, not_before=unix_ms(at))
        case contract.DeliveryEnded():
            return None
    return state
