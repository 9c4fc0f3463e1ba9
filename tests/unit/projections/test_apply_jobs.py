"""Facts about jobs to rows: what each fact changes, and that batching changes nothing."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.projections.job_log import JobLog, random_log, text
from tocsin.events import jobs as contract
from tocsin.projections.apply import jobs as applying
from tocsin.projections.apply.jobs import JOBS, apply
from tocsin.projections.projection import Changes, Record
from tocsin.projections.tables import job_document

Tables = dict[str, dict[Any, Any]]


class MemoryTables:
    """The meaning of each bulk statement, said again in Python."""

    def __init__(self) -> None:
        self.tables: Tables = defaultdict(dict)
        self.rejected: list[str] = []

    def project(self, records: list[Record]) -> Changes:
        changes = apply([JOBS.decode(record) for record in records], dict(self.tables["jobs"]))
        for write, rows in changes.rows:
            for row in rows:
                self._write(write, dict(zip(write.columns, row, strict=True)))
        self.rejected += [one.reason for one in changes.rejected]
        return changes

    def _write(self, write: Any, row: dict[str, Any]) -> None:
        key: tuple[Any, ...]
        if write is applying._JOBS:
            self.tables["jobs"][row["workspace"], row["job_id"]] = row
        elif write is applying._SPECS:
            key = row["workspace"], row["job_id"], row["spec_version"]
            self.tables["specs"].setdefault(key, row)
        elif write is applying._SLOTS:
            slot = row["workspace"], row["job_id"], row["spec_version"], row["slot"]
            before = self.tables["slots"].get(slot, {"decisions": 0})
            self.tables["slots"][slot] = row | {"decisions": before["decisions"] + row["decisions"]}
        else:
            counter = row["name"], row["labels"], row["partition"]
            counters = self.tables["counters"]
            counters[counter] = counters.get(counter, 0) + row["value"]


def projected(log: JobLog) -> MemoryTables:
    tables = MemoryTables()
    tables.project(log.records)
    return tables


def row(log: JobLog, nth: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = projected(log).tables["jobs"]["default", log.jobs[nth].job_id]
    return found


def counted(tables: MemoryTables, name: str) -> dict[str, int]:
    return {labels: value for (one, labels, _), value in tables.tables["counters"].items() if one == name}


@given(st.integers(0, 10_000), st.lists(st.integers(1, 30), min_size=1))
def test_X1_job_rows_do_not_depend_on_where_batches_end(seed: int, sizes: list[int]) -> None:
    log = random_log(80, seed)
    whole, cut = projected(log), MemoryTables()
    at = nth = 0
    while at < len(log.records):
        size = sizes[nth % len(sizes)]
        cut.project(log.records[at : at + size])
        at, nth = at + size, nth + 1
    assert cut.tables == whole.tables
    assert whole.rejected == cut.rejected == []


def test_J1_a_new_job_has_the_columns_of_its_spec() -> None:
    log = JobLog()
    log.create(payload=msgspec.Raw(b'{"n":1e400}'), tags=("a",), headers={"X-Key": "sealed:v1:x"}, dst="skip")
    found = row(log)
    assert (found["cron"], found["run_at"], found["status"], found["spec_version"]) == ("* * * * *", None, "active", 1)
    assert (found["payload"], found["tags"], found["headers"]) == ('{"n":1e400}', '["a"]', '{"X-Key":"sealed:v1:x"}')
    assert (found["created_by"], found["created_at"], found["updated_at"]) == ("ana", text(log.now), text(log.now))
    assert (found["last_run_id"], found["ended_at"], found["version"]) == (None, None, 0)
    assert found["next_run"] == "2026-03-01T00:01:00.000Z"


def test_J3_the_last_run_is_the_one_that_began_last() -> None:
    log = JobLog()
    job = log.create()
    log.fire(job)
    second = log.fire(job)
    assert (row(log)["last_run_id"], row(log)["last_result"]) == (second, "running")
    log.finish(job, "failed", nth=0)
    assert row(log)["last_result"] == "running"
    log.finish(job, "succeeded")
    found = row(log)
    assert (found["last_result"], found["last_finished_at"]) == ("succeeded", getattr(log.facts[-1], "finished_at", ""))
    assert found["last_slot"] == text(job.slot)
    log.fire(job)
    assert row(log)["last_finished_at"] is None


def test_J2_when_a_job_ended_is_kept_until_it_goes_on() -> None:
    log = JobLog()
    job = log.create()
    log.become(job, "disabled")
    ended = text(log.now)
    log.fire(job)
    assert row(log)["ended_at"] == ended
    log.become(job, "active")
    assert row(log)["ended_at"] is None


def test_J7_every_listed_slot_has_a_row_and_the_rest_a_range() -> None:
    log = JobLog()
    job = log.create()
    log.passed(job, "missed", count=2, more=5)
    log.fire(job, "late")
    tables = projected(log)
    rows = sorted(tables.tables["slots"].values(), key=lambda one: one["slot"])
    assert [(one["slot"][11:16], one["verdict"], one["more"], one["first"]) for one in rows] == [
        ("00:06", "missed", 5, "2026-03-01T00:01:00.000Z"),
        ("00:07", "missed", 0, None),
        ("00:08", "late", 0, None),
    ]
    assert (rows[2]["run_id"], rows[2]["lateness_ms"], rows[2]["reason"]) == (job.running[0][0], 7, "asked")
    assert counted(tables, "job_slots") == {'{"verdict":"missed"}': 7, '{"verdict":"late"}': 1}


def test_J7_a_slot_that_was_decided_twice_says_so() -> None:
    log = JobLog()
    job = log.create()
    log.fire(job)
    job.slot -= timedelta(minutes=1)
    log.fire(job)
    assert [one["decisions"] for one in projected(log).tables["slots"].values()] == [2]


def test_J16_jobs_runs_and_failures_are_counted() -> None:
    log = JobLog()
    job = log.create()
    for result in ("succeeded", "failed", "gone", "cancelled"):
        log.fire(job)
        log.finish(job, result)
    tables = projected(log)
    found = {name: counted(tables, name) for name in ("jobs_scheduled", "jobs_executed", "jobs_failed")}
    assert found == {"jobs_scheduled": {"{}": 1}, "jobs_executed": {"{}": 3}, "jobs_failed": {"{}": 2}}


def test_X1_a_fact_about_a_job_nobody_created_is_set_aside() -> None:
    log = JobLog()
    log.fire(log.create())
    tables = MemoryTables()
    tables.project(log.records[1:])
    assert tables.rejected == [f"job {log.jobs[0].job_id} was never created"]
    assert not tables.tables["jobs"]


def test_X1_times_that_are_none_are_set_aside() -> None:
    log = JobLog()
    job = log.create()
    log.add(
        contract.SlotsPassed,
        job.job_id,
        job_id=job.job_id,
        status="active",
        verdict="missed",
        slots=(10**18,),
        spec_version=1,
    )
    assert len(projected(log).rejected) == 1


def test_J3_secrets_are_masked_and_gone_is_a_failure() -> None:
    log = JobLog()
    job = log.create(headers={"X-Key": "sealed:v1:x", "X-Team": "ops"})
    log.fire(job)
    log.finish(job, "gone")
    found = row(log)
    times = {name: None for name in found if name.endswith("_at") or name in ("next_run", "last_slot")}
    shown = job_document(found | times)
    assert shown["headers"] == {"X-Key": "***", "X-Team": "ops"}
    assert (shown["last_run_status"], shown["last_run"]["status"]) == ("failed", "gone")
    assert shown["schedule"] == {"type": "cron", "cron": "* * * * *", "run_at": None}
