"""Kafka or PostgreSQL away for a while, gone or frozen: said plainly, nothing lost, everything goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest

from tests.faults.evidence import assert_exact
from tests.faults.load import Load
from tests.installation import Installation, eventually, running
from tocsin.embedded.kafka import Kafka
from tocsin.embedded.postgres import Postgres

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

GROWTH = 80 * 1024 * 1024
ROLES = ("http", "stream", "project")
FAILURE = {"workflow": "probe", "message": "boom"}


class Stand(NamedTuple):
    """An installation on a broker and a database that it does not restart itself."""

    installation: Installation
    kafka: Kafka
    postgres: Postgres


@pytest.fixture(scope="module")
def stand(session_directory: Path, module_broker: Kafka) -> Iterator[Stand]:
    postgres = Postgres(session_directory / "outages-postgres")
    try:
        with running(
            session_directory / "outages",
            KAFKA_BOOTSTRAP_SERVERS=module_broker.bootstrap,
            DATABASE_URL=postgres.start(),
            TOCSIN_KEY_PEPPER="pepper",
        ) as installed:
            yield Stand(installed, module_broker, postgres)
    finally:
        postgres.stop()


@contextmanager
def away(backend: Kafka | Postgres, how: str) -> Iterator[None]:
    """``killed``: gone, and started again at the end; ``frozen``: alive, but it answers nothing."""
    assert backend.process is not None
    if how == "killed":
        backend.kill()
        try:
            yield
        finally:
            backend.spawn()
            backend.wait()
    else:
        family = [backend.process, *backend.process.children(recursive=True)]
        _each(family, psutil.Process.suspend)
        try:
            yield
        finally:
            _each(family, psutil.Process.resume)


def _each(family: list[Any], act: Callable[[Any], None]) -> None:
    for one in family:
        if one.is_running():
            act(one)


def during(seconds: float) -> Iterator[None]:
    """Turns, a few a second, until the outage has lasted so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.2)


def memory(installation: Installation) -> dict[str, int]:
    return {name: installation.child(name).memory_info().rss for name in ROLES}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    return document


def not_ready(client: httpx.Client, name: str) -> None:
    found = problem(client.get("/health/ready"), 503)
    assert found["failing"] == [name]
    assert client.get("/health/live").status_code == 200
    assert problem(client.get("/health"), 500)["failing"] == [name]


@pytest.mark.parametrize("how", ["killed", pytest.param("frozen", marks=pytest.mark.long)])
def test_J15_kafka_away_is_said_at_once_and_everything_goes_on_by_itself(stand: Stand, long: bool, how: str) -> None:
    installation = stand.installation
    http = installation.child("http")
    with Load(installation.url, f"no-kafka-{how}") as load, installation.client() as client:
        load.flows()
        before = memory(installation)
        with away(stand.kafka, how):
            for _ in during(20 if long else 5):
                refused_in_time(client)
                not_ready(client, "kafka")
                assert client.get("/tickets").status_code == 200
            assert installation.child("http").memory_info().rss - before["http"] < GROWTH
        eventually(installation.ready, 60)
        load.flows(seconds=60)
    assert_exact(installation, load)
    assert installation.child("http") == http
    assert set(load.statuses) <= {200, 202, 503}


def unavailable_in_time(client: httpx.Client, path: str) -> None:
    began = time.monotonic()
    problem(client.get(path), 503)
    assert time.monotonic() - began < 10, path


def refused_in_time(client: httpx.Client) -> None:
    began = time.monotonic()
    answer = client.post("/failures", json=FAILURE)
    assert time.monotonic() - began < 5
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("how", ["frozen", pytest.param("killed", marks=pytest.mark.long)])
def test_J15_postgres_away_stops_no_report_and_commands_have_their_outcome_later(
    stand: Stand, long: bool, how: str
) -> None:
    installation = stand.installation
    family = [installation.child(name) for name in ROLES]
    with Load(installation.url, f"no-postgres-{how}") as load, installation.client() as client:
        load.flows()
        with away(stand.postgres, how):
            for _ in during(20 if long else 5):
                assert client.post("/failures", json=FAILURE).status_code == 202
                with ThreadPoolExecutor(3) as clients:
                    list(clients.map(partial(unavailable_in_time, client), ("/tickets", "/tickets/t", "/commands/c")))
                not_ready(client, "postgres")
            # commands are answered by 202 and a link, once a client has waited long enough for the decision
            eventually(lambda: load.later > 0, 30)
        eventually(installation.ready, 60)
        load.flows()
    assert_exact(installation, load)
    assert [installation.child(name) for name in ROLES] == family
    assert set(load.statuses) <= {200, 202, 503}
