"""Webhooks to real receivers from one real worker: signed, retried, cancelled, none behind a slow one."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from tests.faults.deliveries import BUSY, ENCRYPTION_KEYS, Answers, Desk, attempts, desk, tables
from tests.faults.workers import PARTITIONS, WorkerProcess
from tests.stages.sinks import OK, Sink
from tocsin import signing_secrets
from tocsin.broker import ensure_topics
from tocsin.egress.signing import signature
from tocsin.embedded.kafka import Kafka
from tocsin.encryption import Cipher
from tocsin.events import jobs
from tocsin.secret_headers import seal

pytestmark = [pytest.mark.embedded, pytest.mark.faults]


@pytest.fixture(scope="module")
async def bootstrap(
    module_broker: Kafka, module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """Where a worker of the deliveries domain makes them, the same for all tests."""
    await ensure_topics(module_broker.bootstrap, tables(), PARTITIONS)
    worker = WorkerProcess(
        module_broker.bootstrap,
        tmp_path_factory.mktemp("deliver") / "worker.log",
        arguments=["deliver"],
        DATABASE_URL=module_database,
        TOCSIN_ENCRYPTION_KEYS=ENCRYPTION_KEYS,
        TOCSIN_EGRESS_ALLOW="127.0.0.1:1024-65535",
    )
    yield module_broker.bootstrap
    worker.stop(signal.SIGTERM)
    assert worker.exit_codes == [0]


@pytest.fixture
async def office(bootstrap: str) -> AsyncIterator[Desk]:
    async with desk(bootstrap) as opened:
        yield await opened.quick_retries()


async def test_J9_webhooks_arrive_once_signed_with_their_headers_and_payload(
    office: Desk, module_database: str
) -> None:
    connection = await asyncpg.connect(module_database)
    cipher = Cipher(ENCRYPTION_KEYS)
    texts = [(await signing_secrets.create(connection, "default", cipher))[1] for _ in range(2)]
    body = b'{"n": 1, "u": "\\u00e9"}'
    digest = hashlib.sha256(body).hexdigest()
    async with Sink() as sink:
        headers = {"Authorization": seal("Bearer t", cipher), "X-Team": "ops"}
        run = await office.request(sink.url(), payload_digest=digest, headers=headers)
        await office.until(lambda: office.accepted(run))
        await asyncio.sleep(0.5)
        assert sink.requests == []  # the payload is not there yet
        await connection.execute("INSERT INTO read_model.payloads VALUES ($1, $2)", digest, body.decode())
        await office.until(office.all_ended([run]))
        (request,) = sink.requests
        stamp = int(request.header("webhook-timestamp") or "")
        assert request.body == body
        assert request.header("webhook-signature") == signature(texts, run, stamp, body)
        assert (request.header("authorization"), request.header("x-team")) == ("Bearer t", "ops")
        assert [(one.result, one.attempts, one.status) for one in office.ended(run)] == [("succeeded", 1, 200)]
        assert [one.body for one in office.recorded(run)] == ["ok"]
    await connection.close()


async def test_J10_J11_a_failed_attempt_is_made_again_after_its_delay_and_each_is_recorded(office: Desk) -> None:
    async with Sink(Answers(BUSY, BUSY, OK)) as sink, Sink(BUSY) as dead:
        good, bad = await office.request(sink.url()), await office.request(dead.url(), max_attempts=2)
        await office.until(office.all_ended([good, bad]))
        assert attempts(sink) == [(good, "1"), (good, "2"), (good, "3")]
        assert attempts(dead) == [(bad, "1"), (bad, "2")]
        assert [(one.attempt, one.outcome, one.status) for one in office.recorded(good)] == [
            *((1, "retry", 503), (2, "retry", 503), (3, "succeeded", 200)),
        ]
        assert [(one.result, one.attempts) for one in office.ended(bad)] == [("failed", 2)]


async def test_J8_a_slow_endpoint_delays_nobody_else(
    office: Desk, record_property: Callable[[str, object], None]
) -> None:
    async with Sink(Answers(None)) as slow, Sink() as fast:
        warm = await office.request(fast.url())
        await office.until(office.all_ended([warm]))
        for _ in range(40):
            await office.request(slow.url())
        runs = [await office.request(fast.url(), after_ms=500) for _ in range(40)]
        await office.until(office.all_ended(runs), 9)
        late = sorted(office.recorded(run)[0].lateness_ms for run in runs)
        record_property("lateness_ms_p50_max", (late[20], late[-1]))
        print(f"lateness beside a slow endpoint: p50 {late[20]} ms, max {late[-1]} ms")
        assert len(slow.requests) == 4
        assert late[-1] < 5000


async def test_J10_a_cancelled_delivery_makes_no_further_attempt(office: Desk) -> None:
    async with Sink(BUSY) as sink:
        run = await office.request(sink.url())
        await office.until(lambda: office.recorded(run))
        for _ in range(2):
            await office.cancel(sink.url(), run)
        await office.until(lambda: len([one for one in office.told if isinstance(one, jobs.DeliveryCancelled)]) == 2)
        made = len(sink.requests)
        await asyncio.sleep(2.5)
        assert len(sink.requests) == made == 1
        assert office.ended(run) == []
