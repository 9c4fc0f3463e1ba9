"""Deliveries of the senders, from bodies of their real shape in tests/data/webhooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tocsin.events.alerts import AlertReceived
from tocsin.ingest.sources.webhook import Delivery, Reading

DATA = Path(__file__).parents[2] / "data" / "webhooks"
NOW = 1_790_000_000_000
"""2026-09-21T14:13:20Z"""


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / name).read_bytes())
    return found


def delivery(content: bytes | dict[str, Any], verified_by: str = "first", /, **headers: str) -> Delivery:
    """``headers``: with ``_`` for ``-``."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Delivery(text, {name.replace("_", "-"): value for name, value in headers.items()}, NOW, verified_by)


def alert(reading: Reading) -> AlertReceived:
    [found] = reading.events
    assert isinstance(found, AlertReceived)
    return found
