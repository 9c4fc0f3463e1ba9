"""CloudWatch through SNS: topics, certificates, confirmations; nothing is fetched from anywhere else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sns import CERTIFICATE_URL, SUBSCRIBE_URL, TOPIC, MemoryFetch, message, subscription
from tests.stages.ingest import Stage
from tests.stages.webhooks import data, knowing
from tocsin.events.alerts import AlertReceived
from tocsin.events.topics import dlq_topic, events_topic
from tocsin.ingest.fetch import MAX_BYTES, FetchError, HttpFetch
from tocsin.ingest.sources.signatures import labelled
from tocsin.ingest.webhook_sources import Sources

ALARM: dict[str, Any] = json.loads(data("cloudwatch/alarm.json"))
ALERTS = events_topic("alerts")


@pytest.fixture
def fetch() -> MemoryFetch:
    return MemoryFetch()


def allowing(fetch: MemoryFetch, *opened: str, topic: str = TOPIC) -> Sources:
    return replace(knowing({"cloudwatch": labelled([topic], "default")}, *opened), fetch=fetch)


@pytest.fixture
async def stage(fetch: MemoryFetch) -> AsyncIterator[Stage]:
    async with Stage(sources=allowing(fetch)) as running:
        yield running


async def post(stage: Stage, content: object) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
    return await stage.http.post("/webhooks/cloudwatch", content=body, headers=headers)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_I1_a_signed_alarm_is_accepted_as_plain_text(stage: Stage, fetch: MemoryFetch, version: str) -> None:
    for _ in range(2):
        answer = await post(stage, message(ALARM, version=version))
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    first, again = stage.publisher.of(ALERTS)
    assert dict(first.headers)["ce_id"] == dict(again.headers)["ce_id"]
    assert msgspec.json.decode(first.value, type=AlertReceived).verified_by == "certificate"
    assert fetch.asked == [CERTIFICATE_URL]


@pytest.mark.parametrize(
    "content",
    [
        message(ALARM) | {"Message": "{}"},
        message(ALARM) | {"Signature": "AAAA"},
        message(ALARM) | {"Signature": ""},
        message(ALARM) | {"SignatureVersion": "9"},
        message(ALARM, TopicArn="arn:aws:sns:us-east-1:999999999999:other"),
        message(ALARM, SigningCertURL="https://evil.example/a.pem"),
        message(ALARM, SigningCertURL="https://sns.us-east-1.amazonaws.com.evil.example/a.pem"),
        message(ALARM, SigningCertURL="http://169.254.169.254/latest/meta-data.pem"),
        {name: value for name, value in message(ALARM).items() if name != "SigningCertURL"},
        {name: value for name, value in message(ALARM).items() if name != "Signature"},
        ALARM,
        b"",
        b"\xff",
        b"[]",
    ],
)
async def test_I1_what_is_not_signed_by_sns_is_401(stage: Stage, fetch: MemoryFetch, content: object) -> None:
    assert (await post(stage, content)).status_code == 401
    assert stage.publisher.records == []
    assert set(fetch.asked) <= {CERTIFICATE_URL}


async def test_I1_every_flipped_bit_of_a_message_is_401_or_no_message(stage: Stage) -> None:
    body = json.dumps(message(ALARM)).encode()
    text = json.loads(body)["Signature"]
    for place in range(0, len(text), 9):
        changed = bytearray(text.encode())
        changed[place] ^= 1
        content = json.loads(body) | {"Signature": changed.decode()}
        assert (await post(stage, content)).status_code == 401
    assert stage.publisher.records == []


async def test_I1_a_subscription_to_an_allowed_topic_is_confirmed(stage: Stage, fetch: MemoryFetch) -> None:
    answer = await post(stage, subscription())
    assert answer.status_code == 202
    assert answer.json()["reason"] == f"the subscription to {TOPIC} is confirmed"
    assert fetch.asked == [CERTIFICATE_URL, SUBSCRIBE_URL]
    assert stage.publisher.records == []


async def test_I1_no_other_address_is_asked_to_confirm(stage: Stage, fetch: MemoryFetch) -> None:
    for url in ("https://evil.example/?Action=ConfirmSubscription", "http://sns.us-east-1.amazonaws.com/"):
        assert (await post(stage, subscription(SubscribeURL=url))).status_code == 401
    other = subscription(TopicArn="arn:aws:sns:us-east-1:999999999999:other")
    assert (await post(stage, other)).status_code == 401
    assert fetch.asked == [CERTIFICATE_URL]


async def test_I1_a_certificate_or_confirmation_that_cannot_be_had_is_503(stage: Stage, fetch: MemoryFetch) -> None:
    del fetch.answers[SUBSCRIBE_URL]
    assert (await post(stage, subscription())).status_code == 503
    missing = message(ALARM, SigningCertURL="https://sns.us-east-1.amazonaws.com/other.pem")
    answer = await post(stage, missing)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    fetch.answers["https://sns.us-east-1.amazonaws.com/other.pem"] = b"<html>"
    assert (await post(stage, missing)).status_code == 503


async def test_I1_the_end_of_a_subscription_is_noted(stage: Stage, fetch: MemoryFetch) -> None:
    answer = await post(stage, subscription(Type="UnsubscribeConfirmation"))
    assert (answer.status_code, answer.json()["reason"]) == (202, "UnsubscribeConfirmation is no alarm")
    assert fetch.asked == [CERTIFICATE_URL]


async def test_I1_raw_delivery_needs_an_open_source(fetch: MemoryFetch) -> None:
    async with Stage(sources=allowing(fetch, "cloudwatch")) as stage:
        assert (await post(stage, ALARM)).status_code == 202
        event = msgspec.json.decode(stage.publisher.of(ALERTS)[0].value, type=AlertReceived)
        assert event.verified_by == "open"
        other = message(ALARM, TopicArn="arn:aws:sns:us-east-1:999999999999:other")
        assert (await post(stage, other)).status_code == 202
        assert (await post(stage, other | {"Message": "{}"})).status_code == 401


async def test_I2_a_signed_message_that_cannot_be_read_is_kept(stage: Stage) -> None:
    answer = await post(stage, message("no JSON"))
    assert (answer.status_code, answer.json()["quarantined"]) == (202, True)
    [record] = stage.publisher.of(dlq_topic("alerts"))
    assert json.loads(record.value)["Message"] == "no JSON"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), name=st.sampled_from(sorted(message("x"))), value=st.text(max_size=20))
async def test_I1_no_message_gives_a_500(stage: Stage, body: bytes, name: str, value: str) -> None:
    assert (await post(stage, body)).status_code == 401
    assert (await post(stage, message("x") | {name: value})).status_code in {202, 401, 503}


# --- fetching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(301, headers={"location": "http://169.254.169.254/"}), "the answer was 301"),
        (httpx.Response(404), "the answer was 404"),
        (httpx.Response(200, content=b"x" * (MAX_BYTES + 1)), "more than"),
    ],
)
async def test_I1_a_fetch_follows_nothing_and_is_bounded(answer: httpx.Response, reason: str) -> None:
    asked: list[httpx.URL] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return answer

    with pytest.raises(FetchError, match=reason):
        await HttpFetch(httpx.MockTransport(handler))(CERTIFICATE_URL)
    assert len(asked) == 1


async def test_a_fetch_that_works_and_one_that_cannot_connect() -> None:
    def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"pem"))
    assert await HttpFetch(transport)(CERTIFICATE_URL) == b"pem"
    with pytest.raises(FetchError, match="ConnectError"):
        await HttpFetch(httpx.MockTransport(refused))(CERTIFICATE_URL)
