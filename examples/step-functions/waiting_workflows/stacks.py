"""What is deployed: the same names in every region, so that each way of settling has tables of its own."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config

from waiting_workflows.installation import REGION, Keys
from waiting_workflows.place import EXAMPLE, Addresses

ACCOUNT: Final = "000000000000"
TOKENS, JOBS = "poc-task-tokens", "poc-jobs"
FUNCTIONS: Final = {
    "poc-simulated-api": "lambdas.simulated_api.handle",
    "poc-create-job": "lambdas.create_job.handle",
    "poc-poller": "lambdas.poller.handle",
}
QUEUE: Final = "poc-create-job"
_CONFIG: Final = Config(connect_timeout=3, read_timeout=70, retries={"total_max_attempts": 1}, max_pool_connections=64)


@dataclass(frozen=True)
class Machine:
    """A state machine. heartbeat_seconds: None for a state without ``HeartbeatSeconds``."""

    name: str
    timeout_seconds: int
    heartbeat_seconds: int | None


@dataclass(frozen=True)
class Stack:
    """A region. ``states``: the emulator that runs the state machines; tables and functions are MiniStack's.

    by_queue: the token leaves by a queue, because moto runs no functions without Docker; ``queue_trigger`` hands it on.
    settings: more environment variables, by function.
    """

    region: str
    addresses: Addresses
    states: str
    machines: tuple[Machine, ...]
    by_queue: bool = False
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """State machines and queues are where ``states`` says, the rest in MiniStack."""
        at_states = service in ("stepfunctions", "sqs")
        return self.other_client(service, self.states if at_states else self.addresses.ministack)

    def other_client(self, service: str, endpoint: str) -> Any:
        if (service, endpoint) not in self._clients:
            self._clients[service, endpoint] = self._make(service, endpoint)
        return self._clients[service, endpoint]

    @cached_property
    def _clients(self) -> dict[tuple[str, str], Any]:
        return {}

    def _make(self, service: str, endpoint: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=self.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - emulators take any
            config=_CONFIG,
        )

    def machine_arn(self, name: str) -> str:
        account = ACCOUNT if self.states == self.addresses.ministack else "123456789012"
        return f"arn:aws:states:{self.region}:{account}:stateMachine:{name}"

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """The answer. Raises RuntimeError when the function failed."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        body = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            raise RuntimeError(f"{function}: {body}")
        return body

    def queue_url(self) -> str:
        return str(self.client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"])


def on_ministack(addresses: Addresses) -> Stack:
    """Everything in MiniStack, which runs the functions but not the heartbeat clock."""
    return Stack("us-east-1", addresses, addresses.ministack, (Machine("poc-wait-for-job", 60, 30),))


def on_moto(addresses: Addresses) -> Stack:
    """State machines in moto, which runs the clocks but no functions. Short ones: tests wait for them."""
    machines = (
        Machine("poc-wait-for-job", 60, 30),
        Machine("poc-two-seconds", 2, None),
        Machine("poc-heartbeat", 30, 2),
    )
    return Stack("eu-west-1", addresses, addresses.moto, machines, by_queue=True)


def on_tocsin(addresses: Addresses, keys: Keys) -> Stack:
    """State machines in MiniStack; tokens are registered with tocsin, and ``poc-poller`` settles at its endpoint."""
    settings = {
        "poc-create-job": {
            "TOCSIN_URL": addresses.tocsin,
            "TOCSIN_API_KEY": keys.api,
            "JOB_STATUS_URL": f"{addresses.front}/jobs/{{job_id}}",
        },
        "poc-poller": {
            "SETTLE_ENDPOINT_URL": addresses.tocsin,
            "SETTLE_ACCESS_KEY_ID": keys.access_key_id,
            "SETTLE_SECRET_ACCESS_KEY": keys.secret_access_key,
        },
    }
    return Stack(REGION, addresses, addresses.ministack, (Machine("poc-wait-for-job", 60, 30),), settings=settings)


def deploy(stack: Stack) -> None:
    """Tables, functions, queue and state machines, in an empty region."""
    create_tables(stack.client("dynamodb"))
    _create_functions(stack)
    queue = ""
    if stack.by_queue:
        queue = stack.client("sqs").create_queue(QueueName=QUEUE)["QueueUrl"]
    for machine in stack.machines:
        stack.client("stepfunctions").create_state_machine(
            name=machine.name,
            definition=json.dumps(definition(machine, queue)),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/poc-state-machine",
        )


def definition(machine: Machine, queue: str = "") -> dict[str, Any]:
    """The Amazon States Language of the example with its values filled in; Terraform fills in the same names."""
    values = {
        "create_job_function": "poc-create-job",
        "timeout_seconds": str(machine.timeout_seconds),
        "heartbeat_seconds": str(machine.heartbeat_seconds or machine.timeout_seconds - 1),
    }
    text = (EXAMPLE / "state-machines" / "wait-for-job.asl.json").read_text()
    filled: dict[str, Any] = json.loads(re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text))
    waiting = filled["States"]["WaitForJob"]
    if machine.heartbeat_seconds is None:
        del waiting["HeartbeatSeconds"]
    if queue:
        waiting["Resource"] = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
        waiting["Parameters"] = {"QueueUrl": queue, "MessageBody": waiting["Parameters"]["Payload"]}
    return filled


def create_tables(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName=TOKENS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "token_id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "token_id", "AttributeType": "S"},
            {"AttributeName": "waiting", "AttributeType": "S"},
            {"AttributeName": "next_poll", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "waiting-next_poll",
                "KeySchema": [
                    {"AttributeName": "waiting", "KeyType": "HASH"},
                    {"AttributeName": "next_poll", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    dynamodb.create_table(
        TableName=JOBS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
    )


def _create_functions(stack: Stack) -> None:
    code = package()
    for name, handler in FUNCTIONS.items():
        stack.client("lambda").create_function(
            FunctionName=name,
            Runtime=f"python3.{sys.version_info.minor}",
            Handler=handler,
            Role=f"arn:aws:iam::{ACCOUNT}:role/{name}",
            Code={"ZipFile": code},
            Timeout=30,
            Environment={"Variables": {"SETTLE_ENDPOINT_URL": stack.states, **stack.settings.get(name, {})}},
        )


def package() -> bytes:
    """The zip of the functions; the same bytes for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((EXAMPLE / "lambdas").glob("*.py")):
            entry = zipfile.ZipInfo(f"lambdas/{file.name}")
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return packed.getvalue()
