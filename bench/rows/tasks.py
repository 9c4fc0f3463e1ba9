"""Workflows of AWS that wait for outside jobs: how soon each goes on once its job is seen to have ended."""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg
import httpx

from bench import outside_jobs, system, workflows
from bench.environment import Environment, Place
from bench.figures import Figures, Line, below, percentile
from bench.row import Bench, Row
from bench.workflows import Workflows
from tocsin import keys

_MEASURES: Final = ("p50", "p99", "max")
_ENCRYPTION_KEY: Final = (
    "YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNoMzI="  # of a broker and a database that live for one row
)
_WITHIN: Final = 60.0
_POLLED: Final = 3.0
"""Seconds that all jobs run: each is asked about at least twice."""


async def _jobs(environment: Environment, place: Place, number: int) -> int:
    file = environment.directory / f"jobs-{number}"
    environment.module(place, "bench.outside_jobs", str(file))
    async with asyncio.timeout(20):
        while not (port := outside_jobs.port(file)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return port


async def _register(http: httpx.AsyncClient, port: int, tokens: list[str]) -> None:
    """Over a second, so that their polls are spread. Raises RuntimeError unless every token is taken."""

    async def one(number: int, token: str) -> None:
        await asyncio.sleep(number / len(tokens))
        answer = await http.post(
            "/v1/tasks",
            json={
                "task_token": token,
                "external_job": {"id": f"bench-{number}"},
                "timeout_seconds": 300,
                "poll": {
                    "url": f"http://127.0.0.1:{port}/jobs/{number}",
                    "interval_seconds": 1,
                    "result_path": "$.result",
                },
            },
        )
        if answer.status_code != 201:
            raise RuntimeError(f"a task was answered {answer.status_code}: {answer.text}")

    await asyncio.gather(*(one(number, token) for number, token in enumerate(tokens)))


async def _warm_up(http: httpx.AsyncClient, waiting: Workflows) -> None:
    """The first call of AWS loads boto3 and makes its client; that is once in the life of a worker."""
    ((arn, token),) = (await waiting.wait(1)).items()
    made = await http.post("/v1/tasks", json={"task_token": token, "timeout_seconds": 300})
    settled = await http.post(f"/v1/tasks/{made.raise_for_status().json()['id']}/settle", json={"outcome": "success"})
    settled.raise_for_status()
    await waiting.resumed([arn])


async def _went_on(environment: Environment, number: int, port: int, waiting: Workflows, arns: list[str]) -> Figures:
    """Lets all jobs end. ``arns``: of the executions, in the order of their jobs."""
    await asyncio.sleep(_POLLED)
    async with httpx.AsyncClient(trust_env=False) as http:
        (await http.post(f"http://127.0.0.1:{port}/complete")).raise_for_status()
    resumed = await waiting.resumed(arns)
    ended = outside_jobs.completed_at(environment.directory / f"jobs-{number}")
    if len(ended) != len(arns):
        raise RuntimeError(f"{len(arns)} jobs, {len(ended)} were seen to end")
    took = [resumed[arn] - ended[job] for job, arn in enumerate(arns)]
    return {"p50": percentile(took, 0.5) * 1000, "p99": percentile(took, 0.99) * 1000, "max": max(took) * 1000}


async def _ours(environment: Environment, number: int, count: int) -> Figures:
    running = await system.start(environment)
    waiting = await Workflows.start(environment, running.place)
    try:
        port = await _jobs(environment, running.place, number)
        connection = await asyncpg.connect(running.place.database)
        try:
            bearer = (await keys.create(connection, "bench", "bench", "bench"))[1]
        finally:
            await connection.close()
        url, headers = f"http://127.0.0.1:{running.port}", {"x-api-key": bearer}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_WITHIN, trust_env=False) as http:
            await _warm_up(http, waiting)
            found = await waiting.wait(count)
            await _register(http, port, list(found.values()))
        return await _went_on(environment, number, port, waiting, list(found))
    finally:
        waiting.emulator.stop()
        running.stop()


async def _bare(environment: Environment, number: int, count: int) -> Figures:
    place = await environment.place(database=False)
    waiting = await Workflows.start(environment, place)
    try:
        port = await _jobs(environment, place, number)
        found = await waiting.wait(count)
        plan = environment.directory / f"resume-{number}"
        lines = (f"http://127.0.0.1:{port}/jobs/{job} {token}" for job, token in enumerate(found.values()))
        plan.write_text("\n".join(lines))
        settling = environment.module(place, "bench.bare.resume", str(plan))
        try:
            figures = await _went_on(environment, number, port, waiting, list(found))
        finally:
            settling.stop()
        return figures
    finally:
        waiting.emulator.stop()


async def resume(bench: Bench) -> list[Line]:
    count, rounds = bench.size(100, 20), bench.size(3, 1)
    with bench.environment() as environment:
        environment.settings = {
            **workflows.settings(environment.directory),
            "TOCSIN_ENCRYPTION_KEYS": _ENCRYPTION_KEY,
        }
        number = iter(range(2 * rounds))
        ours, bare = await bench.in_turns(
            rounds,
            lambda: _ours(environment, next(number), count),
            lambda: _bare(environment, next(number), count),
            warm_up=False,
        )
    return [
        Line(
            f"job seen to have ended to workflow gone on, {name}",
            "ms",
            ours[name],
            bare[name],
            (below(1_000),) if name == "p99" else (),
        )
        for name in _MEASURES
    ]


RESUME: Final = Row(
    "task_resume",
    "100 workflows of AWS Step Functions (MiniStack) wait for jobs that end at the same moment; each job is asked about"
    " once a second, spread over it; one workflow before them does not count",
    resume,
    "an asyncio loop that knows all tokens, asks with aiohttp and settles by boto3 in 32 threads; nothing is kept",
)
