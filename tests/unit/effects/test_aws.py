"""Calls of AWS: what was sent, and what each of boto3's exceptions says about whether it arrived."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import exceptions

from tocsin.events.deliveries import AwsTask
from tocsin.streams.effects.aws import Aws, AwsSettings
from tocsin.streams.effects.request import AttemptResult

NOW = 1_700_000_000_123


class Client:
    """As much of boto3's as is called; ``error`` is raised instead of an answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.answer: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> dict[str, Any]:
            self.calls.append((name, arguments))
            if self.error is not None:
                raise self.error
            return self.answer

        return call


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def aws(client: Client) -> Iterator[Aws]:
    found = Aws(AwsSettings(functions=("check",)), lambda _: client)
    yield found
    found.close()


async def told(aws: Aws, action: Any = "success") -> AttemptResult:
    return await aws.task(AwsTask(action=action, token="sealed", error="E", cause="C"), "AQC", '{"a":1}', NOW)


@pytest.mark.parametrize(
    ("action", "call", "arguments"),
    [
        ("success", "send_task_success", {"taskToken": "AQC", "output": '{"a":1}'}),
        ("failure", "send_task_failure", {"taskToken": "AQC", "error": "E", "cause": "C"}),
        ("heartbeat", "send_task_heartbeat", {"taskToken": "AQC"}),
    ],
)
async def test_T3_what_aws_is_told(aws: Aws, client: Client, action: str, call: str, arguments: Any) -> None:
    result = await told(aws, action)
    assert client.calls == [(call, arguments)]
    assert (result.status, result.error, result.started_at) == (200, None, NOW)


def answered(code: str, status: int = 400) -> exceptions.ClientError:
    response: Any = {"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return exceptions.ClientError(response, "SendTaskSuccess")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        *((answered(code), "aws_refused", code) for code in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")),
        *((answered(code), "aws_refused", code) for code in ("InvalidOutput", "ValidationException")),
        (answered("ThrottlingException"), "aws_unavailable", "ThrottlingException"),
        (answered("AccessDeniedException", 403), "aws_unavailable", "AccessDeniedException"),
        (answered("ServiceUnavailable", 503), "aws_unanswered", "ServiceUnavailable"),
        (answered("500", 500), "aws_unanswered", "500"),
        (exceptions.EndpointConnectionError(endpoint_url="x"), "aws_unavailable", "EndpointConnectionError"),
        (exceptions.ConnectTimeoutError(endpoint_url="x"), "aws_unavailable", "ConnectTimeoutError"),
        (exceptions.NoCredentialsError(), "aws_unavailable", "NoCredentialsError"),
        (exceptions.ReadTimeoutError(endpoint_url="x"), "aws_unanswered", "ReadTimeoutError"),
        (exceptions.ConnectionClosedError(endpoint_url="x"), "aws_unanswered", "ConnectionClosedError"),
        (exceptions.ParamValidationError(report="x"), "aws_refused", "ParamValidation"),
        (RuntimeError("unforeseen"), "aws_unanswered", "RuntimeError"),
        (ImportError("boto3"), "aws_unavailable", ""),
    ],
)
async def test_T3_what_an_error_says_of_the_call(
    aws: Aws, client: Client, error: Exception, kind: str, code: str
) -> None:
    client.error = error
    result = await told(aws)
    assert (result.error, result.code) == (kind, code)
    assert "AQC" not in result.detail


async def test_T2_a_function_is_asked_only_when_the_operator_has_named_it(aws: Aws, client: Client) -> None:
    client.answer = {"StatusCode": 200, "Payload": io.BytesIO(b'{"status":"COMPLETED"}')}
    result = await aws.invoke("check", b"", NOW, 1000)
    assert client.calls == [("invoke", {"FunctionName": "check", "Payload": b"{}"})]
    assert (result.status, result.body, result.body_cut) == (200, '{"status":"COMPLETED"}', False)
    refused = await aws.invoke("other", b"", NOW, 1000)
    assert refused.error == "refused_by_egress_policy"
    assert len(client.calls) == 1


async def test_T2_what_a_function_answers_is_bounded_and_its_failure_is_no_answer(aws: Aws, client: Client) -> None:
    client.answer = {"StatusCode": 200, "Payload": io.BytesIO(b"x" * 2000)}
    result = await aws.invoke("check", b"", NOW, 1000)
    assert (len(result.body), result.body_cut) == (1000, True)
    client.answer = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(b"boom")}
    assert (await aws.invoke("check", b"", NOW, 1000)).error == "aws_unavailable"
