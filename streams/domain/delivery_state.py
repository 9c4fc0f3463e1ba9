"""The state of one delivery, which attempt it is at, and what each fact makes of it."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.events import deliveries as contract
from tocsin.events.commands import Fact
from tocsin.events.deliveries import Origin, Request
from tocsin.events.times import unix_ms
from tocsin.streams.domain.delivery_outcome import ErrorClass

UNANSWERED: Final[ErrorClass] = "aws_unanswered"


class DeliveryState(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """``attempt``: the next one, or the one under way; it starts at ``not_before`` (Unix ms) or later.

    scheduled_for: the nominal time, RFC 3339. begun: how often this attempt was noted to begin. uncertain: an attempt
    before it may have arrived, though nothing is known of it.
    """

    delivery_id: str
    origin: Origin
    request: Request
    not_before: int
    scheduled_for: str
    max_attempts: int
    attempt: int = 1
    begun: int = 0
    uncertain: bool = False

    @property
    def may_have_arrived(self) -> bool:
        """Of an attempt before this one, or of this one when it was cut and is made again."""
        return self.uncertain or self.begun > 1


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
        case contract.AttemptNoted() if state is not None:
            if fact.attempt != state.attempt:
                return msgspec.structs.replace(state, uncertain=True)
            return msgspec.structs.replace(state, begun=fact.begun)
        case contract.AttemptRecorded(next_attempt_at=at) if at and state is not None:
            uncertain = state.may_have_arrived or fact.error == UNANSWERED
            return msgspec.structs.replace(
                state, attempt=fact.attempt + 1, not_before=unix_ms(at), begun=0, uncertain=uncertain
            )
        case contract.DeliveryEnded():
            return None
    return state
