"""Jobs on a real PostgreSQL: rows wherever batches end, lists against a plain filter, slots, attempts."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.query_api import QueryApi, key_for, query_api
from tests.integration.test_projection_store import project, rows
from tests.unit.projections.job_log import BEGIN, TAGS, JobLog, random_log, text
from tocsin.projections import checksum

pytestmark = pytest.mark.embedded


@pytest.fixture
async def api(database: str) -> AsyncIterator[QueryApi]:
    key, row = key_for("default", "read", "metrics")
    async with query_api(database, row) as running:
        running.http.headers["x-api-key"] = key
        yield running


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_X1_job_rows_do_not_depend_on_where_batches_end(database: str, size: int) -> None:
    log = random_log(200, seed=size)
    await project(database, log.records)
    whole = await checksum.read(database)
    assert not await rows(database, "SELECT * FROM tocsin.projection_errors")
    await rows(database, f"TRUNCATE {', '.join(f'read_model.{table.name}' for table in checksum.TABLES)}")
    await project(database, log.records, size)
    assert await checksum.read(database) == whole


async def everything(api: QueryApi, path: str = "/v1/jobs", **parameters: Any) -> list[dict[str, Any]]:
    """The whole list, page by page, by cursor and by offset alike."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.http.get(path, params={"limit": 7, **parameters, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        again = await api.http.get(path, params={"limit": 7, **parameters, "offset": len(found)})
        assert (again.json()["items"], again.json()["total"]) == (page["items"], page["total"])
        found += page["items"]
        if page["next_cursor"] is None:
            assert len(found) == page["total"]
            return found
        cursor = {"cursor": page["next_cursor"]}


