"""Commands on jobs without Kafka and PostgreSQL: what is published, and how each decision is answered."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet

from tests.stages.ingest import Stage
from tocsin import secret_headers
from tocsin.encryption import Cipher
from tocsin.events import jobs as contract
from tocsin.events.commands import Cause, CommandRefused, CommandUnchanged, RefusalReason
from tocsin.events.envelope import from_headers
from tocsin.events.identity import partition_of, quota_entity, record_key
from tocsin.events.jobs import JobSpec
from tocsin.events.topics import PAYLOADS, events_topic

CIPHER = Cipher(Fernet.generate_key().decode())
QUOTA = quota_entity("default")
JOB = f"{QUOTA}-1"
PATH = f"/v1/jobs/{JOB}"
GOOD: dict[str, Any] = {"name": "nightly", "callback_url": "https://example.com/hook", "cron": "30 2 * * *"}
SPEC = JobSpec(**GOOD)
CAUSE = Cause("e", "tocsin.jobs.JobCreateRequested.v1", 0, 41, "asked")
COMMON: dict[str, Any] = {"entity": JOB, "at": "2026-01-01T00:00:00.000Z", "cause": CAUSE, "job_id": JOB}
CREATED = contract.JobCreated(**COMMON, status="active", spec=SPEC, actor="a", cursor=COMMON["at"])
PAUSED = contract.JobPaused(**COMMON, status="paused", actor="a")
DELETED = contract.JobDeleted(**COMMON, status="deleted", actor="a")
REQUEST = contract.RunRequest(delivery_id="d_x-1", not_before=COMMON["at"], scheduled_for=COMMON["at"], spec=SPEC)
STARTED = contract.RunStarted(**COMMON, status="active", run_id="abc", actor="a", request=REQUEST)
DOCUMENT = b'{"id":"x","status":"active","version":41}'


def refused(reason: RefusalReason) -> CommandRefused:
    common = {name: value for name, value in COMMON.items() if name != "job_id"}
    return CommandRefused(**common, subject_id=JOB, command="do", reason=reason, detail="no")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(cipher=CIPHER) as running:
        running.fact, running.document = CREATED, DOCUMENT
        running.http.headers["x-api-key"] = await running.key(name="ci")
        yield running


def event(stage: Stage, kind: type[Any]) -> Any:
    record = stage.publisher.records[-1]
    assert dict(record.headers)["ce_type"] == f"tocsin.jobs.{kind.__name__}.v1".encode()
    return msgspec.json.decode(record.value, type=kind)


async def test_J1_a_job_is_asked_of_the_quota_of_its_workspace_and_answered_201(stage: Stage) -> None:
    answer = await stage.http.post("/v1/jobs", json=GOOD)
    assert (answer.status_code, answer.content, answer.headers["location"]) == (201, DOCUMENT, PATH)
    assert answer.headers["etag"] == '"41"'
    assert event(stage, contract.JobCreateRequested) == contract.JobCreateRequested(spec=SPEC, actor="ci")
    [record] = stage.publisher.records
    assert (record.topic, record.key) == (events_topic("jobs"), record_key("default", QUOTA))
    assert record.partition == partition_of(record.key, 4)
    assert from_headers(record.headers).outcome == "wait"


async def test_J1_every_wrong_field_is_400_and_nothing_is_published(stage: Stage) -> None:
    answer = await stage.http.post("/v1/jobs", json=GOOD | {"cron": "61 * * * *", "callback_url": "http://[::1]/"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [
        ("callback_url", "address"),
        ("cron", "minute.out_of_range"),
    ]
    assert stage.publisher.records == []


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "tk_wrong"}])
async def test_J13_jobs_are_never_open_without_a_key(stage: Stage, headers: dict[str, str]) -> None:
    del stage.http.headers["x-api-key"]
    for method, path in (("POST", "/v1/jobs"), ("POST", "/v1/jobs/preview"), ("DELETE", PATH), ("POST", f"{PATH}/run")):
        assert (await stage.http.request(method, path, json=GOOD, headers=headers)).status_code == 401


async def test_J13_the_scope_decides(stage: Stage) -> None:
    reading = {"x-api-key": await stage.key("read")}
    assert (await stage.http.post("/v1/jobs", json=GOOD, headers=reading)).status_code == 403
    assert (await stage.http.post("/v1/jobs/preview", json=GOOD, headers=reading)).status_code == 200


async def test_J3_a_secret_header_reaches_the_log_encrypted(stage: Stage) -> None:
    await stage.http.post("/v1/jobs", json=GOOD | {"headers": {"Authorization": "Bearer s3cr3t", "X-Team": "ops"}})
    assert all(b"s3cr3t" not in record.value for record in stage.publisher.records)
    headers = event(stage, contract.JobCreateRequested).spec.headers
    assert headers["X-Team"] == "ops"
    assert secret_headers.opened(headers["Authorization"], CIPHER) == "Bearer s3cr3t"


async def test_J1_a_large_payload_is_in_the_log_before_the_job_that_names_it(stage: Stage) -> None:
    await stage.http.post("/v1/jobs", json=GOOD | {"payload": "x" * 5000})
    payload, asked = stage.publisher.records
    assert (payload.topic, asked.topic) == (PAYLOADS, events_topic("jobs"))
    digest = event(stage, contract.JobCreateRequested).spec.payload_digest
    assert digest == hashlib.sha256(payload.value).hexdigest() == payload.key.decode()


async def test_J14_a_quota_that_is_used_up_is_429_without_retry_after(stage: Stage) -> None:
    stage.fact = refused("quota_exceeded")
    answer = await stage.http.post("/v1/jobs", json=GOOD)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (429, "quota-exceeded")
    assert "retry-after" not in answer.headers


async def test_J1_a_repeated_idempotency_key_makes_no_second_job(stage: Stage) -> None:
    key = {"idempotency-key": "once"}
    first = await stage.http.post("/v1/jobs", json=GOOD, headers=key)
    again = await stage.http.post("/v1/jobs", json=GOOD, headers=key)
    other = await stage.http.post("/v1/jobs", json=GOOD | {"name": "other"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.headers["location"] == again.headers["location"]
    assert len(stage.publisher.records) == 1


async def test_J17_a_change_goes_to_the_job_with_the_version_it_is_based_on(stage: Stage) -> None:
    stage.fact = contract.JobUpdated(
        **COMMON, status="active", spec=SPEC, spec_version=2, changed=("name",), actor="a", cursor=COMMON["at"]
    )
    body = {"name": "x", "headers": {"X-Key": "***"}, "payload": {"a": 1}}
    answer = await stage.http.patch(PATH, json=body, headers={"if-match": '"7"', "x-actor": "ana"})
    assert (answer.status_code, answer.content) == (200, DOCUMENT)
    asked = event(stage, contract.JobUpdateRequested)
    assert (asked.job_id, asked.actor, asked.if_version) == (JOB, "ana", 7)
    assert asked.changes == {
        "name": "x",
        "headers": {"X-Key": "***"},
        "payload": {"a": 1},
        "payload_digest": "",
    }
    [record] = stage.publisher.records
    assert record.key == record_key("default", JOB)
    assert record.partition == partition_of(record_key("default", QUOTA), 4)


@pytest.mark.parametrize(
    ("path", "kind", "fact", "status"),
    [
        ("pause", contract.JobPauseRequested, PAUSED, 200),
        ("resume", contract.JobResumeRequested, contract.JobResumed(**COMMON, status="active", actor="a"), 200),
        ("run", contract.JobRunRequested, STARTED, 201),
    ],
)
async def test_J17_pause_resume_and_run_now(stage: Stage, path: str, kind: type[Any], fact: Any, status: int) -> None:
    stage.fact = fact
    answer = await stage.http.post(f"{PATH}/{path}")
    assert answer.status_code == status
    assert event(stage, kind) == kind(job_id=JOB, actor="ci")


async def test_J17_a_run_beside_the_schedule_says_where_its_attempts_are(stage: Stage) -> None:
    stage.fact = STARTED
    answer = await stage.http.post(f"{PATH}/run")
    logs = f"{PATH}/logs?run_id=abc"
    assert answer.json() == {"job_id": JOB, "run_id": "abc", "delivery_id": "d_x-1", "logs": logs}
    assert answer.headers["location"] == logs


async def test_J4_a_deleted_job_is_204_and_again_404(stage: Stage) -> None:
    stage.fact = DELETED
    answer = await stage.http.delete(PATH, headers={"if-match": '"3"'})
    assert (answer.status_code, answer.content) == (204, b"")
    asked = contract.JobDeleteRequested(job_id=JOB, actor="ci", if_version=3)
    assert event(stage, contract.JobDeleteRequested) == asked
    stage.fact = refused("unknown")
    assert (await stage.http.delete(PATH)).status_code == 404


@pytest.mark.parametrize(("reason", "status"), [("over", 409), ("version_mismatch", 412), ("unknown", 404)])
async def test_J17_what_is_refused_is_a_problem(stage: Stage, reason: RefusalReason, status: int) -> None:
    stage.fact = refused(reason)
    for answer in (await stage.http.post(f"{PATH}/pause"), await stage.http.patch(PATH, json={"name": "x"})):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_J17_what_is_so_already_is_200(stage: Stage) -> None:
    common = {name: value for name, value in COMMON.items() if name != "job_id"}
    stage.fact = CommandUnchanged(**common, subject_id=JOB, command="pause")
    assert (await stage.http.post(f"{PATH}/pause")).status_code == 200


@pytest.mark.parametrize("job_id", ["x", f"{quota_entity('other')}-1", f"{QUOTA}-0", f"{QUOTA}", "%00"])
async def test_J4_an_id_no_job_of_the_workspace_can_have_is_404(stage: Stage, job_id: str) -> None:
    assert (await stage.http.delete(f"/v1/jobs/{job_id}")).status_code == 404
    assert (await stage.http.patch(f"/v1/jobs/{job_id}", json={"name": "x"})).status_code == 404
    assert stage.publisher.records == []


async def test_J17_a_preview_asks_nobody(stage: Stage) -> None:
    answer = await stage.http.post("/v1/jobs/preview", json={"cron": "0 9 * * MON-FRI", "timezone": "Europe/Berlin"})
    assert answer.status_code == 200
    assert len(answer.json()["next_runs"]) == 20
    assert stage.publisher.records == []
    wrong = await stage.http.post("/v1/jobs/preview", json={"cron": "0 9 * *"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "cron")


async def test_J1_a_job_that_is_decided_late_is_202_with_where_to_ask(stage: Stage) -> None:
    async with Stage(wait_seconds=0.01, cipher=CIPHER) as slow:
        answer = await slow.http.post("/v1/jobs", json=GOOD, headers={"x-api-key": await slow.key()})
        assert (answer.status_code, answer.headers["location"]) == (202, answer.json()["status_url"])
