"""T3-T5: an unmodified boto3 settles tokens here, and tocsin settles those of AWS at a server of its protocol."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from tests.installation import Installation, eventually
from tests.journeys.outside import Outside, outside
from tests.journeys.test_jobs import workspace_client
from tests.journeys.test_tasks import ended, every, path, register

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
        assert (answer.status_code, answer.json()["__type"]) == (400, "MissingAuthenticationTokenException")


# --- tokens of AWS ----------------------------------------------------------------------------------------------------

MACHINE = {
    "StartAt": "Wait",
    "States": {
        "Wait": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "TimeoutSeconds": 30,
            "Parameters": {"QueueUrl": "", "MessageBody": {"token.$": "$$.Task.Token"}},
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}],
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
        "Failed": {"Type": "Fail", "Error": "Caught"},
    },
}


@pytest.fixture(scope="module")
def moto(aws_port: int) -> Iterator[str]:
    """An emulator that runs state machines, where the installation looks for AWS."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=aws_port, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{aws_port}"
    httpx.post(f"{url}/moto-api/config", json={"stepfunctions": {"execute_state_machine": True}}).raise_for_status()
    yield url
    server.stop()


class Workflow:
    """Executions that each wait for a token, which arrives in a queue."""

    def __init__(self, url: str) -> None:
        known = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.states: Any = boto3.client("stepfunctions", endpoint_url=url, **known)
        self.queues: Any = boto3.client("sqs", endpoint_url=url, **known)
        self.queue = self.queues.create_queue(QueueName=f"q{uuid.uuid4().hex[:8]}")["QueueUrl"]
        definition = json.loads(json.dumps(MACHINE))
        definition["States"]["Wait"]["Parameters"]["QueueUrl"] = self.queue
        self.machine = self.states.create_state_machine(
            name=f"m{uuid.uuid4().hex[:8]}",
            definition=json.dumps(definition),
            roleArn="arn:aws:iam::123456789012:role/r",
        )["stateMachineArn"]

    def start(self) -> tuple[str, str]:
        """An execution and the token it waits for."""
        arn = self.states.start_execution(stateMachineArn=self.machine, name=uuid.uuid4().hex, input="{}")[
            "executionArn"
        ]
        message = eventually(lambda: self.queues.receive_message(QueueUrl=self.queue).get("Messages"))[0]
        self.queues.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return arn, json.loads(message["Body"])["token"]

    def ended(self, arn: str) -> Json:
        def look() -> Json | None:
            found: Json = self.states.describe_execution(executionArn=arn)
            return None if found["status"] == "RUNNING" else found

        return eventually(look)


@pytest.fixture(scope="module")
def workflow_of_aws(moto: str) -> Workflow:
    return Workflow(moto)


@pytest.fixture(scope="module")
def jobs_outside() -> Iterator[Outside]:
    with outside() as running:
        yield running


def confirmed(tasks: httpx.Client, task_id: str) -> str:
    def look() -> str | None:
        found: str = ended(tasks, task_id)["settlement"]["confirmation"]
        return None if found == "pending" else found

    return eventually(look)


def test_T4_a_workflow_of_aws_goes_on_with_the_result_of_the_job(
    tasks: httpx.Client, workflow_of_aws: Workflow, jobs_outside: Outside
) -> None:
    arn, token = workflow_of_aws.start()
    job = jobs_outside.job(path(), {"status": "RUNNING"}, {"status": "COMPLETED", "rows": 42})
    made = register(tasks, task_token=token, poll=every(url=job), external_job={"id": "export"})
    assert confirmed(tasks, made["id"]) == "confirmed"
    assert made["token_of"] == "aws"
    execution = workflow_of_aws.ended(arn)
    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"]) == {"status": "COMPLETED", "rows": 42}
    assert tasks.get(f"/v1/tasks/{made['id']}").json()["settlement"]["confirmation_attempts"] == 1


@pytest.mark.parametrize(
    ("answers", "more", "status"),
    [
        ([{"status": "FAILED"}], {}, "FAILED"),
        ([{"status": "RUNNING"}], {"timeout_seconds": 0.5}, "TIMEOUT"),
    ],
)
def test_T4_a_catch_of_the_workflow_is_reached(
    tasks: httpx.Client, workflow_of_aws: Workflow, jobs_outside: Outside, answers: list[Json], more: Json, status: str
) -> None:
    arn, token = workflow_of_aws.start()
    job = jobs_outside.job(path(), *answers)
    made = register(tasks, task_token=token, poll=every(url=job, max_attempts=50), **more)
    assert ended(tasks, made["id"])["status"] == status
    assert confirmed(tasks, made["id"]) == "confirmed"
    assert workflow_of_aws.ended(arn)["error"] == "Caught"


