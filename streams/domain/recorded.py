"""An event as the log has it, for those who decide it once more."""

from __future__ import annotations

from typing import Any, NamedTuple

from tocsin.events.envelope import Envelope


class Recorded(NamedTuple):
    """``at``: append time in Unix ms."""

    at: int
    partition: int
    offset: int
    entity: str
    envelope: Envelope
    event: Any
