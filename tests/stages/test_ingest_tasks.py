"""Tasks at the gateway: what is published of a registration, a settlement, a callback; and the AWS protocol."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from tests.stages.ingest import PEPPER, Stage
from tests.unit.test_sigv4 import KEY, SECRET, signed
from tocsin import secret_headers
from tocsin.aws_keys import AwsKeyRing, Signer
from tocsin.encryption import Cipher
from tocsin.events import tasks as contract
from tocsin.events.commands import Cause, CommandRefused, CommandUnchanged
from tocsin.events.topics import PAYLOADS, events_topic
from tocsin.task_tokens import TaskTokens

CIPHER = Cipher("ZmFrZS1rZXktZm9yLXRlc3RzLW9ubHktMTIzNDU2Nzg=")
TOKENS = TaskTokens(PEPPER)
CAUSE = Cause("e1", "x", 0, 7, "registered")
POLL = {"url": "https://jobs.example.com/7", "interval_seconds": 30}
TARGET = "AWSStepFunctions.SendTask"


class MemoryRing(AwsKeyRing):
    def __init__(self) -> None:
        self._signers = {KEY: Signer("default", "worker", frozenset({"write"}), SECRET)}
        self.loaded = True


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage(0.2, cipher=CIPHER, tokens=TOKENS, aws_keys=MemoryRing(), poll_lambdas=("check",))
    async with made as running:
        running.http.headers["x-api-key"] = await running.key("write")
        yield running


def events(stage: Stage) -> list[Any]:
    found = []
    for record in stage.publisher.of(events_topic("tasks")):
        kind = dict(record.headers)["ce_type"].decode()
        found.append(msgspec.json.decode(record.value, type=contract.EVENTS[kind]))
    return found


def registered() -> contract.TaskRegistered:
    spec = contract.TaskSpec(token="sealed")
    return contract.TaskRegistered(
        entity="k_1", at="", cause=CAUSE, task_id="k_1", status="PENDING", spec=spec, actor="ci"
    )


async def register(stage: Stage, **body: Any) -> httpx.Response:
    stage.fact, stage.document = registered(), b'{"id":"k_1","task_token":"***","version":7}'
    return await stage.http.post("/v1/tasks", json={"timeout_seconds": 60} | body)


# --- registration -----------------------------------------------------------------------------------------------------


async def test_T1_a_token_of_aws_is_sealed_before_it_is_published(stage: Stage) -> None:
    answer = await register(stage, task_token="AQC-secret", poll=POLL | {"headers": {"X-Api-Key": "s3cr3t"}})
    assert answer.status_code == 201, answer.text
    (event,) = events(stage)
    assert event.task_id == TOKENS.task_id("default", "AQC-secret")
    assert answer.json()["task_token"] == "***"
    assert secret_headers.opened(event.spec.token, CIPHER) == "AQC-secret"
    assert secret_headers.opened(event.spec.poll.headers["X-Api-Key"], CIPHER) == "s3cr3t"
    assert (event.spec.issued, event.spec.timeout_ms, event.spec.poll.interval_ms) == (False, 60_000, 30_000)
    everything = b"".join(record.value + str(record.headers).encode() for record in stage.publisher.records)
    assert b"AQC-secret" not in everything
    assert b"s3cr3t" not in everything


async def test_T1_an_issued_token_and_the_callback_are_shown_once(stage: Stage) -> None:
    answer = await register(stage)
    made = answer.json()
    (event,) = events(stage)
    assert TOKENS.issued(made["task_token"])
    assert made["id"] == event.task_id == TOKENS.task_id("default", made["task_token"])
    assert event.spec.issued
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(rf"http://test/callbacks/tasks/{event.task_id}/default\.[\w-]{{43}}", made["callback_url"])


async def test_T1_a_repeated_request_is_the_same_token_and_the_same_event(stage: Stage) -> None:
    stage.http.headers["idempotency-key"] = "export-7"
    first, again = (await register(stage)).json(), (await register(stage)).json()
    assert first == again
    assert len(events(stage)) == 1
    assert (await register(stage, owner="bob")).status_code == 422


async def test_T1_a_registration_that_is_not_decided_in_time_still_shows_its_token(stage: Stage) -> None:
    answer = await stage.http.post("/v1/tasks", json={"timeout_seconds": 60})
    assert answer.status_code == 202
    assert TOKENS.issued(answer.json()["task_token"])


async def test_T1_metadata_and_payload_are_passed_on_as_they_were_sent(stage: Stage) -> None:
    text = '{"timeout_seconds":60,"external_job":{"id":"x","metadata":{"n":1e400,"z":"\\u0000"}},'
    text += '"poll":{"lambda":"check","interval_seconds":1,"payload":[1.10]}}'
    stage.fact = registered()
    answer = await stage.http.post("/v1/tasks", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 201, answer.text
    (event,) = events(stage)
    assert bytes(event.spec.metadata) == b'{"n":1e400,"z":"\\u0000"}'
    assert (bytes(event.spec.poll.payload), event.spec.poll.lambda_function) == (b"[1.10]", "check")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"timeout_seconds": None}, "timeout_seconds", "no_deadline"),
        ({"allow_no_deadline": True}, "allow_no_deadline", "deadline_twice"),
        ({"timeout_seconds": 1e9}, "timeout_seconds", "less_than_equal"),
        ({"heartbeat_seconds": 59, "poll": POLL}, "heartbeat_seconds", "heartbeat_too_short"),
        ({"task_token": "a b"}, "task_token", "string_pattern_mismatch"),
        ({"task_token": "x" * 2049}, "task_token", "string_too_long"),
        ({"task_token": TOKENS.issue("default", "e1")}, "task_token", "reserved"),
        ({"poll": {"interval_seconds": 1}}, "poll.url", "one_of"),
        ({"poll": POLL | {"lambda": "check"}}, "poll.url", "one_of"),
        ({"poll": {"lambda": "other", "interval_seconds": 1}}, "poll.lambda", "not_allowed"),
        ({"poll": POLL | {"interval_seconds": 0.01}}, "poll.interval_seconds", "greater_than_equal"),
        ({"poll": POLL | {"url": "http://10.0.0.1/"}}, "poll.url", None),
        ({"poll": POLL | {"method": "GET", "payload": {}}}, "poll.payload", "payload_of_get"),
        ({"poll": POLL | {"result_path": "$..x"}}, "poll.result_path", "path"),
        ({"poll": POLL | {"completed_values": ["a"], "failed_values": ["A"]}}, "poll.failed_values", "both"),
        ({"poll": POLL | {"headers": {"Host": "x"}}}, "poll.headers.Host", None),
        ({"poll": POLL | {"headers": {"X": 1}}}, "poll.headers.X", "type"),
        ({"poll": POLL | {"payload": "x" * 5000}}, "poll.payload", "too_large"),
        ({"external_job": {"metadata": "x" * 5000}}, "external_job.metadata", "too_large"),
        ({"on_settled_url": "http://127.0.0.1/"}, "on_settled_url", None),
        ({"execution_url": "javascript:alert(1)"}, "execution_url", "scheme"),
    ],
)
async def test_T1_every_wrong_field_is_named(stage: Stage, body: dict[str, Any], field: str, code: str | None) -> None:
    answer = await register(stage, **body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert code is None or error["code"] == code
    assert events(stage) == []


async def test_T1_without_an_encryption_key_no_token_is_kept() -> None:
    async with Stage(0.2, tokens=TOKENS) as stage:
        stage.http.headers["x-api-key"] = await stage.key("write")
        answer = await register(stage)
        assert answer.json()["errors"][0]["code"] == "no_encryption_key"


# --- settlements ------------------------------------------------------------------------------------------------------

TASK = TOKENS.task_id("default", "AQC")


async def test_T3_a_result_is_passed_on_as_it_was_sent_and_a_large_one_by_its_digest(stage: Stage) -> None:
    headers = {"content-type": "application/json"}
    path = f"/v1/tasks/{TASK}/settle"
    await stage.http.post(path, content='{"outcome":"success","result":{"n":1.10}}', headers=headers)
    assert bytes(events(stage)[0].result) == b'{"n":1.10}'
    large = json.dumps("x" * 5000)
    await stage.http.post(path, content=f'{{"outcome":"success","result":{large}}}', headers=headers)
    assert events(stage)[1].result_digest == hashlib.sha256(large.encode()).hexdigest()
    (kept,) = stage.publisher.of(PAYLOADS)
    assert kept.value == large.encode()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"outcome": "success", "result": "x" * 262_144}, "result"),
        ({"outcome": "failure", "error": "é" * 129}, "error"),
        ({"outcome": "failure", "cause": "é" * 16_385}, "cause"),
        ({"outcome": "success", "error": "x"}, "error"),
        ({"outcome": "failure", "result": 1}, "result"),
        ({"outcome": "perhaps"}, "outcome"),
    ],
)
async def test_T3_what_no_workflow_takes_is_refused(stage: Stage, body: dict[str, Any], field: str) -> None:
    answer = await stage.http.post(f"/v1/tasks/{TASK}/settle", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_T5_a_callback_needs_its_secret_and_no_key(stage: Stage) -> None:
    del stage.http.headers["x-api-key"]
    stage.fact = CommandUnchanged(entity=TASK, at="", cause=CAUSE, subject_id=TASK, command="settle_task")
    secret = TOKENS.callback_secret("acme", TASK)
    assert (await stage.http.post(f"/callbacks/tasks/{TASK}/{secret}", json={"status": "RUNNING"})).status_code == 204
    (event,) = events(stage)
    assert isinstance(event, contract.HeartbeatReceived)
    assert stage.publisher.records[0].key == f"acme/{TASK}".encode()
    for path in (
        f"{TASK}/acme.{'a' * 43}",
        f"k_1/{secret}",
        f"{TASK}/{secret.replace('acme', 'default')}",
        f"{TASK}/x",
    ):
        answer = await stage.http.post(f"/callbacks/tasks/{path}", json={"status": "RUNNING"})
        assert answer.status_code == 404
    assert len(stage.publisher.records) == 1


async def test_T10_a_deadline_is_an_instant_or_so_many_seconds(stage: Stage) -> None:
    path = f"/v1/tasks/{TASK}/deadline"
    await stage.http.post(path, json={"deadline": "2027-01-01T00:00:00+01:00"}, headers={"If-Match": '"7"'})
    (event,) = events(stage)
    assert (event.deadline, event.if_version) == ("2026-12-31T23:00:00.000Z", 7)
    for wrong in ({}, {"deadline": "2027-01-01T00:00:00"}, {"deadline": "2027-01-01T00:00:00Z", "timeout_seconds": 1}):
        assert (await stage.http.post(path, json=wrong)).status_code == 422


# --- the AWS protocol -------------------------------------------------------------------------------------------------


async def send(stage: Stage, operation: str = "Success", invocation: str = "", **body: Any) -> tuple[int, str]:
    """The status and the code of the error, as an AWS client sees them."""
    text = json.dumps({"taskToken": "AQC"} | body).encode()
    headers = dict(signed(text, X_Amz_Target=TARGET + operation))
    if invocation:
        headers[b"amz-sdk-invocation-id"] = invocation.encode()
    headers.pop(b"content-length", None)
    headers[b"host"] = b"localhost:8000"
    answer = await stage.http.post("/", content=text, headers=headers)
    assert answer.headers["content-type"].startswith("application/x-amz-json-1.0")
    return answer.status_code, answer.json().get("__type", "")


def refused(reason: Any) -> CommandRefused:
    return CommandRefused(entity=TASK, at="", cause=CAUSE, subject_id=TASK, command="x", reason=reason, detail="")


def taken() -> CommandUnchanged:
    return CommandUnchanged(entity=TASK, at="", cause=CAUSE, subject_id=TASK, command="settle_task")


async def test_T5_an_output_is_the_text_of_json_and_stays_as_it_is(stage: Stage) -> None:
    stage.fact = taken()
    assert await send(stage, output='{"n": 1.10}') == (200, "")
    (event,) = events(stage)
    assert (bytes(event.result), event.via, event.actor, event.idempotent) == (b'{"n": 1.10}', "token", "worker", False)
    assert event.task_id == TASK


async def test_T5_the_tries_of_one_call_are_one_call(stage: Stage) -> None:
    stage.fact = taken()
    assert await send(stage, invocation="i-1", output="{}") == (200, "")
    stage.fact = refused("settled")
    assert await send(stage, invocation="i-1", output="{}") == (200, ""), "the answer of the first try"
    assert await send(stage, invocation="i-2", output="{}") == (400, "TaskTimedOut")
    assert await send(stage, invocation="i-1", output="[]") == (400, "ValidationException")
    assert len(events(stage)) == 2


async def test_T5_what_is_not_decided_in_time_is_tried_again_by_the_client(stage: Stage) -> None:
    assert await send(stage, invocation="i-1", output="{}") == (503, "ServiceUnavailable")
    stage.publisher.available = False
    assert await send(stage, output="{}") == (503, "ServiceUnavailable")


@pytest.mark.parametrize(
    ("token", "reason", "code"),
    [
        ("AQC", "unknown", "InvalidToken"),
        (TOKENS.issue("default", "e1"), "unknown", "TaskDoesNotExist"),
        ("AQC", "settled", "TaskTimedOut"),
    ],
    ids=["not ours", "unknown", "settled"],
)
async def test_T5_a_token_nobody_waits_for(stage: Stage, token: str, reason: str, code: str) -> None:
    stage.fact = refused(reason)
    assert await send(stage, "Heartbeat", taskToken=token) == (400, code)


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        ("Success", {}, "ValidationException"),
        ("Success", {"output": 1}, "ValidationException"),
        ("Success", {"output": ""}, "InvalidOutput"),
        ("Success", {"output": "{", "taskToken": "AQC"}, "InvalidOutput"),
        ("Failure", {"taskToken": ""}, "ValidationException"),
        ("Failure", {"taskToken": None}, "ValidationException"),
        ("Whatever", {}, "UnknownOperationException"),
    ],
)
async def test_T5_what_aws_refuses_by_the_request_alone(
    stage: Stage, operation: str, body: dict[str, Any], code: str
) -> None:
    assert await send(stage, operation, **body) == (400, code)
    assert events(stage) == []


async def test_T5_guessing_is_slowed_down_and_a_right_signature_always_passes(stage: Stage) -> None:
    stage.fact = taken()
    headers = dict(signed(secret="wrong", X_Amz_Target=f"{TARGET}Heartbeat"))
    headers.pop(b"content-length", None)
    seen = []
    for _ in range(12):
        answer = await stage.http.post("/", content=b'{"taskToken": "AQC", "output": "{}"}', headers=headers)
        seen.append((answer.status_code, answer.json()["__type"]))
    assert seen[:10] == [(401, "InvalidSignatureException")] * 10
    assert seen[10:] == [(429, "ThrottlingException")] * 2
    assert await send(stage, output="{}") == (200, "")
