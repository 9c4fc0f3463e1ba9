"""Every kind of client against a broker that asks for TLS, a name and a password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.workers import PARTITIONS, WorkerProcess, observer
from tests.integration.secured_kafka import NAME, PASSWORD, SecuredKafka
from tests.stages.sinks import certificate
from tocsin import broker, kafka_security
from tocsin.api import health
from tocsin.errors import StartError
from tocsin.events.topics import topics
from tocsin.settings import Settings

pytestmark = pytest.mark.embedded


@pytest.fixture
async def secured(session_directory: Path, tmp_path: Path) -> AsyncIterator[tuple[SecuredKafka, dict[str, str]]]:
    """The broker, and the environment of who may talk to it."""
    with certificate(tmp_path, "127.0.0.1"):
        kafka = SecuredKafka(session_directory / "secured", tmp_path / "127.0.0.1.pem")
    await asyncio.to_thread(kafka.prepare)
    kafka.spawn()
    try:
        await asyncio.to_thread(kafka.wait)
        yield (
            kafka,
            {
                "KAFKA_BOOTSTRAP_SERVERS": kafka.secured,
                "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
                "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
                "KAFKA_SASL_USERNAME": NAME,
                "KAFKA_SASL_PASSWORD": PASSWORD,
                "KAFKA_CA_FILE": str(tmp_path / "127.0.0.1.pem"),
            },
        )
    finally:
        kafka.stop()


async def test_S10_roles_work_with_scram_over_tls_and_are_refused_with_a_wrong_password(
    secured: tuple[SecuredKafka, dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kafka, environment = secured

    def use(**values: str) -> dict[str, Any]:
        for name, value in {**environment, **values}.items():
            monkeypatch.setenv(name, value)
        current = Settings(_env_file=None)
        monkeypatch.setattr(kafka_security, "settings", lambda: current)
        return kafka_security.client_options()

    use(KAFKA_SASL_PASSWORD="wrong")
    with pytest.raises(StartError, match=r"does not answer at .*, or refuses the credentials"):
        await broker.ensure_topics(kafka.secured, topics(), PARTITIONS)
    options = use()
    await broker.ensure_topics(kafka.secured, topics(), PARTITIONS)
    await health.kafka(kafka.secured)()
    worker = WorkerProcess(kafka.secured, tmp_path / "worker.log", **environment)
    try:
        async with observer(kafka.secured, "secured", **options) as (reporter, facts):
            # Faust's consumer, transactions, loading of state and timers: a fact needs all but the last
            await facts.until_decided(await reporter.one_each(), 60)
    finally:
        worker.stop()
    assert PASSWORD.encode() not in (tmp_path / "worker.log").read_bytes()
