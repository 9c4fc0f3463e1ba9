"""Deliveries of webhooks: admit the sender, read what it says, publish it, explain the keys.

Who is genuine but cannot be understood is kept: its delivery waits in the dead-letter queue and is answered 202, since
no sender sends again what was refused. Only the log being away is 503, which every sender repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog
from prometheus_client import Counter

from tocsin.authentication import DEFAULT_WORKSPACE
from tocsin.ingest.publish import Publisher
from tocsin.ingest.records import Request
from tocsin.ingest.sources.catalogue import Sender
from tocsin.ingest.sources.signatures import Refusal, Secret
from tocsin.ingest.sources.webhook import OPEN, Delivery, Unreadable
from tocsin.ingest.webhook_records import Parse, Taken, outgoing, quarantined, route_of
from tocsin.ingest.webhook_sources import Sources
from tocsin.problems import Problem, unavailable

log = structlog.get_logger(__name__)

DELIVERIES: Final = Counter(
    "tocsin_webhook_deliveries", "Webhook deliveries by what became of them", ["source", "outcome"]
)
TRUNCATED: Final = Counter("tocsin_webhook_truncated_alerts", "Alerts that senders left out of a delivery", ["source"])

_DETAILS: Final[dict[Refusal, str]] = {
    "absent": "The delivery carries no signature or secret",
    "wrong": "The signature or secret does not match",
    "stale": "The signed time is more than five minutes away",
}


class Admitted(NamedTuple):
    """Whose delivery it is, and what showed it."""

    workspace: str
    verified_by: str


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The use cases around deliveries. ``partitions``: of this installation."""

    publisher: Publisher
    partitions: int
    sources: Sources

    def admit(self, sender: Sender, delivery: Delivery) -> Admitted:
        """Raises Problem 401, or 503. What is presented is checked even where nothing is asked for."""
        secrets = self.sources.secrets(sender.name)
        verdict = "absent" if sender.verify is None or not secrets else sender.verify(delivery, secrets)
        if isinstance(verdict, Secret):
            return Admitted(verdict.workspace, verdict.label)
        if sender.name in self.sources.open and verdict == "absent":
            return Admitted(DEFAULT_WORKSPACE, OPEN)
        raise self.refusal(sender.name, _DETAILS[verdict] if secrets else "No secret of this source is known")

    def refusal(self, source: str, detail: str) -> Problem:
        """401, counted; 503 while the secrets of workspaces could not be read, since no sender repeats after a 401."""
        if not self.sources.complete():
            return unavailable("The secrets of this source cannot be read now: the database does not answer")
        DELIVERIES.labels(source, "refused").inc()
        headers = {"WWW-Authenticate": 'Bearer realm="tocsin webhooks"'}
        return Problem(401, "unauthenticated", "The delivery is not authentic", detail, headers=headers)

    async def take(self, source: str, parse: Parse, delivery: Delivery, request: Request, path: str = "") -> Taken:
        """Publishes what an admitted delivery says. Raises Problem 503."""
        try:
            reading = parse(delivery)
        except Unreadable as error:
            return await self._quarantine(source, delivery, str(error), request)
        except Exception as error:
            # a bug of a parser: the delivery waits for the fix
            log.exception("a webhook cannot be read", source=source)
            return await self._quarantine(source, delivery, f"the parser failed: {type(error).__name__}", request)
        found = outgoing(reading, delivery, path or route_of(source, delivery.mapper), request, self.partitions)
        if found.payloads:
            await self.publisher.publish_all(found.payloads)
        if found.events:
            await self.publisher.publish_all(found.events)
        if reading.truncated:
            TRUNCATED.labels(source).inc(reading.truncated)
        if found.events:
            DELIVERIES.labels(source, "accepted").inc()
        else:
            self.ignored(source, reading.reason)
        return found.answer

    def ignored(self, source: str, reason: str) -> None:
        """Counts a delivery that says nothing of an alert."""
        DELIVERIES.labels(source, "ignored").inc()
        log.info("a webhook says nothing of an alert", source=source, reason=reason)

    async def _quarantine(self, source: str, delivery: Delivery, reason: str, request: Request) -> Taken:
        await self.publisher.publish(quarantined(delivery, source, reason, request, self.partitions))
        DELIVERIES.labels(source, "quarantined").inc()
        log.warning("a webhook waits in the dead-letter queue", source=source, reason=reason)
        return Taken(0, [], reason=reason, quarantined=True)
