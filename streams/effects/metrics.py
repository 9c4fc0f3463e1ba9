"""What a worker that makes deliveries measures about itself; what became of them is counted from the facts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

WAITING: Final = Gauge("tocsin_deliveries_waiting", "Deliveries of this worker before their time or behind a limit")
RUNNING: Final = Gauge("tocsin_deliveries_running", "Attempts this worker is making")
PACED: Final = Gauge("tocsin_deliveries_paced", "Deliveries of this worker that wait for the rate of their channel")
HELD: Final = Counter("tocsin_delivery_held_total", "How often a 429 held back all deliveries of a channel for a while")
BREAKERS_OPEN: Final = Gauge("tocsin_delivery_breakers_open", "Endpoints this worker leaves alone")
BREAKER_OPENED: Final = Counter("tocsin_delivery_breaker_opened_total", "How often an endpoint began to be left alone")
PUT_OFF: Final = Counter("tocsin_deliveries_put_off_total", "Attempts made later than they were due", ("reason",))
