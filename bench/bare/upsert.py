"""The bare projector: rows upserted in batches by ``unnest`` on one connection, into a table like that of tickets."""

from __future__ import annotations

import time
from typing import Any, Final

import asyncpg

_TABLE: Final = """
DROP TABLE IF EXISTS bare_tickets;
CREATE TABLE bare_tickets (
    workspace text, ticket_id text, workflow text NOT NULL, status text NOT NULL, message text NOT NULL,
    context jsonb, occurrences bigint NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    PRIMARY KEY (workspace, ticket_id)
);
CREATE INDEX ON bare_tickets (workspace, created_at, ticket_id);
CREATE INDEX ON bare_tickets (workspace, workflow, created_at, ticket_id);
"""
_UPSERT: Final = """
INSERT INTO bare_tickets
SELECT 'default', ticket_id, workflow, 'open', message, context, occurrences, now(), now()
  FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::bigint[])
    AS new(ticket_id, workflow, message, context, occurrences)
ON CONFLICT (workspace, ticket_id) DO UPDATE
   SET message = excluded.message, context = excluded.context, occurrences = excluded.occurrences, updated_at = now()
"""


async def upsert(dsn: str, total: int, keys: int, batch: int = 500) -> float:
    """Rows a second of ``total`` upserts that go round ``keys`` ids."""
    connection = await asyncpg.connect(dsn, server_settings={"synchronous_commit": "off"})
    try:
        await connection.execute(_TABLE)
        started = time.perf_counter()
        for at in range(0, total, batch):
            await connection.execute(_UPSERT, *_columns(range(at, min(total, at + batch)), keys))
        return total / (time.perf_counter() - started)
    finally:
        await connection.close()


def _columns(numbers: range, keys: int) -> list[list[Any]]:
    ids = [number % keys for number in numbers]
    return [
        [f"t_{number:026d}-1" for number in ids],
        [f"workflow-{number % 50}" for number in ids],
        [f"step load of job {number} failed: no rows in the staging table after three attempts" for number in ids],
        ['{"rows": 0, "attempt": 3}' for _ in ids],
        list(numbers),
    ]
