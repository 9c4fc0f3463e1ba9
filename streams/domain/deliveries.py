"""Deliveries: outgoing HTTP requests with their attempts, from the request to the last word on it.

The attempts themselves are made by the owner of the partition (``streams.effects.runner``), which keeps their time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from tocsin.events import deliveries as contract
from tocsin.events.commands import Fact
from tocsin.events.times import unix_ms
from tocsin.streams.domain import delivery_attempts
from tocsin.streams.domain.decision import Domain, Received
from tocsin.streams.domain.delivery_effects import effects
from tocsin.streams.domain.delivery_policy import DeliveriesPolicy, policy_of
from tocsin.streams.domain.delivery_state import DeliveryState, evolve


def decide(state: DeliveryState | None, received: Received, policy: DeliveriesPolicy) -> Sequence[Fact]:
    """Raises ValueError for an event under the key of another delivery."""
    decision = _DECISIONS.get(type(received.event))
    if decision is None:
        return ()
    if received.event.delivery_id != received.entity:
        raise ValueError(f"an event about {received.event.delivery_id} under the key of {received.entity}")
    return decision(state, received, policy)


def _requested(state: DeliveryState | None, received: Received, policy: DeliveriesPolicy) -> Sequence[Fact]:
    event: contract.DeliveryRequested = received.event
    if state is not None or received.duplicate:
        return ()
    unix_ms(event.not_before), unix_ms(event.scheduled_for)  # one that cannot be read is set aside here
    accepted = contract.DeliveryAccepted(
        entity=received.entity,
        at=received.at,
        cause=received.cause("requested"),
        delivery_id=event.delivery_id,
        origin=event.origin,
        request=event.request,
        not_before=event.not_before,
        scheduled_for=event.scheduled_for,
        max_attempts=max(1, event.max_attempts),
    )
    return (accepted,)


def _cancelled(state: DeliveryState | None, received: Received, policy: DeliveriesPolicy) -> Sequence[Fact]:
    event: contract.CancelDelivery = received.event
    if state is None:
        confirmed = contract.CancellationConfirmed(
            entity=received.entity,
            at=received.at,
            cause=received.cause("nothing_left", reason=event.reason),
            delivery_id=event.delivery_id,
            origin=event.origin,
        )
        return (confirmed,)
    ended = contract.DeliveryEnded(
        entity=received.entity,
        at=received.at,
        cause=received.cause("cancelled", reason=event.reason),
        delivery_id=state.delivery_id,
        origin=state.origin,
        result="cancelled",
        attempts=state.attempt - 1,
        finished_at=received.at,
    )
    return (ended,)


_DECISIONS: Final[dict[type, Callable[[DeliveryState | None, Received, DeliveriesPolicy], Sequence[Fact]]]] = {
    contract.DeliveryRequested: _requested,
    contract.AttemptBegun: delivery_attempts.begun,
    contract.AttemptFinished: delivery_attempts.finished,
    contract.CancelDelivery: _cancelled,
}


# --- no timers, no folding ------------------------------------------------------------------------------------------


def advance(state: DeliveryState, received: Received, policy: DeliveriesPolicy) -> Sequence[Fact]:
    return ()


def next_due(state: DeliveryState, policy: DeliveriesPolicy) -> int | None:
    """Nothing is decided by time: the owner starts attempts at ``not_before``, and what becomes of them is told."""
    return None


def fold_key(fact: Fact) -> Hashable | None:
    return None


def fold(run: Sequence[Any]) -> Fact:
    raise NotImplementedError("no facts of deliveries are folded")


DELIVERIES: Final[Domain[DeliveryState, DeliveriesPolicy]] = Domain(
    name=contract.DOMAIN,
    events=contract.EVENTS,
    facts=contract.FACTS,
    state_type=DeliveryState,
    policy=policy_of,
    decide=decide,
    advance=advance,
    evolve=evolve,
    next_due=next_due,
    fold_key=fold_key,
    fold=fold,
    effects=effects,
)
