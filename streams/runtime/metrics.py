"""What a stream worker measures about itself."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

DECISIONS: Final = Counter(
    "tocsin_worker_decisions_total",
    "Facts written by this worker, by the rule that decided",
    ("domain", "fact", "reason"),
)
EVENTS: Final = Counter("tocsin_events_applied_total", "Events applied by this worker", ("domain",))
DEAD_LETTERS: Final = Counter(
    "tocsin_dead_letters_total", "Records set aside in the dead-letter queue", ("domain", "reason")
)
REPLAYS_SKIPPED: Final = Counter(
    "tocsin_replays_skipped_total", "Replayed records that were applied before", ("domain",)
)
TRANSACTION_SECONDS: Final = Histogram(
    "tocsin_transaction_seconds",
    "Begin to commit of one batch",
    ("domain",),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
BATCH_EVENTS: Final = Histogram(
    "tocsin_batch_events", "Events in one transaction", ("domain",), buckets=(1, 2, 5, 10, 50, 100, 500, 1000, 2000)
)
LAG_RECORDS: Final = Gauge("tocsin_lag_records", "Records not applied yet", ("stage", "domain", "partition"))
LAG_SECONDS: Final = Gauge(
    "tocsin_lag_seconds", "Age of the oldest record not applied yet", ("stage", "domain", "partition")
)
OWNED: Final = Gauge("tocsin_partition_owned", "1 while this worker owns the partition", ("domain", "partition"))
ENTITIES: Final = Gauge("tocsin_partition_entities", "Entities in the state of a partition", ("domain", "partition"))
TIMERS_FIRED: Final = Counter("tocsin_timers_fired_total", "Wake-ups published", ("domain",))
RING_SHORTENED: Final = Counter(
    "tocsin_duplicate_window_shortened_total", "Id chunks dropped before their time, because of the cap", ("domain",)
)
OPEN_SECONDS: Final = Histogram(
    "tocsin_partition_open_seconds",
    "Fencing and loading one partition",
    ("domain",),
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
