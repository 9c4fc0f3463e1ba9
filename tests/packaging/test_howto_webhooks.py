"""The commands of docs/howto/webhooks.md, typed into a shell, against the ingest stage with its log in memory."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import uvicorn

from tests.packaging.test_readme import documents_in
from tests.stages.ingest import Stage
from tests.stages.webhooks import MAPPERS, knowing
from tocsin.events.alerts import AlertReceived
from tocsin.events.topics import dlq_topic, events_topic
from tocsin.ingest.mappers import read_mappers
from tocsin.ingest.sources.signatures import labelled

HOWTO = (Path(__file__).parents[2] / "docs" / "howto" / "webhooks.md").read_text()
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DEFAULT = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")
_SOURCES = {
    "SENTRY_CLIENT_SECRET": "sentry",
    "DATADOG_WEBHOOK_SECRET": "datadog",
    "ALERTMANAGER_WEBHOOK_SECRET": "alertmanager",
    "PAGERDUTY_ROUTING_KEYS": "pagerduty",
}


@asynccontextmanager
async def served(stage: Stage) -> AsyncIterator[int]:
    """The stage on a port of this machine."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(stage.application, log_config=None, lifespan="off"))
        running = asyncio.create_task(server.serve([listening]))
        try:
            async with asyncio.timeout(10):
                while not server.started:  # noqa: ASYNC110 - it has no event to wait for
                    await asyncio.sleep(0.01)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await running


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("curl")), reason="openssl or curl is not installed")
async def test_I1_every_command_of_the_howto_is_accepted() -> None:
    secrets = {_SOURCES[name]: labelled([value], "default") for name, value in _DEFAULT.findall(HOWTO)}
    sources = replace(knowing(secrets), mapper=read_mappers(MAPPERS).get)
    async with Stage(sources=sources) as stage, served(stage) as port:
        key = await stage.key("ingest")
        script = "\n".join(_BLOCK.findall(HOWTO)).replace("localhost:8000", f"127.0.0.1:{port}")
        script = re.sub(r"\$\(\.venv/bin/tocsin keys create[^)]*\)", key, script)
        shell = await asyncio.create_subprocess_exec(
            "bash",
            "-e",
            "-o",
            "pipefail",
            "-c",
            script,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed = (await shell.communicate())[0].decode()
        assert shell.returncode == 0, printed
        answers = documents_in(printed)
        alerts = [
            msgspec.json.decode(record.value, type=AlertReceived)
            for record in stage.publisher.of(events_topic("alerts"))
        ]
        assert [answer.get("accepted", answer.get("status")) for answer in answers] == [
            1,
            1,
            1,
            "success",
            "success",
            1,
            1,
        ]
        assert [alert.source for alert in alerts] == [
            "sentry",
            "datadog",
            "alertmanager",
            "pagerduty",
            "pagerduty",
            "cloudevents",
            "uptime-kuma",
        ]
        assert stage.publisher.of(dlq_topic("alerts")) == []


def test_the_howto_names_every_route() -> None:
    stage = Stage()
    routes = {route for route in stage.app.openapi()["paths"] if route.startswith("/webhooks/")}
    assert {route.replace("{mapper}", "<mapper>") for route in routes} <= set(re.findall(r"`(/webhooks/[^`]+)`", HOWTO))
