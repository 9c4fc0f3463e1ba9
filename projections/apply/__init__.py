"""Facts to row changes, one pure module per domain, and the table of them all."""

from __future__ import annotations

from typing import Final

from tocsin.projections.apply.alerts import ALERTS
from tocsin.projections.apply.deliveries import DELIVERIES
from tocsin.projections.apply.incidents import INCIDENTS
from tocsin.projections.apply.jobs import JOBS
from tocsin.projections.apply.payloads import PAYLOADS
from tocsin.projections.apply.tasks import TASKS
from tocsin.projections.apply.tickets import TICKETS
from tocsin.projections.projection import Projection

PROJECTIONS: Final[tuple[Projection, ...]] = (TICKETS, ALERTS, INCIDENTS, JOBS, DELIVERIES, TASKS, PAYLOADS)
"""Every topic that becomes tables. Adding a domain is one line here, its module, its tables and a migration."""
