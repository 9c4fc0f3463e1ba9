"""Positions of a projection: rows beside the read models, moved in their transaction and only from where they were."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NamedTuple

Partition = tuple[str, int]
"""Topic and partition."""

_ENSURE: Final = """
INSERT INTO projection_offsets (projection, topic, partition, next_offset)
SELECT $1, topic, partition, 0 FROM unnest($2::text[], $3::int[]) AS wanted(topic, partition)
ON CONFLICT DO NOTHING
"""
_READ: Final = """
SELECT topic, partition, next_offset FROM projection_offsets
  JOIN unnest($2::text[], $3::int[]) AS wanted(topic, partition) USING (topic, partition) WHERE projection = $1
"""
_MOVE: Final = """
UPDATE projection_offsets AS old SET next_offset = moved.new
  FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS moved(topic, partition, old, new)
 WHERE old.projection = $1 AND old.topic = moved.topic AND old.partition = moved.partition
   AND old.next_offset = moved.old
"""


class Move(NamedTuple):
    """``old``: where the batch begins; ``new``: the offset after its last record."""

    topic: str
    partition: int
    old: int
    new: int


class PositionMoved(Exception):
    """Another projector, or a rebuild, moved a position of this batch: what was read is not to be applied."""


async def read(connection: Any, projection: str, partitions: Collection[Partition]) -> dict[Partition, int]:
    """The next offset of each partition; one never projected begins at 0, whatever the log still holds."""
    wanted = sorted(partitions)
    columns = [topic for topic, _ in wanted], [partition for _, partition in wanted]
    await connection.execute(_ENSURE, projection, *columns)
    found = await connection.fetch(_READ, projection, *columns)
    return {(row["topic"], row["partition"]): row["next_offset"] for row in found}


async def move(connection: Any, projection: str, moves: Collection[Move]) -> None:
    """First statement of a batch's transaction: whoever holds these rows is the only one to apply it.

    Raises PositionMoved when one of them is not where it was read.
    """
    # in one order, so that two who compete wait for each other once and never in a circle
    columns = map(list, zip(*sorted(moves), strict=True))
    status = await connection.execute(_MOVE, projection, *columns)
    if status != f"UPDATE {len(moves)}":
        raise PositionMoved(", ".join(f"{one.topic}[{one.partition}]@{one.old}" for one in sorted(moves)))
