"""A record on its way into a transaction."""

from __future__ import annotations

from typing import NamedTuple


class OutgoingRecord(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = []  # noqa: RUF012 - aiokafka takes no other sequence; never changed
