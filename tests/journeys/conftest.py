"""One installation for all journeys; each uses names of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import sns
from tests.installation import Installation
from tests.journeys import watchdog
from tests.journeys.sinks import Sink, sink
from tests.stages import webhooks
from tocsin.embedded import ports

ALERTMANAGER_SECRET = "the secret of Alertmanager"


@pytest.fixture(scope="package")
def slack() -> Iterator[Sink]:
    """Where the incoming webhook of the installation leads."""
    with sink() as receiver:
        yield receiver


@pytest.fixture(scope="package")
def aws_port() -> int:
    """Where the installation looks for AWS Step Functions; a test that needs it has to answer there."""
    return ports.choose(1)[0]


@pytest.fixture(scope="package")
def lambda_port() -> int:
    """Where the installation looks for AWS Lambda."""
    return ports.choose(1)[0]


@pytest.fixture(scope="package")
def installation(session_directory: Path, slack: Sink, aws_port: int, lambda_port: int) -> Iterator[Installation]:
    directory = session_directory / "up"
    directory.mkdir()
    policy = directory / "tickets.yaml"
    policy.write_text(
        "reopen_within: 24h\nsources:\n  impatient:\n    reopen_within: 1s\n  never:\n    reopen_within: never\n"
    )
    grouping = directory / "grouping.yaml"
    grouping.write_text((Path(__file__).parents[2] / "deploy" / "grouping.yaml").read_text())
    (directory / "sla.yaml").write_text(watchdog.policy())
    installed = Installation(
        directory,
        SLA_CONFIG_PATH=str(directory / "sla.yaml"),
        SLACK_WEBHOOK_URL=slack.url(watchdog.SLACK),
        TICKETS_CONFIG_PATH=str(policy),
        GROUPING_CONFIG_PATH=str(grouping),
        ALERTMANAGER_WEBHOOK_SECRET=f"{ALERTMANAGER_SECRET},{webhooks.NEW}",
        **{f"{source.upper()}_WEBHOOK_SECRET": webhooks.NEW for source in ("datadog", "grafana", "github")},
        SENTRY_CLIENT_SECRET=webhooks.NEW,
        STANDARD_WEBHOOK_SECRET=f"whsec_{webhooks.whsec(webhooks.NEW)}",
        PAGERDUTY_ROUTING_KEYS=webhooks.ROUTING_KEY,
        SNS_TOPIC_ARNS=sns.TOPIC,
        TOCSIN_EGRESS_ALLOW="127.0.0.1:1024-65535",
        AWS_ENDPOINT_URL_STEPFUNCTIONS=f"http://127.0.0.1:{aws_port}",
        AWS_ENDPOINT_URL_LAMBDA=f"http://127.0.0.1:{lambda_port}",
        TOCSIN_POLL_LAMBDAS="check-status",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
    installed.start()
    assert installed.output[-1].startswith("tocsin is ready"), installed.output
    try:
        yield installed
    finally:
        installed.end()


@pytest.fixture
def client(installation: Installation) -> Iterator[httpx.Client]:
    with installation.client() as client:
        yield client


@pytest.fixture
def workflow() -> str:
    """A workflow name nobody else uses."""
    return f"workflow-{uuid.uuid4().hex[:12]}"
