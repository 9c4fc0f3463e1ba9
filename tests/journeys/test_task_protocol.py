"""T3, T5: an unmodified boto3 settles tokens that were issued here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.installation import Installation, eventually
from tests.journeys.test_jobs import workspace_client
from tests.journeys.test_tasks import ended, register

pytestmark = pytest.mark.embedded

Json = dict[str, Any]
CLOSED = "Task Timed Out: 'Provided task does not exist anymore'"


@pytest.fixture(scope="module")
def workspace() -> str:
    return f"w{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def tasks(installation: Installation, workspace: str) -> Iterator[httpx.Client]:
    with workspace_client(installation, workspace) as client:
        yield client


def aws_key(installation: Installation, workspace: str, *more: str) -> dict[str, str]:
    done = installation.run("keys", "create", "--aws", "--workspace", workspace, "--name", "worker", *more)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.split())


def states(url: str, key: dict[str, str], **settings: Any) -> Any:
    return boto3.client(
        "stepfunctions",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id=key["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=key["AWS_SECRET_ACCESS_KEY"],
        config=Config(**settings),
    )


@pytest.fixture(scope="module")
def worker(installation: Installation, workspace: str) -> Any:
    """A boto3 client whose key the installation has heard of."""
    client = states(installation.url, aws_key(installation, workspace))

    def known() -> bool:
        return refusal(client.send_task_heartbeat, taskToken="AQC") == "InvalidToken"

    eventually(known)
    return client


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    code: str = refused.value.response["Error"]["Code"]
    return code


# --- tokens issued here -----------------------------------------------------------------------------------------------


def test_T5_boto3_settles_a_token_issued_here(tasks: httpx.Client, worker: Any) -> None:
    made = register(tasks, heartbeat_seconds=30)
    assert worker.send_task_heartbeat(taskToken=made["task_token"])["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert tasks.get(f"/v1/tasks/{made['id']}").json()["last_heartbeat"] is not None
    worker.send_task_success(taskToken=made["task_token"], output='{"rows": [1, 2.50], "text": "ü"}')
    done = ended(tasks, made["id"])
    assert (done["status"], done["settlement"]["result"]) == ("COMPLETED", {"rows": [1, 2.5], "text": "ü"})
    assert (done["settlement"]["reason"], done["settlement"]["settled_by"]) == ("by_token", "worker")


def test_T5_boto3_fails_a_token(tasks: httpx.Client, worker: Any) -> None:
    made = register(tasks)
    worker.send_task_failure(taskToken=made["task_token"], error="DiskFull", cause="é" * 100)
    settlement = ended(tasks, made["id"])["settlement"]
    assert (settlement["error"], settlement["cause"]) == ("DiskFull", "é" * 100)


def test_T3_a_second_settlement_is_answered_as_aws_answers_it(tasks: httpx.Client, worker: Any) -> None:
    token = register(tasks)["task_token"]
    worker.send_task_success(taskToken=token, output="{}")
    for call, arguments in (
        (worker.send_task_success, {"output": "{}"}),
        (worker.send_task_failure, {}),
        (worker.send_task_heartbeat, {}),
    ):
        with pytest.raises(worker.exceptions.TaskTimedOut) as closed:
            call(taskToken=token, **arguments)
        assert closed.value.response["Error"]["Message"] == CLOSED


def test_T3_a_late_settlement_is_too_late(tasks: httpx.Client, worker: Any) -> None:
    made = register(tasks, timeout_seconds=0.3)
    assert ended(tasks, made["id"])["status"] == "TIMEOUT"
    with pytest.raises(worker.exceptions.TaskTimedOut):
        worker.send_task_success(taskToken=made["task_token"], output="{}")


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("success", {"taskToken": "AQC", "output": "{}"}, "InvalidToken"),
        ("success", {"taskToken": "tocsin_task_" + "A" * 43, "output": "{}"}, "InvalidToken"),
        ("success", {"output": "no json"}, "InvalidOutput"),
        ("success", {"output": "NaN"}, "InvalidOutput"),
        ("success", {"output": "[" * 200 + "]" * 200}, "InvalidOutput"),
        ("success", {"output": json.dumps("x" * 262_144)}, "ValidationException"),
        ("success", {"output": json.dumps("ä" * 131_072, ensure_ascii=False)}, "ValidationException"),
        ("failure", {"error": "e" * 257}, "ValidationException"),
        ("failure", {"cause": "ä" * 16_385}, "ValidationException"),
        ("heartbeat", {"taskToken": "x" * 2049}, "ValidationException"),
    ],
)
def test_T5_what_aws_refuses_is_refused(
    tasks: httpx.Client, worker: Any, call: str, arguments: Json, code: str
) -> None:
    made = register(tasks)
    assert refusal(getattr(worker, f"send_task_{call}"), **({"taskToken": made["task_token"]} | arguments)) == code
    assert tasks.get(f"/v1/tasks/{made['id']}").json()["settlement"] is None


def test_T5_what_just_fits_is_taken(tasks: httpx.Client, worker: Any) -> None:
    made = register(tasks)
    output = json.dumps("ä" * 131_071, ensure_ascii=False)
    worker.send_task_success(taskToken=made["task_token"], output=output)
    assert ended(tasks, made["id"])["status"] == "COMPLETED"
    shown = eventually(lambda: tasks.get(f"/v1/tasks/{made['id']}").json()["settlement"]["result"])
    assert shown == json.loads(output)
    other = register(tasks)
    worker.send_task_failure(taskToken=other["task_token"], error="é" * 128, cause="é" * 16_384)
    assert ended(tasks, other["id"])["settlement"]["cause"] == "é" * 16_384


def test_T5_a_token_of_another_workspace_does_not_exist(
    tasks: httpx.Client, worker: Any, installation: Installation
) -> None:
    with workspace_client(installation, f"w{uuid.uuid4().hex[:8]}") as other:
        token = register(other)["task_token"]
    with pytest.raises(worker.exceptions.TaskDoesNotExist):
        worker.send_task_success(taskToken=token, output="{}")


def test_T5_who_signs_wrongly_is_refused(installation: Installation, workspace: str, worker: Any) -> None:
    key = aws_key(installation, workspace)
    wrong = states(installation.url, key | {"AWS_SECRET_ACCESS_KEY": "x"}, retries={"total_max_attempts": 1})
    unknown = states(installation.url, key | {"AWS_ACCESS_KEY_ID": "A" * 20}, retries={"total_max_attempts": 1})
    eventually(lambda: refusal(wrong.send_task_heartbeat, taskToken="AQC") == "InvalidSignatureException" or None)
    assert refusal(unknown.send_task_heartbeat, taskToken="AQC") == "UnrecognizedClientException"
    reader = states(installation.url, aws_key(installation, workspace, "--scopes", "read"))
    eventually(lambda: refusal(reader.send_task_heartbeat, taskToken="AQC") == "AccessDeniedException" or None)


def test_T5_a_revoked_key_is_no_key(installation: Installation, workspace: str, worker: Any) -> None:
    key = aws_key(installation, workspace)
    client = states(installation.url, key, retries={"total_max_attempts": 1})
    eventually(lambda: refusal(client.send_task_heartbeat, taskToken="AQC") == "InvalidToken")
    assert key["AWS_ACCESS_KEY_ID"] in installation.run("keys", "list", "--json").stdout
    assert installation.run("keys", "revoke", key["AWS_ACCESS_KEY_ID"]).returncode == 0
    eventually(lambda: refusal(client.send_task_heartbeat, taskToken="AQC") == "UnrecognizedClientException")


def test_T5_other_operations_and_bodies_have_aws_errors(installation: Installation, worker: Any) -> None:
    assert refusal(worker.list_state_machines) == "UnknownOperationException"
    with installation.client() as nobody:
        answer = nobody.post("/", json={"taskToken": "AQC"})
        assert (answer.status_code, answer.json()["__type"]) == (401, "MissingAuthenticationTokenException")
