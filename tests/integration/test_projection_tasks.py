"""Tasks on a real PostgreSQL: rows wherever batches end, the inbox against a plain filter, waiting for the end."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.query_api import QueryApi, key_for, query_api
from tests.integration.test_projection_jobs import everything
from tests.integration.test_projection_store import project, rows
from tests.unit.domain.task_story import Story, register, settle
from tests.unit.projections.task_log import OWNERS, random_log, records_of, task_id
from tocsin.events.jobs import NO_PAYLOAD
from tocsin.projections import checksum

pytestmark = pytest.mark.embedded


@pytest.fixture
async def api(database: str) -> AsyncIterator[QueryApi]:
    key, row = key_for("default", "read", "metrics")
    async with query_api(database, row) as running:
        running.http.headers["x-api-key"] = key
        yield running


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_X1_task_rows_do_not_depend_on_where_batches_end(database: str, size: int) -> None:
    log = random_log(40, seed=size)
    await project(database, log)
    whole = await checksum.read(database)
    assert not await rows(database, "SELECT * FROM tocsin.projection_errors")
    await rows(database, f"TRUNCATE {', '.join(f'read_model.{table.name}' for table in checksum.TABLES)}")
    await project(database, log, size)
    assert await checksum.read(database) == whole


def filters(tasks: list[dict[str, Any]]) -> dict[str, tuple[dict[str, str], Any]]:
    """Each filter as parameters and as the condition it stands for."""
    created = sorted(task["created_at"] for task in tasks)
    low, high = created[len(created) // 4], created[3 * len(created) // 4]
    return {
        "waiting": ({"status": "waiting"}, lambda task: task["settlement"] is None),
        "ended": ({"status": "completed,Failed"}, lambda task: task["status"] in ("COMPLETED", "FAILED")),
        "bound": ({"has_deadline": "true"}, lambda task: task["deadline"] is not None),
        "free": ({"has_deadline": "false"}, lambda task: task["deadline"] is None),
        **{owner: ({"owner": owner}, lambda task, owner=owner: task["owner"] == owner) for owner in OWNERS if owner},
        "job": ({"external_job_id": "export"}, lambda task: task["external_job"]["id"] == "export"),
        "confirmed": (
            {"confirmation": "confirmed,pending"},
            lambda task: task["settlement"] and task["settlement"]["confirmation"] in ("confirmed", "pending"),
        ),
        "created_from": ({"created_from": low}, lambda task: task["created_at"] >= low),
        "created_to": ({"created_to": high}, lambda task: task["created_at"] < high),
    }


SORTS: dict[str, Any] = {
    "created_at": lambda task: (task["created_at"], task["id"]),
    "updated_at": lambda task: (task["updated_at"], task["id"]),
    "deadline": lambda task: (task["deadline"] or "9999", task["id"]),
}


async def test_T9_every_filter_alone_and_in_pairs_is_a_plain_filter(api: QueryApi, database: str) -> None:
    await project(database, random_log(120, seed=5))
    await project(database, [one for one in random_log(9, seed=6, workspace="other") if one.partition == 0])
    known = await everything(api, "/v1/tasks")
    assert {task["workspace"] for task in known} == {"default"}
    assert len(known) == 120
    offered = filters(known)
    combinations = [(), *((name,) for name in offered), *itertools.combinations(offered, 2)]
    for nth, names in enumerate(combinations):
        parameters = {key: value for name in names for key, value in offered[name][0].items()}
        if len(parameters) < len(names):
            continue  # two values of one parameter
        sort, reverse = list(SORTS)[nth % 3], nth % 2 == 0
        wanted = [
            task["id"]
            for task in sorted(known, key=SORTS[sort], reverse=reverse)
            if all(offered[name][1](task) for name in names)
        ]
        found = await everything(api, "/v1/tasks", **parameters, sort="-" * reverse + sort)
        assert [task["id"] for task in found] == wanted, (names, sort)


async def test_T9_age_is_measured_from_the_registration(api: QueryApi, database: str) -> None:
    await project(database, records_of(Story().given(register()).facts))
    assert len(await everything(api, "/v1/tasks", min_age_seconds="60")) == 1
    assert len(await everything(api, "/v1/tasks", min_age_seconds="3e8")) == 0


@pytest.mark.parametrize("query", ["status=gone", "confirmation=maybe", "min_age_seconds=-1", "sort=owner", "who=ana"])
async def test_T9_a_query_that_makes_no_sense_is_refused(api: QueryApi, query: str) -> None:
    assert (await api.http.get(f"/v1/tasks?{query}")).status_code == 422


async def test_T4_who_waits_is_answered_when_the_task_is_settled(api: QueryApi, database: str) -> None:
    story = Story().given(register(issued=True))
    await project(database, records_of(story.facts))
    path = f"/v1/tasks/{task_id(1)}"
    begun = time.monotonic()
    waiting = [asyncio.create_task(api.http.get(path, params={"wait_seconds": 20})) for _ in range(20)]
    short = await api.http.get(path, params={"wait_seconds": 0.3})
    assert short.json()["status"] == "PENDING"
    assert time.monotonic() - begun >= 0.3
    before = len(story.facts)
    story.when(settle())
    await project(database, records_of(story.facts[before:], first_offset=before))
    answers = await asyncio.gather(*waiting)
    assert {answer.json()["status"] for answer in answers} == {"COMPLETED"}
    assert time.monotonic() - begun < 10
    assert (await api.http.get(path, params={"wait_seconds": 21})).status_code == 422
    at_once = time.monotonic()
    assert (await api.http.get(path, params={"wait_seconds": 20})).json()["status"] == "COMPLETED"
    assert time.monotonic() - at_once < 5


async def test_T2_polls_are_listed_and_a_large_result_is_in_the_task_alone(api: QueryApi, database: str) -> None:
    story = Story().given(register())
    for state in ("running", "running"):
        story.wake(after=story.due_in() or 0)
        story.polled(state)
    story.wake(after=story.due_in() or 0)
    story.polled("completed", result_digest="d" * 64, result=NO_PAYLOAD)
    await project(database, records_of(story.facts))
    path = f"/v1/tasks/{task_id(1)}"
    assert [one["poll"] for one in await everything(api, f"{path}/polls")] == [3, 2, 1]
    assert (await api.http.get(path)).json()["settlement"]["result"] is None
    await rows(database, "INSERT INTO read_model.payloads VALUES ($1, '{\"n\":1e400}')", "d" * 64)
    assert '"result":{"n":1e400},' in (await api.http.get(path)).text
    for unknown in ("k_x", "%00", task_id(99)):
        assert (await api.http.get(f"/v1/tasks/{unknown}")).status_code == 404
        assert (await api.http.get(f"/v1/tasks/{unknown}/polls")).status_code == 404


async def test_T9_what_waits_and_what_ended_is_measured(api: QueryApi, database: str) -> None:
    await project(database, records_of(Story().given(register(timeout_ms=0)).facts, 1))
    await project(database, records_of(Story().given(register()).facts, 2, first_offset=100))
    await project(database, records_of(Story().given(register(), settle()).facts, 3, first_offset=200))
    text = (await api.http.get("/metrics")).text
    for line in (
        "tocsin_tasks_waiting 2.0",
        "tocsin_tasks_without_deadline 1.0",
        'tocsin_tasks_settled_total{status="COMPLETED"} 1.0',
        'tocsin_tasks_registered_total{deadline="none"} 1.0',
    ):
        assert line in text
