"""A broker with the topics of an installation, and stream workers on it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.workers import PARTITIONS, WorkerProcess
from tests.installation import Installation, running
from tocsin.broker import ensure_topics
from tocsin.embedded import ports
from tocsin.embedded.kafka import Kafka
from tocsin.events.topics import topics

ALERTMANAGER_SECRET = "the secret of Alertmanager"
Start = Callable[..., WorkerProcess]


@pytest.fixture(scope="package")
def aws_port() -> int:
    """Where the installation looks for AWS Step Functions; a test that needs it has to answer there."""
    return ports.choose(1)[0]


@pytest.fixture(scope="package")
def installation(session_directory: Path, aws_port: int) -> Iterator[Installation]:
    """For faults that leave it working; each test uses names of its own."""
    with running(
        session_directory / "faults",
        ALERTMANAGER_WEBHOOK_SECRET=ALERTMANAGER_SECRET,
        TOCSIN_EGRESS_ALLOW="127.0.0.1:1024-65535",
        AWS_ENDPOINT_URL_STEPFUNCTIONS=f"http://127.0.0.1:{aws_port}",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    ) as installed:
        yield installed


@pytest.fixture
async def bootstrap(broker_process: Kafka) -> str:
    await ensure_topics(broker_process.bootstrap, topics(), PARTITIONS)
    return broker_process.bootstrap


@pytest.fixture
def start(bootstrap: str, tmp_path: Path) -> Iterator[Start]:
    """Starts workers; what is still running at the end leaves its group, so that the next test's need not wait."""
    running: list[WorkerProcess] = []

    def start_worker(*arguments: str, module: str = "tocsin", **settings: str) -> WorkerProcess:
        log = tmp_path / f"worker-{len(running)}.log"
        running.append(WorkerProcess(bootstrap, log, module, arguments or ("stream",), **settings))
        return running[-1]

    yield start_worker
    for worker in running:
        worker.end(signal.SIGTERM)
    for worker in running:
        worker.stop(signal.SIGTERM)
