"""What the projector tells Prometheus: how late, how far behind, what it could not apply."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tocsin.events.times import unix_ms
from tocsin.projections.positions import Partition

_VISIBLE_BUCKETS: Final = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5, 10, 30, 60, 300)
_LABELS: Final = ("stage", "domain", "partition")


@dataclass(slots=True)
class Progress:
    """One partition. ``oldest``: Unix ms of the record in hand that is not visible yet, 0 when there is none."""

    domain: str
    records: int = 0
    oldest: int = 0
    stopped: bool = False


class _Lag(Collector):
    """Computed when asked, so that a projector that hangs shows a growing lag."""

    def __init__(self, progress: dict[Partition, Progress]) -> None:
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        seconds = GaugeMetricFamily("tocsin_lag_seconds", "Age of the oldest record not worked off yet", labels=_LABELS)
        records = GaugeMetricFamily("tocsin_lag_records", "Records not worked off yet", labels=_LABELS)
        stopped = GaugeMetricFamily(
            "tocsin_projection_stopped", "1: the log does not have this partition's position", labels=_LABELS
        )
        now = time.time() * 1000
        for (_, partition), one in list(self._progress.items()):
            labels = ("project", one.domain, str(partition))
            seconds.add_metric(labels, max(0.0, (now - one.oldest) / 1000) if one.oldest else 0.0)
            records.add_metric(labels, one.records)
            stopped.add_metric(labels, float(one.stopped))
        yield from (seconds, records, stopped)


class ProjectorMetrics:
    """Registered once a process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.progress: dict[Partition, Progress] = {}
        self._visible = Histogram(
            "tocsin_accepted_to_visible_seconds",
            "From the instant of a decision in the log to its rows being visible",
            buckets=_VISIBLE_BUCKETS,
            registry=registry,
        )
        self.rows = Counter("tocsin_projected_rows_total", "Rows written to read models", registry=registry)
        self.facts = Counter("tocsin_projected_records_total", "Records of the log projected", registry=registry)
        self.errors = Counter(
            "tocsin_projection_errors_total", "Records that could not be projected", registry=registry
        )
        self.retries = Counter(
            "tocsin_projection_retries_total", "Batches tried again, by reason", ("reason",), registry=registry
        )
        registry.register(_Lag(self.progress))

    def visible(self, instants: Tally[str]) -> None:
        """Facts of a committed batch by their ``at``."""
        now = time.time() * 1000
        for at, facts in instants.items():
            seconds = max(0.0, (now - unix_ms(at)) / 1000)
            for _ in range(facts):
                self._visible.observe(seconds)
