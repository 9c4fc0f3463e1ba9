"""Every row, in the order they run."""

from __future__ import annotations

from typing import Final

from bench.row import Row
from bench.rows import decide, gateway

ROWS: Final[tuple[Row, ...]] = (gateway.SINGLE, gateway.BATCH, decide.DECIDE)
