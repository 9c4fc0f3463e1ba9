"""Attempts in the database as they were recorded, and in the metrics as they were counted."""

from __future__ import annotations

import asyncpg
import pytest

from tests.unit.domain.delivery_story import START, Story, attempted, requested
from tests.unit.projections.test_apply_deliveries import items
from tocsin.api.queries import counters
from tocsin.api.queries.reader import Reader
from tocsin.api.routes.metrics import lateness
from tocsin.events.times import rfc3339
from tocsin.projections.apply.deliveries import DELIVERIES
from tocsin.projections.tables import job_log_document

pytestmark = pytest.mark.embedded

TEXT = 'half \\ "quoted" {line}\n,NULL €'


async def test_J11_attempts_are_rows_and_counts_as_they_were_told(database: str) -> None:
    facts = Story().given(requested(), attempted(status=503, body=TEXT, body_cut=True), attempted(2)).facts
    connection = await asyncpg.connect(database, server_settings={"search_path": "read_model"})
    try:
        for write, rows in DELIVERIES.apply(items(facts), None).rows:
            await write.run(connection, rows)
        found = await connection.fetch("SELECT * FROM job_logs ORDER BY attempt")
    finally:
        await connection.close()
    first, second = (job_log_document(dict(row)) for row in found)
    assert (first["body"], first["body_cut"], first["status"], first["outcome"]) == (TEXT, True, 503, "retry")
    assert (first["started_at"], first["scheduled_for"]) == (rfc3339(START + 5), rfc3339(START))
    assert (second["error"], second["next_attempt_at"], second["address"]) == (None, None, "192.0.2.1")
    reader = Reader(database, size=1)
    async with reader.connection() as reading:
        values = list(await counters.totals(reading))
    await reader.close()
    assert {(one.labels.get("outcome"), one.value) for one in values if one.name == "job_attempts"} == {
        ("retry", 1),
        ("succeeded", 1),
    }
    samples = {
        (one.name, one.labels.get("le")): one.value
        for one in lateness(values, "tocsin_job_lateness_seconds", "late").samples
    }
    assert samples["tocsin_job_lateness_seconds_bucket", "0.005"] == 1
    assert samples["tocsin_job_lateness_seconds_bucket", "+Inf"] == 1
    assert samples["tocsin_job_lateness_seconds_sum", None] == 0.005
