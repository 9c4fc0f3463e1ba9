"""Workflows of AWS Step Functions that wait for task tokens, in MiniStack; no Lambda, so nothing else is timed."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
from botocore.config import Config

from bench.environment import Environment, Place, Program
from tocsin.embedded import ports

REGION: Final = "us-east-1"
TABLE: Final = "tokens"
_WITHIN: Final = 60.0
_DEFINITION: Final = {
    "StartAt": "Wait",
    "States": {
        "Wait": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:dynamodb:putItem.waitForTaskToken",
            "Parameters": {
                "TableName": TABLE,
                "Item": {"id": {"S.$": "$$.Execution.Id"}, "token": {"S.$": "$$.Task.Token"}},
            },
            "TimeoutSeconds": 600,
            "End": True,
        }
    },
}


def settings(directory: Path) -> dict[str, str]:
    """Environment variables of MiniStack, and of whoever settles there. It listens on the loopback interface only."""
    (port,) = ports.choose(1)
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "SERVICES": "dynamodb,stepfunctions,iam,sts",
        "LOG_LEVEL": "ERROR",
        "STATE_DIR": str(directory / "ministack"),
        "AWS_ENDPOINT_URL_STEPFUNCTIONS": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }


def client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - an emulator takes any
        config=Config(max_pool_connections=32, retries={"total_max_attempts": 1}),
    )


class Workflows:
    """``emulator``: the running MiniStack."""

    def __init__(self, emulator: Program, url: str) -> None:
        self.emulator = emulator
        self._states = client("stepfunctions", url)
        self._tables = client("dynamodb", url)

    @classmethod
    async def start(cls, environment: Environment, place: Place) -> Workflows:
        """MiniStack with one state machine; ``environment`` has the settings. Raises TimeoutError."""
        url = environment.settings["AWS_ENDPOINT_URL_STEPFUNCTIONS"]
        emulator = environment.module(place, "ministack")
        async with asyncio.timeout(_WITHIN), httpx.AsyncClient(trust_env=False) as http:
            while not await _answers(http, f"{url}/_ministack/health"):
                emulator.check()
                await asyncio.sleep(0.05)
        found = cls(emulator, url)
        found._tables.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )
        found._machine = found._states.create_state_machine(
            name=f"bench-{uuid.uuid4().hex[:8]}",
            definition=json.dumps(_DEFINITION),
            roleArn="arn:aws:iam::000000000000:role/bench",
        )["stateMachineArn"]
        return found

    _machine: str

    async def wait(self, count: int) -> dict[str, str]:
        """So many executions that begin to wait now → their tokens. Raises TimeoutError."""
        arns = [await asyncio.to_thread(self._begin) for _ in range(count)]
        async with asyncio.timeout(_WITHIN):
            while not (found := await asyncio.to_thread(self._tokens)).keys() >= set(arns):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return {arn: found[arn] for arn in arns}

    def _begin(self) -> str:
        return str(self._states.start_execution(stateMachineArn=self._machine, input="{}")["executionArn"])

    def _tokens(self) -> dict[str, str]:
        items = self._tables.scan(TableName=TABLE)["Items"]
        return {item["id"]["S"]: item["token"]["S"] for item in items}

    async def resumed(self, executions: list[str]) -> dict[str, float]:
        """Execution → when it went on, Unix seconds. Raises TimeoutError unless all do."""
        async with asyncio.timeout(_WITHIN):
            while any([await asyncio.to_thread(self._running, one) for one in executions]):  # noqa: ASYNC110
                await asyncio.sleep(0.25)
        return {one: await asyncio.to_thread(self._went_on, one) for one in executions}

    def _running(self, execution: str) -> bool:
        return bool(self._states.describe_execution(executionArn=execution)["status"] == "RUNNING")

    def _went_on(self, execution: str) -> float:
        events = self._states.get_execution_history(executionArn=execution)["events"]
        (event,) = (one for one in events if one["type"] == "TaskSucceeded")
        return float(event["timestamp"].timestamp())


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).is_success
    except httpx.HTTPError:
        return False
