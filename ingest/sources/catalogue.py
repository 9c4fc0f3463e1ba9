"""Every sender tocsin understands, in one table: who verifies its deliveries and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.ingest.sources import alertmanager, datadog, sentry
from tocsin.ingest.sources.signatures import Secret, Verdict
from tocsin.ingest.sources.webhook import Delivery, Reading


@dataclass(frozen=True, slots=True)
class Sender:
    """``verify``: None where an API key admits. ``methods``: what the sender may be configured to use."""

    name: str
    title: str
    parse: Callable[[Delivery], Reading]
    verify: Callable[[Delivery, Sequence[Secret]], Verdict] | None = None
    methods: tuple[str, ...] = ("POST",)

    @property
    def path(self) -> str:
        return f"/webhooks/{self.name}"


_SENDERS: Final = (
    Sender("sentry", "Sentry", sentry.parse, sentry.verify),
    Sender("datadog", "Datadog", datadog.parse, datadog.verify, ("POST", "PUT")),
    Sender("alertmanager", "Prometheus Alertmanager", alertmanager.parse, alertmanager.verify),
)
SENDERS: Final = {sender.name: sender for sender in _SENDERS}
