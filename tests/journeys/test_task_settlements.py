"""T3-T5: tokens of AWS, settled at an emulator that runs state machines, and at servers that answer as AWS may."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from tests.installation import Installation, eventually
from tests.journeys.outside import Outside, outside
from tests.journeys.test_jobs import workspace_client
from tests.journeys.test_task_protocol import aws_key, states
from tests.journeys.test_tasks import ended, every, path, register

pytestmark = pytest.mark.embedded

Json = dict[str, Any]


@pytest.fixture(scope="module")
def tasks(installation: Installation) -> Iterator[httpx.Client]:
    with workspace_client(installation, f"w{uuid.uuid4().hex[:8]}") as client:
        yield client


@pytest.fixture(scope="module")
def jobs_outside() -> Iterator[Outside]:
    with outside() as running:
        yield running


def confirmed(tasks: httpx.Client, task_id: str) -> str:
    def look() -> str | None:
        found: str = ended(tasks, task_id)["settlement"]["confirmation"]
        return None if found == "pending" else found

    return eventually(look)


@contextmanager
def aws_answering(port: int, *answers: tuple[int, str]) -> Iterator[list[str]]:
    """Something that speaks AWS's protocol in turn; ``unanswered`` takes the call and says nothing. Yields targets."""
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
            self.send_header("connection", "close")  # a kept one would reach the answers of another test
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
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    environment = pytest.MonkeyPatch()
    environment.setenv("MOTO_PORT", str(aws_port))  # where its state machines look for its queues
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=aws_port, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{aws_port}"
    httpx.post(f"{url}/moto-api/config", json={"stepfunctions": {"execute_state_machine": True}}).raise_for_status()
    yield url
    server.stop()
    environment.undo()


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


def settled(worker: Any, token: str) -> bool:
    """Whether the installation has heard of the key by now."""
    try:
        worker.send_task_success(taskToken=token, output='{"by": "boto3"}')
    except ClientError as error:
        if error.response["Error"]["Code"] == "UnrecognizedClientException":
            return False
        raise
    return True


def test_T5_a_poller_may_settle_the_token_of_aws_here(
    tasks: httpx.Client, workflow_of_aws: Workflow, installation: Installation
) -> None:
    arn, token = workflow_of_aws.start()
    made = register(tasks, task_token=token)
    worker = states(installation.url, aws_key(installation, made["workspace"]))
    eventually(lambda: settled(worker, token))
    assert confirmed(tasks, made["id"]) == "confirmed"
    assert json.loads(workflow_of_aws.ended(arn)["output"]) == {"by": "boto3"}


def test_T3_a_token_that_aws_never_knew_is_rejected_and_opens_a_ticket(tasks: httpx.Client, moto: str) -> None:
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
