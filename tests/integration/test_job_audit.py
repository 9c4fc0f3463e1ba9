"""``tocsin jobs audit`` on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from typer.testing import CliRunner

from tests.integration.test_projection_store import project
from tests.unit.projections.job_log import BEGIN, JobLog
from tocsin.job_audit import audits

pytestmark = pytest.mark.embedded


async def test_J7_the_audit_reads_what_was_projected(database: str) -> None:
    log = JobLog()
    whole, holed, over = log.create(), log.create(), log.create()
    resting = log.create(catchup_on_resume=True)
    for nth in range(10):
        log.fire(whole)
        if nth != 4:
            log.fire(holed)
        else:
            holed.slot += timedelta(minutes=1)
    log.now = BEGIN
    log.become(over, "deleted")
    log.become(resting, "paused")
    await project(database, log.records)
    connection = await asyncpg.connect(database)
    try:
        found = await audits(connection, BEGIN, BEGIN + timedelta(minutes=11), "default")
        [one] = await audits(connection, BEGIN, BEGIN + timedelta(minutes=11), None, holed.job_id)
    finally:
        await connection.close()
    by_id = {each.job_id: each for each in found}
    assert [by_id[job.job_id].findings for job in (whole, over, resting)] == [[], [], []]
    [hole] = by_id[holed.job_id].findings
    assert (hole.kind, hole.slot, list(one.findings)) == ("hole", BEGIN + timedelta(minutes=5), [hole])


def test_J7_the_audit_ends_with_1_when_something_is_wrong(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tocsin.cli import app
    from tocsin.settings import settings

    monkeypatch.setenv("DATABASE_URL", database)
    settings.cache_clear()
    try:
        assert CliRunner().invoke(app, ["jobs", "audit"]).output == "0 jobs, 0 slots decided, 0 wrong.\n"
        log = JobLog(now=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5))
        log.create()
        asyncio.run(project(database, log.records))
        done = CliRunner().invoke(app, ["jobs", "audit", "--json"])
        assert done.exit_code == 1
        [job] = json.loads(done.output)
        assert {one["kind"] for one in job["findings"]} == {"hole"}
        assert "nothing was decided of it" in CliRunner().invoke(app, ["jobs", "audit", "--since", "1h"]).output
    finally:
        settings.cache_clear()
