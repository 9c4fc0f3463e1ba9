"""Calls of AWS: task tokens of Step Functions, and Lambda functions that are asked about outside jobs.

boto3 is an extra (``tocsin[aws]``), loaded when the first call is made. It blocks, so calls run in threads of their
own. One attempt is one request: trying again is decided by the deliveries domain, which has to know of every one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from tocsin.events.deliveries import AwsTask
from tocsin.streams.domain.delivery_outcome import ErrorClass
from tocsin.streams.effects.request import AttemptResult

log = structlog.get_logger(__name__)

CONNECT_SECONDS: Final = 3
READ_SECONDS: Final = 10
THREADS: Final = 32
DEFAULT_REGION: Final = "us-east-1"
_DETAIL: Final = 500
_OK: Final = 200

REFUSED: Final = frozenset(
    {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken", "InvalidOutput", "ValidationException", "ParamValidation"}
)
"""AWS's codes that no repetition changes. Source: AWS Step Functions API reference, SendTaskSuccess, Errors."""


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Where calls go; empty: where boto3 sends them by itself. ``functions``: Lambda functions that may be invoked."""

    states_endpoint: str = ""
    lambda_endpoint: str = ""
    functions: tuple[str, ...] = ()


class Aws:
    """``client``: makes a client by the name of its service; boto3's unless given. Blocks, so it runs in a thread."""

    def __init__(self, settings: AwsSettings, client: Callable[[str], Any] | None = None) -> None:
        self._settings = settings
        self._make = client or self._boto3
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")

    def close(self) -> None:
        """Calls under way end by themselves; nobody hears of them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def task(self, told: AwsTask, token: str, output: str, started_at: int) -> AttemptResult:
        """``token``: decrypted; output: JSON of a success. Never raises for what the world does."""

        def call() -> AttemptResult:
            states = self._client("stepfunctions")
            if told.action == "success":
                states.send_task_success(taskToken=token, output=output)
            elif told.action == "failure":
                states.send_task_failure(taskToken=token, error=told.error, cause=told.cause)
            else:
                states.send_task_heartbeat(taskToken=token)
            return AttemptResult(started_at, 0, _OK)

        return await self._in_thread(call, started_at)

    async def invoke(self, function: str, payload: bytes, started_at: int, most_bytes: int) -> AttemptResult:
        """The answer of a function the operator has named; at most so many bytes of it."""
        if function not in self._settings.functions:
            detail = "the operator lets no task invoke this function (TOCSIN_POLL_LAMBDAS)"
            return AttemptResult(started_at, 0, None, "refused_by_egress_policy", detail)

        def call() -> AttemptResult:
            answer = self._client("lambda").invoke(FunctionName=function, Payload=payload or b"{}")
            text = answer["Payload"].read(most_bytes + 1)
            body, cut = text[:most_bytes].decode(errors="replace"), len(text) > most_bytes
            if answer.get("FunctionError"):
                return AttemptResult(started_at, 0, None, "aws_unavailable", f"the function failed: {body[:_DETAIL]}")
            return AttemptResult(started_at, 0, answer.get("StatusCode", _OK), body=body, body_cut=cut)

        return await self._in_thread(call, started_at)

    async def _in_thread(self, call: Callable[[], AttemptResult], started_at: int) -> AttemptResult:
        def timed() -> AttemptResult:
            began = time.perf_counter()
            try:
                found = call()
            except Exception as error:
                found = _failed(error, started_at)
            return _lasting(found, began)

        return await asyncio.get_running_loop().run_in_executor(self._threads, timed)

    # --- clients ---

    def _client(self, service: str) -> Any:
        with self._making:  # boto3 makes clients in one thread at a time only
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _boto3(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        endpoint = self._settings.states_endpoint if service == "stepfunctions" else self._settings.lambda_endpoint
        session = boto3.session.Session()
        return session.client(
            service,
            region_name=session.region_name or DEFAULT_REGION,
            endpoint_url=endpoint or None,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"total_max_attempts": 1},
                max_pool_connections=THREADS,
            ),
        )


def _lasting(result: AttemptResult, began: float) -> AttemptResult:
    return replace(result, duration_ms=round((time.perf_counter() - began) * 1000))


def _failed(error: Exception, started_at: int) -> AttemptResult:
    """What an exception of boto3 says. Its text names the endpoint and the region, never the token."""
    if isinstance(error, ImportError):
        return AttemptResult(started_at, 0, None, "aws_unavailable", "boto3 is not installed: pip install tocsin[aws]")
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return _answered(error, started_at)
    nothing_sent = (
        exceptions.ConnectTimeoutError,
        exceptions.EndpointConnectionError,
        exceptions.NoCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.PartialCredentialsError,
        exceptions.SSLError,
        exceptions.ProxyConnectionError,
    )
    kind: ErrorClass = "aws_unavailable" if isinstance(error, nothing_sent) else "aws_unanswered"
    if isinstance(error, exceptions.ParamValidationError):
        return AttemptResult(started_at, 0, None, "aws_refused", "a parameter is not valid", code="ParamValidation")
    if not isinstance(error, exceptions.BotoCoreError | OSError):
        log.error("a call of AWS failed in an unforeseen way", error=type(error).__name__)
    return AttemptResult(started_at, 0, None, kind, f"{type(error).__name__}", code=type(error).__name__)


def _answered(error: Any, started_at: int) -> AttemptResult:
    """A 5xx does not say whether the call was carried out."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    detail = str(error.response.get("Error", {}).get("Message", ""))[:_DETAIL]
    kind: ErrorClass = "aws_refused" if code in REFUSED else "aws_unanswered" if status >= 500 else "aws_unavailable"
    return AttemptResult(started_at, 0, status or None, kind, detail, code=code)
