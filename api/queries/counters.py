"""The business counters that were projected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.projections.tables import counters


class Value(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: int


async def totals(connection: AsyncConnection) -> Iterator[Value]:
    """The sum over all partitions of each name and set of labels."""
    c = counters.c
    statement = select(c.name, c.labels, func.sum(c.value)).group_by(c.name, c.labels).order_by(c.name, c.labels)
    return (
        Value(name, orjson.loads(labels), int(value)) for name, labels, value in await connection.execute(statement)
    )
