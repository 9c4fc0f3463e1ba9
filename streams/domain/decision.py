"""What every domain gives the runtime: a few pure functions over (state, event, policy)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from tocsin.events.commands import Answer, Cause, Fact
from tocsin.events.envelope import Envelope
from tocsin.events.live import LiveEvent
from tocsin.events.times import rfc3339

State = TypeVar("State")
Policy = TypeVar("Policy")
Folded = TypeVar("Folded", covariant=True)


class Received(msgspec.Struct, frozen=True, gc=False):
    """One event as a decision sees it.

    now: logical time in Unix ms: the log's append time, never less than that of an earlier record of the partition.
    duplicate: its sender-given id was applied before, at a smaller offset.
    """

    event: Any
    envelope: Envelope
    entity: str
    partition: int
    offset: int
    now: int
    duplicate: bool = False

    def cause(self, rule: str, **values: object) -> Cause:
        """This event as the cause of a fact: the rule that decided and the values it compared."""
        envelope = self.envelope
        return Cause(
            envelope.id,
            envelope.type,
            self.partition,
            self.offset,
            rule,
            values,
            (self.offset,),
            envelope.correlation_id,
        )

    def answers(self) -> tuple[Answer, ...]:
        """The request this event came from, when somebody wants to hear of its decision."""
        envelope = self.envelope
        if not envelope.outcome:
            return ()
        return (Answer(envelope.id, envelope.outcome == "wait", envelope.request_digest),)

    @property
    def at(self) -> str:
        return rfc3339(self.now)


class Effect(msgspec.Struct, frozen=True, gc=False):
    """An event for another domain, published in the same transaction as the fact that caused it."""

    domain: str
    entity: str
    type: str
    event: Any


def no_effects(fact: Fact) -> Sequence[Effect]:
    return ()


def no_live(fact: Fact) -> Sequence[LiveEvent]:
    return ()


class Run(Protocol[Folded]):
    """Events of one entity decided together; the same as deciding, evolving and folding them one by one, but cheaper.

    last: the newest one taken. ``add`` takes one more, or returns False with nothing changed.
    """

    last: Received

    def add(self, received: Received) -> bool: ...
    def finish(self) -> tuple[Fact, Folded]: ...


def replaced(body: Mapping[str, Any], received: Received) -> Mapping[str, Any]:
    """A policy that was activated replaces the one before."""
    activated: Mapping[str, Any] = received.event.body
    return activated


def no_run(state: Any, received: Received, policy: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Domain(Generic[State, Policy]):
    """A domain as one readable literal.

    decide: facts of one event, on a state already advanced to ``received.now``.
    advance: facts of every timer due at ``received.now`` or before, in order; ``received`` is what woke the entity.
    evolve: the state after a fact; folding all facts of an entity gives its state.
    next_due: when the entity wants to be woken, Unix ms, or None.
    fold_key / fold: consecutive facts of one entity with the same key (not None) become one.
    amending: events besides PolicyActivated that change the policy of a partition, which hears of them like of that.
    amended: the body of the policy after such an event, or after another one was activated.
    looked_at: due times are computed anew every ``SCHEDULER_INTERVAL_MINUTES``, should a timer have been lost.
    live: what clients hear of a (folded) fact as it happens, in order.
    run: begins to take this and further events of an entity in one go; None where it is decided by itself.
    """

    name: str
    events: Mapping[str, type[Any]]
    facts: Mapping[str, type[Any]]
    state_type: type[State]
    policy: Callable[[Mapping[str, Any]], Policy]
    decide: Callable[[State | None, Received, Policy], Sequence[Fact]]
    advance: Callable[[State, Received, Policy], Sequence[Fact]]
    evolve: Callable[[State | None, Fact], State | None]
    next_due: Callable[[State, Policy], int | None]
    fold_key: Callable[[Fact], Hashable | None]
    fold: Callable[[Sequence[Any]], Fact]
    effects: Callable[[Fact], Sequence[Effect]] = no_effects
    live: Callable[[Fact], Sequence[LiveEvent]] = no_live
    amending: frozenset[type[Any]] = frozenset()
    amended: Callable[[Mapping[str, Any], Received], Mapping[str, Any]] = replaced
    looked_at: bool = False
    run: Callable[[State, Received, Policy], Run[State] | None] = no_run
