"""Words for the tables of the deliveries decisions: events of one delivery, decided as the runtime does it."""

from __future__ import annotations

from typing import Any

from tocsin.events import deliveries as contract
from tocsin.events.commands import Fact
from tocsin.events.deliveries import Origin, Request
from tocsin.events.envelope import Envelope
from tocsin.events.identity import delivery_id, quota_entity
from tocsin.events.times import rfc3339
from tocsin.streams.domain.decision import Received
from tocsin.streams.domain.deliveries import decide
from tocsin.streams.domain.delivery_policy import DeliveriesPolicy
from tocsin.streams.domain.delivery_state import DeliveryState, evolve

START = 1_750_000_000_000
DELIVERY = delivery_id("default", "https://example.com:443", "run-1")
JOB = f"{quota_entity('default')}-1"
ORIGIN = Origin(domain="jobs", entity=JOB, run_id="run-1")
REQUEST = Request(url="https://example.com/hook")


def requested(**changes: Any) -> contract.DeliveryRequested:
    at = rfc3339(START)
    values: dict[str, Any] = {
        "delivery_id": DELIVERY,
        "origin": ORIGIN,
        "request": REQUEST,
        "not_before": at,
        "scheduled_for": at,
    }
    return contract.DeliveryRequested(**(values | changes))


def attempted(attempt: int = 1, status: int | None = 200, error: str = "", **more: Any) -> contract.AttemptFinished:
    values: dict[str, Any] = {"started_at": rfc3339(START + 5), "duration_ms": 40, "address": "192.0.2.1"}
    return contract.AttemptFinished(
        delivery_id=DELIVERY, attempt=attempt, status=status, error=error, **(values | more)
    )


def cancel() -> contract.CancelDelivery:
    return contract.CancelDelivery(delivery_id=DELIVERY, origin=ORIGIN, reason="job_deleted")


class Story:
    """Decides events one after the other; keeps state and facts."""

    def __init__(self, policy: DeliveriesPolicy | None = None) -> None:
        self.policy = policy or DeliveriesPolicy()
        self.state: DeliveryState | None = None
        self.facts: list[Fact] = []
        self.now, self.offset = START, 0

    def when(self, event: Any, *, entity: str = DELIVERY) -> list[Fact]:
        self.now += 1000
        envelope = Envelope(f"e{self.offset}", type(event).__name__, "/test", "", "default")
        received = Received(event, envelope, entity, 0, self.offset, self.now)
        self.offset += 1
        new = list(decide(self.state, received, self.policy))
        for fact in new:
            self.state = evolve(self.state, fact)
        self.facts += new
        return new

    def given(self, *events: Any) -> Story:
        for event in events:
            self.when(event)
        return self


def said(facts: list[Fact]) -> list[tuple[str, str]]:
    return [(type(fact).__name__, fact.cause.rule) for fact in facts]
