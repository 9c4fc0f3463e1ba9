"""Webhooks through the composed application: who is admitted, what is answered, what reaches the log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from tests.stages.ingest import Stage
from tests.stages.webhooks import NEW, OLD, SENDINGS, Sending, knowing, two_live
from tocsin.events.alerts import AlertReceived
from tocsin.events.envelope import Envelope, from_headers
from tocsin.events.identity import alert_entity, partition_of
from tocsin.events.topics import PAYLOADS, dlq_topic, events_topic
from tocsin.ingest.publish import Record
from tocsin.ingest.sources.signatures import labelled

ALERTS = events_topic("alerts")
TICKETS = events_topic("tickets")
QUARANTINE = dlq_topic("alerts")
sendings = pytest.mark.parametrize("sending", SENDINGS.values(), ids=SENDINGS.keys())


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Stage]:
    async with Stage(sources=two_live()) as running:
        yield running


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """As new: its log is empty and there."""
    shared.publisher.records.clear()
    shared.publisher.available = True
    return shared


async def send(stage: Stage, sending: Sending, secret: str = NEW, body: bytes | None = None) -> httpx.Response:
    content = sending.body if body is None else body
    headers = {**sending.headers, **sending.sign(content, secret)}
    return await stage.http.post(sending.route, content=content, headers=headers)


async def raw(stage: Stage, sending: Sending, body: bytes, headers: dict[str, str | bytes]) -> httpx.Response:
    encoded = {name.encode(): value if isinstance(value, bytes) else value.encode() for name, value in headers.items()}
    return await stage.http.post(sending.route, content=body, headers=encoded)


def alerts(stage: Stage) -> list[tuple[Envelope, AlertReceived]]:
    return [
        (from_headers(record.headers), msgspec.json.decode(record.value, type=AlertReceived))
        for record in stage.publisher.of(ALERTS)
    ]


def kept(record: Record) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


# --- who is admitted --------------------------------------------------------------------------------------------------


@sendings
@pytest.mark.parametrize(("secret", "label"), [(OLD, "first"), (NEW, "second")])
async def test_I1_either_live_secret_is_accepted_and_noted(
    stage: Stage, sending: Sending, secret: str, label: str
) -> None:
    answer = await send(stage, sending, secret)
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == len(stage.publisher.of(ALERTS) + stage.publisher.of(TICKETS)) > 0
    # a failure does not say who vouched for it
    assert {event.verified_by for _, event in alerts(stage)} <= {label}


@sendings
async def test_I1_a_wrong_or_missing_secret_is_401_and_nothing_is_kept(stage: Stage, sending: Sending) -> None:
    for answer in (
        await send(stage, sending, "other-secret"),
        await raw(stage, sending, sending.body, dict(sending.headers)),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.headers["www-authenticate"]
    assert stage.publisher.records == []


@sendings
async def test_I1_every_flipped_bit_of_what_is_signed_is_401(stage: Stage, sending: Sending) -> None:
    signature = {**sending.headers, **sending.sign(sending.body, NEW)}
    if sending.covers_body:
        for place in range(0, len(sending.body), 97):
            for bit in range(8):
                body = bytearray(sending.body)
                body[place] ^= 1 << bit
                assert (await raw(stage, sending, bytes(body), dict(signature))).status_code == 401
    for name in sending.signed:
        value = signature[name].encode()
        for place in range(len(value)):
            for bit in range(7):
                changed = bytearray(value)
                changed[place] ^= 1 << bit
                if (
                    changed[place] < 33
                    or changed[place] == 127
                    # the name of a scheme has no case
                    or ((name == "authorization" and bytes(changed[:7]).lower() == b"bearer ") and place < 7)
                ):
                    continue
                answer = await raw(stage, sending, sending.body, {**signature, name: bytes(changed)})
                assert answer.status_code == 401, bytes(changed)
    assert stage.publisher.records == []


@sendings
@pytest.mark.parametrize(
    "value", [b"", b" ", b"\xff\xfe", b"sha256=", b"v1,", b"Basic", b"Basic !", b"Basic /w==", b"Bearer", b"=" * 500]
)
async def test_I1_a_malformed_header_is_401(stage: Stage, sending: Sending, value: bytes) -> None:
    names = list(sending.sign(sending.body, NEW))
    for name in names:
        headers: dict[str, str | bytes] = {**sending.headers, **sending.sign(sending.body, NEW), name: value}
        assert (await raw(stage, sending, sending.body, headers)).status_code == 401
    assert stage.publisher.records == []


@sendings
async def test_I1_a_source_without_secret_is_401_unless_it_is_open(sending: Sending) -> None:
    async with Stage() as closed:
        assert (await send(closed, sending)).status_code == 401
    async with Stage(sources=knowing({}, sending.source)) as opened:
        # there is nothing to hold the signature against
        assert (await send(opened, sending)).status_code == 202
        assert {event.verified_by for _, event in alerts(opened)} <= {"open"}


async def test_I1_an_open_source_still_refuses_a_wrong_secret() -> None:
    known = {"datadog": labelled([NEW], "default")}
    async with Stage(sources=knowing(known, "datadog")) as stage:
        sending = SENDINGS["datadog"]
        assert (await send(stage, sending, "other")).status_code == 401
        assert (await raw(stage, sending, sending.body, {})).status_code == 202


async def test_I1_the_secret_that_matched_decides_the_workspace() -> None:
    known = {"sentry": [*labelled([OLD], "default"), *labelled([NEW], "acme")]}
    async with Stage(sources=knowing(known)) as stage:
        sending = SENDINGS["sentry"]
        await send(stage, sending, OLD)
        await send(stage, sending, NEW)
        (mine, first), (theirs, second) = alerts(stage)
        assert (mine.workspace, theirs.workspace) == ("default", "acme")
        assert (first.verified_by, second.verified_by) == ("first", "first")
        assert mine.id != theirs.id


@sendings
async def test_I1_while_secrets_of_workspaces_cannot_be_read_an_unknown_one_is_503(sending: Sending) -> None:
    async with Stage(sources=replace(two_live(), complete=lambda: False)) as stage:
        assert (await send(stage, sending, NEW)).status_code == 202
        assert (await send(stage, sending, "of another workspace")).status_code == 503


# --- what is answered -------------------------------------------------------------------------------------------------


async def test_I1_the_answer_explains_the_key(stage: Stage) -> None:
    found = (await send(stage, SENDINGS["sentry"])).json()
    [record] = stage.publisher.of(ALERTS)
    [(envelope, event)] = alerts(stage)
    entity = alert_entity("default", "sentry:issue:1117540176")
    assert found == {
        "accepted": 1,
        "event_ids": [envelope.id],
        "alerts": [
            {
                "fingerprint": "sentry:issue:1117540176",
                "rule": "Sentry's issue",
                "fields": {"data.event.issue_id": "1117540176"},
                "transition": "triggered",
                "alert_entity": entity,
            }
        ],
    }
    assert record.key == f"default/{entity}".encode()
    assert record.partition == partition_of(record.key, 4)
    assert (envelope.type, envelope.sender_given) == ("tocsin.alerts.AlertReceived.v1", True)
    assert event.source == "sentry"


@sendings
async def test_I2_the_same_delivery_has_the_same_ids_again(stage: Stage, sending: Sending) -> None:
    first, again = [(await send(stage, sending)).json()["event_ids"] for _ in range(2)]
    assert first == again
    assert len(set(first)) == len(first)


async def test_I1_a_large_payload_is_stored_before_the_event_that_names_it(stage: Stage) -> None:
    sending = SENDINGS["sentry"]
    content = json.loads(sending.body)
    content["data"]["event"]["message"] = "x" * 5_000
    await send(stage, sending, body=json.dumps(content).encode())
    assert [record.topic for record in stage.publisher.records] == [PAYLOADS, ALERTS]
    [(_, event)] = alerts(stage)
    assert event.context_digest == stage.publisher.records[0].key.decode()
    assert json.loads(stage.publisher.records[0].value) == content


async def test_I1_what_says_nothing_of_an_alert_is_202_and_counted(stage: Stage) -> None:
    before = counted("sentry", "ignored")
    sending = SENDINGS["sentry"]
    headers: dict[str, str | bytes] = {**sending.sign(b"{}", NEW), "sentry-hook-resource": "something_new"}
    answer = await raw(stage, sending, b"{}", headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 0)
    assert "something_new" in answer.json()["reason"]
    assert counted("sentry", "ignored") == before + 1
    assert stage.publisher.records == []


def counted(source: str, outcome: str) -> float:
    labels = {"source": source, "outcome": outcome}
    return REGISTRY.get_sample_value("tocsin_webhook_deliveries_total", labels) or 0.0


@sendings
async def test_I2_what_is_genuine_but_unreadable_is_202_and_quarantined(stage: Stage, sending: Sending) -> None:
    answer = await send(stage, sending, body=b"\x00not json\xff")
    assert answer.status_code == 202
    assert answer.json()["quarantined"] is True
    [record] = stage.publisher.records
    assert (record.topic, record.value) == (QUARANTINE, b"\x00not json\xff")
    headers = kept(record)
    assert headers["webhook.source"] == sending.source
    assert headers["dlq.reason"] == "unreadable_webhook"
    assert headers["dlq.detail"] == answer.json()["reason"]
    assert headers["ce_workspace"] == "default"
    assert not [value for value in headers.values() if NEW in value or OLD in value]
    assert not [name for name in headers if "signature" in name or "secret" in name or "authorization" in name]


@sendings
async def test_the_log_being_away_is_503_which_every_sender_repeats(stage: Stage, sending: Sending) -> None:
    stage.publisher.available = False
    answer = await send(stage, sending)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


@sendings
async def test_a_body_over_one_mebibyte_is_413(stage: Stage, sending: Sending) -> None:
    assert (await send(stage, sending, body=b" " * (1024 * 1024 + 1))).status_code == 413


async def test_methods_a_sender_cannot_use_are_405(stage: Stage) -> None:
    assert (await stage.http.get("/webhooks/sentry")).status_code == 405
    assert (await stage.http.put("/webhooks/sentry", content=b"{}")).status_code == 405
    assert (await stage.http.put("/webhooks/datadog", content=b"{}")).status_code == 401


@sendings
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), value=st.binary(max_size=60))
async def test_I1_no_bytes_give_a_500(stage: Stage, sending: Sending, body: bytes, value: bytes) -> None:
    assert (await send(stage, sending, body=body)).status_code == 202
    if not {b"\r", b"\n", b"\x00"} & {bytes([one]) for one in value}:
        for name in sending.sign(body, NEW):
            assert (await raw(stage, sending, body, {**sending.headers, name: value})).status_code == 401
