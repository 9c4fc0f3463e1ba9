"""Which domains there are: their decisions and their agents, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tocsin.streams.agents import alerts, deliveries, incidents, jobs, tasks, tickets
from tocsin.streams.domain.alerts import ALERTS
from tocsin.streams.domain.decision import Domain
from tocsin.streams.domain.deliveries import DELIVERIES
from tocsin.streams.domain.incidents import INCIDENTS
from tocsin.streams.domain.jobs import JOBS
from tocsin.streams.domain.tasks import TASKS
from tocsin.streams.domain.tickets import TICKETS
from tocsin.streams.runtime.app import StreamApp


class Registered(NamedTuple):
    domain: Domain[Any, Any]
    register_agent: Callable[[StreamApp], None]


DOMAINS: Final[Mapping[str, Registered]] = {
    "tickets": Registered(TICKETS, tickets.register),
    "alerts": Registered(ALERTS, alerts.register),
    "incidents": Registered(INCIDENTS, incidents.register),
    "jobs": Registered(JOBS, jobs.register),
    "deliveries": Registered(DELIVERIES, deliveries.register),
    "tasks": Registered(TASKS, tasks.register),
}
