"""``GET /metrics``: this process, and the business counters that were projected."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from tocsin.api.queries import counters, dashboard, tasks
from tocsin.api.queries.reader import Reader
from tocsin.authentication import Principal, require
from tocsin.problems import Problem, responses
from tocsin.projections.tables import LATENESS_BUCKETS_MS

BUSINESS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "decisions": ("Decisions of the streams, by fact and by the rule that decided", ("domain", "fact", "reason")),
    "tickets_opened": ("Tickets opened", ()),
    "tickets_reopened": ("Tickets re-opened by a repeat", ()),
    "occurrences_counted": ("Occurrences of failures counted on tickets", ()),
    "job_attempts": ("Attempts of jobs, by what became of them", ("outcome",)),
    "jobs_scheduled": ("Jobs created", ()),
    "jobs_executed": ("Runs of jobs that ended, cancelled ones not counted", ()),
    "jobs_failed": ("Runs of jobs that failed finally", ()),
    "tasks_registered": ("Tasks registered", ("deadline",)),
    "tasks_settled": ("Tasks settled, by how they ended", ("status",)),
    "task_polls": ("Polls of tasks, by what they found", ("verdict",)),
    "task_settlements_concluded": ("Last words of AWS on settlements", ("confirmation",)),
    "job_slots": ("Slots of jobs, by what became of them", ("verdict",)),
    "tickets_reported": ("Tickets of other systems that were reported", ()),
    "sla_warnings": ("Goals of tickets that came near", ("metric",)),
    "sla_breaches": ("Goals of tickets that were missed", ("metric", "priority")),
    "sla_escalations": ("Escalations of tickets", ("reason",)),
    "sla_notifications": ("Messages about tickets: requested, then what became of them", ("result",)),
}


_TEXT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Prometheus or OpenMetrics text", "content": {"text/plain": {}}}
}


class _Everything(CollectorRegistry):
    """The process's own metrics, then the given families."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        yield from REGISTRY.collect()
        yield from self._families


def router(reader: Reader) -> APIRouter:
    found = APIRouter(tags=["health"])

    @found.get(
        "/metrics",
        operation_id="get_metrics",
        summary="Metrics for Prometheus",
        description="Needs the scope `metrics`; open on loopback. While PostgreSQL is away the business counters lack.",
        response_class=Response,
        responses=_TEXT | responses(403),
    )
    async def get_metrics(request: Request, _principal: Annotated[Principal, Depends(require("metrics"))]) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(_Everything(await _business(reader))), media_type=content_type)

    return found


async def _business(reader: Reader) -> list[Metric]:
    try:
        async with reader.connection() as connection:
            values = list(await counters.totals(connection))
            states = await dashboard.open_by_state(connection)
            inbox = await tasks.inbox(connection)
    except Problem:
        return []
    families = {
        name: CounterMetricFamily(f"tocsin_{name}", text, labels=labels) for name, (text, labels) in BUSINESS.items()
    }
    for name, labels, value in values:
        if name in families:
            families[name].add_metric([labels[label] for label in BUSINESS[name][1]], value)
    for name, (_, label_names) in BUSINESS.items():
        if not label_names and not families[name].samples:
            families[name].add_metric([], 0)
    return [
        *families.values(),
        lateness(values, "tocsin_job_lateness_seconds", "How late first attempts of jobs began"),
        lateness(
            values, "tocsin_sla_lateness_seconds", "How long after its due time a missed goal of a ticket was noticed"
        ),
        _open_tickets(states),
        *_waiting(inbox),
    ]


def _waiting(inbox: tasks.Inbox) -> list[Metric]:
    gauges = {
        "tocsin_tasks_waiting": ("Tasks that are not settled", inbox.waiting),
        "tocsin_tasks_without_deadline": ("Tasks that are not settled and may wait for ever", inbox.without_deadline),
        "tocsin_task_oldest_waiting_seconds": ("Age of the task that waits longest", inbox.oldest_seconds),
    }
    return [GaugeMetricFamily(name, text, value) for name, (text, value) in gauges.items()]


def lateness(values: Iterable[counters.Value], name: str, text: str) -> HistogramMetricFamily:
    """Counted in each bucket, told from the smallest up."""
    counter = name.removeprefix("tocsin_").removesuffix("_seconds")
    counted = {value.labels["le"]: value.value for value in values if value.name == f"{counter}_bucket"}
    bounds = [*(f"{bound / 1000:g}" for bound in LATENESS_BUCKETS_MS), "+Inf"]
    told = zip(bounds, itertools.accumulate(counted.get(bound, 0) for bound in bounds), strict=True)
    milliseconds = sum(value.value for value in values if value.name == f"{counter}_milliseconds")
    family = HistogramMetricFamily(name, text)
    family.add_metric([], list(told), milliseconds / 1000)
    return family


def _open_tickets(states: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily("tocsin_open_tickets", "Unresolved tickets by SLA state", labels=["sla_state"])
    for state, number in states.items():
        family.add_metric([state], number)
    return family
