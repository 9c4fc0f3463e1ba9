"""Every row, in the order they run."""

from __future__ import annotations

from typing import Final

from bench.row import Row
from bench.rows import (
    alert_lists,
    cron,
    decide,
    end_to_end,
    gateway,
    installation,
    jobs,
    lists,
    projection,
    sla,
    storm,
    takeover,
    tasks,
)

ROWS: Final[tuple[Row, ...]] = (
    installation.UP,
    installation.MEMORY,
    gateway.SINGLE,
    gateway.BATCH,
    decide.DECIDE,
    end_to_end.END_TO_END,
    end_to_end.LATENCY,
    storm.STORM,
    takeover.TAKEOVER,
    takeover.RESTART,
    projection.PROJECTION,
    projection.REBUILD,
    lists.LISTS,
    alert_lists.ALERT_LISTS,
    cron.CRON,
    jobs.BURST,
    jobs.STEADY,
    tasks.RESUME,
    sla.BURST,
)