def filters(jobs: list[dict[str, Any]]) -> dict[str, tuple[dict[str, str], Any]]:
    """Each filter as parameters and as the condition it stands for."""
    created, updated = (sorted(job[name] for job in jobs) for name in ("created_at", "updated_at"))
    low, high = created[len(created) // 4], created[3 * len(created) // 4]
    updated_low, updated_high = updated[len(updated) // 4], updated[3 * len(updated) // 4]
    return {
        "status": ({"status": "Active,paused"}, lambda job: job["status"] in ("active", "paused")),
        "deleted": ({"status": "deleted,disabled"}, lambda job: job["status"] in ("deleted", "disabled")),
        "include_deleted": ({"include_deleted": "true"}, lambda _: True),
        "name": ({"name": "ping"}, lambda job: job["name"] == "ping"),
        "q": ({"q": "REPORT"}, lambda job: "report" in f"{job['name']} {job['callback_url']}".lower()),
        "percent": ({"q": "0%"}, lambda job: "0%" in job["name"]),
        "underscore": ({"q": "k_u"}, lambda job: "k_u" in job["name"]),
        **{tag: ({"tag": tag}, lambda job, tag=tag: tag in job["tags"]) for tag in TAGS},
        "created_from": ({"created_from": low}, lambda job: job["created_at"] >= low),
        "created_to": ({"created_to": high}, lambda job: job["created_at"] < high),
        "updated_from": ({"updated_from": updated_low}, lambda job: job["updated_at"] >= updated_low),
        "updated_to": ({"updated_to": updated_high}, lambda job: job["updated_at"] < updated_high),
    }


SORTS: dict[str, Any] = {
    "created_at": lambda job: (job["created_at"], job["id"]),
    "updated_at": lambda job: (job["updated_at"], job["id"]),
    "next_run": lambda job: (job["next_run"] or "9999", job["id"]),
}


async def test_J3_every_filter_alone_and_in_pairs_is_a_plain_filter(api: QueryApi, database: str) -> None:
    await project(database, random_log(500, seed=5).records)
    await project(database, [one for one in random_log(60, seed=6, workspace="other").records if one.partition == 0])
    known = await everything(api, include_deleted="true")
    assert {job["workspace"] for job in known} == {"default"}
    assert {"active", "paused", "disabled", "deleted"} <= {job["status"] for job in known}
    offered = filters(known)
    combinations = [(), *((name,) for name in offered), *itertools.combinations(offered, 2)]
    for nth, names in enumerate(combinations):
        parameters = {key: value for name in names for key, value in offered[name][0].items()}
        if len(parameters) < len(names):
            continue  # two values of one parameter
        sort, reverse = list(SORTS)[nth % 3], nth % 2 == 0
        shown = "include_deleted" in parameters or "deleted" in parameters.get("status", "")
        wanted = [
            job["id"]
            for job in sorted(known, key=SORTS[sort], reverse=reverse)
            if all(offered[name][1](job) for name in names) and (shown or job["status"] != "deleted")
        ]
        found = await everything(api, **parameters, sort="-" * reverse + sort)
        assert [job["id"] for job in found] == wanted, (names, sort)


async def test_J3_a_job_is_shown_with_everything_but_its_secrets(api: QueryApi, database: str) -> None:
    log = JobLog()
    job = log.create(headers={"X-Api-Key": "sealed:v1:abc", "X-Team": "ops"}, timezone="Europe/Berlin", tags=("eu",))
    log.fire(job)
    log.finish(job, "succeeded")
    await project(database, log.records)
    answer = await api.http.get(f"/v1/jobs/{job.job_id}")
    assert "sealed" not in answer.text
    shown = answer.json()
    assert shown["headers"] == {"X-Api-Key": "***", "X-Team": "ops"}
    assert (shown["name"], shown["timezone"], shown["tags"]) == ("nightly report", "Europe/Berlin", ["eu"])
    assert shown["schedule"] == {"type": "cron", "cron": "* * * * *", "run_at": None}
    assert (shown["last_run"]["slot"], shown["last_run_status"]) == (text(job.slot), "succeeded")
    assert shown["next_run"] == text(job.slot + timedelta(minutes=1))
    assert answer.headers["etag"] == '"2"'
    for unknown in ("j_x", "%00", f"{job.job_id}0"):
        assert (await api.http.get(f"/v1/jobs/{unknown}")).status_code == 404


async def test_J3_a_large_payload_is_in_the_job_and_not_in_the_list(api: QueryApi, database: str) -> None:
    log = JobLog()
    job = log.create(payload_digest="d" * 64)
    await project(database, log.records)
    assert (await api.http.get(f"/v1/jobs/{job.job_id}")).json()["payload"] is None
    await rows(database, "INSERT INTO read_model.payloads VALUES ($1, '{\"n\":1e400}')", "d" * 64)
    assert '"payload":{"n":1e400},' in (await api.http.get(f"/v1/jobs/{job.job_id}")).text
    assert (await api.http.get("/v1/jobs")).json()["items"][0]["payload"] is None


async def test_J4_a_deleted_job_is_gone_but_its_slots_and_attempts_stay(api: QueryApi, database: str) -> None:
    log = JobLog()
    job = log.create()
    log.fire(job)
    log.become(job, "deleted")
    await project(database, log.records)
    path = f"/v1/jobs/{job.job_id}"
    assert (await api.http.get(path)).status_code == 404
    assert (await api.http.get("/v1/jobs")).json()["total"] == 0
    assert (await api.http.get(path, params={"include_deleted": True})).json()["status"] == "deleted"
    assert len(await everything(api, f"{path}/slots")) == 1
    assert await everything(api, f"{path}/logs") == []
    for nothing in ("slots", "logs"):
        assert (await api.http.get(f"/v1/jobs/{log.workspace}/{nothing}")).status_code == 404


async def test_J7_every_slot_has_a_verdict_and_a_reason(api: QueryApi, database: str) -> None:
    log = JobLog()
    job, other = log.create(), log.create()
    for verdict in ("fired", "late", "fired"):
        log.fire(job, verdict)
    log.passed(job, "coalesced", 12)
    log.fire(other)
    await project(database, log.records)
    path = f"/v1/jobs/{job.job_id}/slots"
    slots = await everything(api, path)
    assert [one["slot"] for one in slots] == [text(BEGIN + timedelta(minutes=nth)) for nth in range(15, 0, -1)]
    assert [one["verdict"] for one in await everything(api, path, verdict="fired,LATE", sort="slot")] == [
        *("fired", "late", "fired")
    ]
    assert {one["reason"] for one in slots} == {"asked"}
    assert (await api.http.get(path, params={"verdict": "lost"})).json()["errors"][0]["code"] == "unknown_verdict"


async def test_J12_attempts_are_listed_newest_first_with_status_and_error(api: QueryApi, database: str) -> None:
    log = JobLog()
    job = log.create()
    await project(database, log.records)
    attempts = [(f"run-{nth // 3}", nth % 3 + 1, "retry" if nth % 3 < 2 else "failed") for nth in range(20)]
    await _attempts(database, job.job_id, attempts)
    path = f"/v1/jobs/{job.job_id}/logs"
    found = await everything(api, path)
    assert [(one["run_id"], one["attempt"], one["outcome"]) for one in found] == attempts[::-1]
    assert (found[0]["status"], found[0]["error"], found[0]["body_cut"], found[0]["address"]) == (
        500,
        "status",
        True,
        None,
    )
    page = (await api.http.get(path, params={"limit": 5, "offset": 10})).json()
    assert ([one["attempt"] for one in page["items"]], page["total"]) == ([1, 3, 2, 1, 3], 20)
    assert [one["attempt"] for one in await everything(api, path, run_id="run-1", sort="started_at")] == [1, 2, 3]
    assert len(await everything(api, path, outcome="failed")) == 6


async def _attempts(database: str, job_id: str, attempts: list[tuple[str, int, str]]) -> None:
    for nth, (run, attempt, outcome) in enumerate(attempts):
        at = BEGIN + timedelta(seconds=nth)
        await rows(
            database,
            "INSERT INTO read_model.job_logs (workspace, job_id, run_id, delivery_id, attempt, outcome, reason, status,"
            ' error, body, body_cut, scheduled_for, started_at, duration_ms, lateness_ms, "partition", "offset")'
            " VALUES ('default', $1, $2, $3, $4, $5, 'status', 500, 'status', 'no', true, $6, $6, 12, 3, 0, 0)",
            *(job_id, run, f"d-{run}", attempt, outcome, at),
        )


async def test_J16_business_counters_of_jobs_are_served(api: QueryApi, database: str) -> None:
    log = JobLog()
    job = log.create()
    log.fire(job)
    log.finish(job, "failed")
    await project(database, log.records)
    text_ = (await api.http.get("/metrics")).text
    for line in ("jobs_scheduled_total 1.0", "jobs_executed_total 1.0", "jobs_failed_total 1.0"):
        assert f"tocsin_{line}" in text_
    assert 'tocsin_job_slots_total{verdict="fired"} 1.0' in text_
