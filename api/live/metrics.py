"""What live events measure in this process. ``kind``: ``sse`` or ``websocket``."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

CLIENTS: Final = Gauge("tocsin_live_clients", "Clients connected for live events", ["kind"])
SENT: Final = Counter("tocsin_live_events_sent", "Live events sent, once a client", ["kind"])
REFUSED: Final = Counter("tocsin_live_clients_refused", "Clients refused", ["kind", "reason"])
DROPPED: Final = Counter("tocsin_live_clients_dropped", "Clients that were sent away", ["kind", "reason"])
CATCH_UP_READS: Final = Counter("tocsin_live_catch_up_reads", "Reads for clients further back than memory reaches")
UNDECODABLE: Final = Counter("tocsin_live_undecodable", "Records of the live topic that could not be read")
LAG: Final = Gauge("tocsin_live_lag_records", "Offsets of the live topic this process has not read yet")
READABLE: Final = Gauge("tocsin_live_readable", "1 while the live topic can be read, or nobody wants to; else 0")
READABLE.set(1)
