"""Every sender tocsin understands, in one table: who verifies its deliveries and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.ingest.sources import (
    alertmanager,
    cloud_events,
    cloudwatch,
    datadog,
    github,
    grafana,
    pagerduty,
    sentry,
    standard_webhooks,
)
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


# Its signature needs a certificate that is fetched, so its route verifies (routes/sns.py).
CLOUDWATCH: Final = Sender(cloudwatch.SOURCE, "CloudWatch alarms via SNS", cloudwatch.parse)
# Its routes are not below /webhooks, so that a sender changes only the host of its URL.
PAGERDUTY: Final = Sender(pagerduty.SOURCE, "PagerDuty Events v2", pagerduty.parse, pagerduty.verify)
_SENDERS: Final = (
    Sender("sentry", "Sentry", sentry.parse, sentry.verify),
    Sender("datadog", "Datadog", datadog.parse, datadog.verify, ("POST", "PUT")),
    Sender("alertmanager", "Prometheus Alertmanager", alertmanager.parse, alertmanager.verify),
    Sender("grafana", "Grafana alerting", grafana.parse, grafana.verify, ("POST", "PUT")),
    Sender("github", "GitHub workflow_run", github.parse, github.verify),
    Sender("cloudevents", "CloudEvents", cloud_events.parse),
    Sender("standard", "Standard Webhooks", standard_webhooks.parse, standard_webhooks.verify),
)
SENDERS: Final = {sender.name: sender for sender in _SENDERS}
"""Those whose route is ``/webhooks/<name>`` and nothing more."""

EVERY: Final = {sender.name: sender for sender in (*_SENDERS, CLOUDWATCH, PAGERDUTY)}
"""Those whose deliveries can be read again: all but the generic ones, which need their mapper."""