def test_T5_a_poller_may_settle_the_token_of_aws_here(
    tasks: httpx.Client, workflow_of_aws: Workflow, worker: Any
) -> None:
    arn, token = workflow_of_aws.start()
    made = register(tasks, task_token=token)
    worker.send_task_success(taskToken=token, output='{"by": "boto3"}')
    assert confirmed(tasks, made["id"]) == "confirmed"
    assert json.loads(workflow_of_aws.ended(arn)["output"]) == {"by": "boto3"}


def test_T3_a_token_that_aws_never_knew_is_rejected_and_opens_a_ticket(
    tasks: httpx.Client, moto: str, worker: Any
) -> None:
    token, job = f"AQC{uuid.uuid4().hex}", f"job-{uuid.uuid4().hex[:8]}"
    made = register(tasks, task_token=token, external_job={"id": job})
    tasks.post(f"/v1/tasks/{made['id']}/settle", json={"outcome": "success", "result": 1})
    assert confirmed(tasks, made["id"]) == "rejected_by_aws"
    done = ended(tasks, made["id"])
    assert (done["status"], done["settlement"]["confirmation_code"]) == ("COMPLETED", "InvalidToken")

    def ticket() -> list[Json]:
        found: list[Json] = tasks.get("/tickets", params={"workflow": f"task:{job}"}).json()["items"]
        return found

    (opened,) = eventually(ticket)
    assert "AWS did not take the settlement" in json.dumps(opened)


@contextmanager
def aws_answering(port: int, *answers: tuple[int, str]) -> Iterator[list[str]]:
    """Something that speaks AWS's protocol in turn; ``unanswered`` takes the call and says nothing. Yields targets."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            status, code = answers[min(len(heard), len(answers) - 1)]
            heard.append(self.headers["x-amz-target"])
            if code == "unanswered":
                self.close_connection = True
                return
            body = json.dumps({"__type": code} if code else {}).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("answers", "confirmation", "tries"),
    [
        ([(400, "ThrottlingException"), (200, "")], "confirmed", 2),
        ([(400, "ThrottlingException"), (400, "TaskTimedOut")], "rejected_by_aws", 2),
        ([(200, "unanswered"), (400, "TaskTimedOut")], "unconfirmed", 2),
        ([(500, "InternalError"), (400, "TaskTimedOut")], "unconfirmed", 2),
        ([(400, "TaskTimedOut")], "rejected_by_aws", 1),
    ],
)
def test_T3_what_aws_answers_is_kept_and_tried_again_where_that_helps(
    tasks: httpx.Client, aws_port: int, answers: list[tuple[int, str]], confirmation: str, tries: int
) -> None:
    made = register(tasks, task_token=f"AQC{uuid.uuid4().hex}")
    with aws_answering(aws_port, *answers) as heard:
        tasks.post(f"/v1/tasks/{made['id']}/settle", json={"outcome": "success"})
        assert confirmed(tasks, made["id"]) == confirmation
    assert heard == ["AWSStepFunctions.SendTaskSuccess"] * tries
    done = ended(tasks, made["id"])["settlement"]
    assert (done["outcome"], done["confirmation_attempts"]) == ("success", tries)


def test_T3_aws_hears_heartbeats_while_the_job_runs_and_its_end_ends_the_polling(
    tasks: httpx.Client, aws_port: int, jobs_outside: Outside
) -> None:
    where = path()
    url = jobs_outside.job(where, {"status": "RUNNING"})
    with aws_answering(aws_port, (200, ""), (200, ""), (400, "TaskTimedOut")) as heard:
        made = register(tasks, task_token=f"AQC{uuid.uuid4().hex}", heartbeat_seconds=10, poll=every(url=url))
        done = ended(tasks, made["id"])
    assert (done["status"], done["settlement"]["reason"]) == ("TIMEOUT", "closed_elsewhere")
    assert heard[:3] == ["AWSStepFunctions.SendTaskHeartbeat"] * 3
    assert "AWSStepFunctions.SendTaskFailure" not in heard
