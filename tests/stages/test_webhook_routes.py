"""Webhook routes with manners of their own: PagerDuty's, those behind an API key, GitHub's tickets."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.stages.ingest import Stage
from tests.stages.webhooks import (
    NEW,
    ROUTING_KEY,
    SENDINGS,
    data,
    grafana_timed,
    hex_of,
    knowing,
    standard,
    two_live,
    whsec,
)
from tocsin.events.alerts import AlertReceived
from tocsin.events.envelope import from_headers
from tocsin.events.identity import failure_entity
from tocsin.events.tickets import FailureReported
from tocsin.events.topics import PAYLOADS, dlq_topic, events_topic
from tocsin.ingest.sources.signatures import labelled

ALERTS, TICKETS, QUARANTINE = events_topic("alerts"), events_topic("tickets"), dlq_topic("alerts")
TRIGGER: dict[str, Any] = json.loads(data("pagerduty/trigger.json"))
CLOUD_EVENT = data("cloudevents/structured.json")
KUMA = data("generic/uptime_kuma.json")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(sources=two_live()) as running:
        yield running


def alerts(stage: Stage) -> list[AlertReceived]:
    return [msgspec.json.decode(record.value, type=AlertReceived) for record in stage.publisher.of(ALERTS)]


# --- PagerDuty --------------------------------------------------------------------------------------------------------


async def test_I1_pagerduty_answers_as_pagerduty(stage: Stage) -> None:
    answer = await stage.http.post("/v2/enqueue", json=TRIGGER)
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "samplekeyhere"}
    [event] = alerts(stage)
    assert (event.source, event.transition, event.verified_by) == ("pagerduty", "triggered", "first")
    assert not [record for record in stage.publisher.records if ROUTING_KEY.encode() in record.value]


async def test_I1_pagerduty_generates_the_dedup_key(stage: Stage) -> None:
    content = {name: value for name, value in TRIGGER.items() if name != "dedup_key"}
    key = (await stage.http.post("/v2/enqueue", json=content)).json()["dedup_key"]
    resolve = {"routing_key": ROUTING_KEY, "event_action": "resolve", "dedup_key": key}
    assert (await stage.http.post("/v2/enqueue", json=resolve)).status_code == 202
    first, last = alerts(stage)
    assert first.fingerprint == last.fingerprint
    assert (first.transition, last.transition) == ("triggered", "resolved")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "the body is not JSON: Input data was truncated"),
        (b"\xff", "the body is not UTF-8: byte 0 cannot be read"),
        (b"[]", "the body is not a JSON object"),
        (b"{}", "'routing_key' is missing or blank"),
        (json.dumps(TRIGGER | {"routing_key": "f" * 32}).encode(), "'routing_key' is not known"),
        (json.dumps(TRIGGER | {"event_action": "boom"}).encode(), "'event_action' must be one of trigger"),
    ],
)
async def test_I1_pagerduty_refuses_in_pagerdutys_shape(stage: Stage, content: bytes, error: str) -> None:
    answer = await stage.http.post("/v2/enqueue", content=content)
    assert answer.status_code == 400
    found = answer.json()
    assert (found["status"], found["message"]) == ("invalid event", "Event object is invalid")
    assert found["errors"][0].startswith(error)
    assert stage.publisher.records == []


async def test_I1_pagerduty_takes_the_key_from_the_header_of_older_clients(stage: Stage) -> None:
    content = {name: value for name, value in TRIGGER.items() if name != "routing_key"}
    answer = await stage.http.post("/v2/enqueue", json=content, headers={"x-routing-key": ROUTING_KEY})
    assert answer.status_code == 202


async def test_I1_pagerduty_bodies_end_at_512_kib(stage: Stage) -> None:
    fits = TRIGGER | {"client": "x" * 500_000}
    assert (await stage.http.post("/v2/enqueue", json=fits)).status_code == 202
    large = TRIGGER | {"client": "x" * 530_000}
    assert (await stage.http.post("/v2/enqueue", json=large)).status_code == 413


async def test_I1_change_events_are_accepted_and_are_no_alert(stage: Stage) -> None:
    change = {"routing_key": ROUTING_KEY, "payload": {"summary": "Deployed"}}
    answer = await stage.http.post("/v2/change/enqueue", json=change)
    assert (answer.status_code, answer.json()["message"]) == (202, "Change event processed")
    assert (await stage.http.post("/v2/change/enqueue", json={"routing_key": "f" * 32})).status_code == 400
    assert (await stage.http.post("/v2/change/enqueue", content=b"{")).status_code == 400
    assert stage.publisher.records == []


async def test_I1_pagerduty_under_pressure_is_503(stage: Stage) -> None:
    stage.publisher.available = False
    answer = await stage.http.post("/v2/enqueue", json=TRIGGER)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    event=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
    name=st.sampled_from(["payload", "dedup_key", "event_action", "links", "client_url"]),
)
async def test_I1_no_pagerduty_event_gives_a_500(stage: Stage, event: Any, name: str) -> None:
    try:
        content = json.dumps(TRIGGER | {name: event}).encode()
    except UnicodeEncodeError:
        return
    assert (await stage.http.post("/v2/enqueue", content=content)).status_code in {202, 400}


# --- behind an API key ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "content"), [("/webhooks/cloudevents", CLOUD_EVENT), ("/webhooks/generic/uptime-kuma", KUMA)]
)
async def test_I1_cloudevents_and_mappers_need_a_key_that_may_ingest(stage: Stage, path: str, content: bytes) -> None:
    assert (await stage.http.post(path, content=content)).status_code == 401
    assert (await stage.http.post(path, content=content, headers={"x-api-key": "wrong"})).status_code == 401
    reader = await stage.key("read")
    assert (await stage.http.post(path, content=content, headers={"x-api-key": reader})).status_code == 403
    sender = await stage.key("ingest", workspace="acme")
    answer = await stage.http.post(path, content=content, headers={"authorization": f"Bearer {sender}"})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    [record] = stage.publisher.of(ALERTS)
    assert from_headers(record.headers).workspace == "acme"
    assert alerts(stage)[0].verified_by == "api_key"


@pytest.mark.parametrize(
    ("source", "path", "content"),
    [("cloudevents", "/webhooks/cloudevents", CLOUD_EVENT), ("generic", "/webhooks/generic/uptime-kuma", KUMA)],
)
async def test_I1_they_can_be_opened(source: str, path: str, content: bytes) -> None:
    async with Stage(sources=replace(two_live(), open=frozenset({source}))) as stage:
        assert (await stage.http.post(path, content=content)).status_code == 202
        assert alerts(stage)[0].verified_by == "open"
        assert (await stage.http.post(path, content=content, headers={"x-api-key": "wrong"})).status_code == 401


async def test_I1_the_same_cloud_event_is_the_same_event_in_any_batch(stage: Stage) -> None:
    headers = {"x-api-key": await stage.key("ingest")}
    one = await stage.http.post("/webhooks/cloudevents", content=CLOUD_EVENT, headers=headers)
    other = json.loads(CLOUD_EVENT) | {"id": "2"}
    batch = await stage.http.post(
        "/webhooks/cloudevents",
        json=[other, json.loads(CLOUD_EVENT)],
        headers={**headers, "content-type": "application/cloudevents-batch+json"},
    )
    assert batch.json()["accepted"] == 2
    assert batch.json()["event_ids"][1] == one.json()["event_ids"][0]


async def test_I1_the_handshake_of_cloudevents_needs_no_key(stage: Stage) -> None:
    asked = {"webhook-request-origin": "eventemitter.example.com", "webhook-request-rate": "120"}
    answer = await stage.http.options("/webhooks/cloudevents", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert answer.headers["webhook-allowed-rate"] == "*"
    assert "POST" in answer.headers["allow"]
    assert "webhook-allowed-origin" not in (await stage.http.options("/webhooks/cloudevents")).headers


async def test_I1_an_unknown_mapper_is_404(stage: Stage) -> None:
    headers = {"x-api-key": await stage.key("ingest")}
    assert (await stage.http.post("/webhooks/generic/other", content=b"{}", headers=headers)).status_code == 404
    assert (await stage.http.put("/webhooks/generic/uptime-kuma", content=KUMA, headers=headers)).status_code == 202


@pytest.mark.parametrize("path", ["/webhooks/cloudevents", "/webhooks/generic/uptime-kuma"])
async def test_I2_what_came_with_a_key_and_cannot_be_read_is_kept(stage: Stage, path: str) -> None:
    key = await stage.key("ingest", workspace="acme")
    answer = await stage.http.post(path, content=b"{", headers={"x-api-key": key, "ce-extension": "1"})
    assert (answer.status_code, answer.json()["quarantined"]) == (202, True)
    [record] = stage.publisher.of(QUARANTINE)
    headers = {name: value.decode() for name, value in record.headers}
    assert headers["webhook.verified_by"] == "api_key"
    assert headers["webhook.header.ce-extension"] == "1"
    assert headers["dlq.topic"] == path
    assert key not in str(headers)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=100),
    content_type=st.sampled_from(
        ["application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "text/plain", ""]
    ),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=20),
)
async def test_I1_no_bytes_with_a_key_give_a_500(stage: Stage, body: bytes, content_type: str, value: str) -> None:
    headers = {b"x-api-key": (await stage.key("ingest")).encode(), b"content-type": content_type.encode()}
    headers |= {b"ce-" + name: value.encode("latin-1") for name in (b"id", b"source", b"type")}
    for more in ({}, {b"ce-specversion": b"1.0"}):
        answer = await stage.http.post("/webhooks/cloudevents", content=body, headers=headers | more)
        assert answer.status_code == 202
    answer = await stage.http.post("/webhooks/generic/uptime-kuma", content=body, headers=headers)
    assert answer.status_code == 202


# --- time that is signed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-310, 310])
async def test_I1_a_stale_time_is_401_where_it_is_signed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    then = time.time() + seconds
    for sending, sign in ((SENDINGS["standard"], standard), (SENDINGS["grafana timed"], grafana_timed)):
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda: then)
            headers = sign(sending.body, NEW)
        answer = await stage.http.post(sending.route, content=sending.body, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (
            401,
            "The signed time is more than five minutes away",
        )


async def test_I2_a_repeated_id_of_standard_webhooks_is_the_same_event(stage: Stage) -> None:
    sending = SENDINGS["standard"]
    other = sending.body.replace(b"critical", b"error")
    ids = []
    for content in (sending.body, other):
        answer = await stage.http.post(sending.route, content=content, headers=standard(content, NEW))
        ids += answer.json()["event_ids"]
    assert ids[0] == ids[1]


# --- GitHub -----------------------------------------------------------------------------------------------------------


async def test_I1_a_failed_workflow_run_becomes_a_failure_of_its_ticket(stage: Stage) -> None:
    sending = SENDINGS["github"]
    headers = {**sending.headers, **sending.sign(sending.body, NEW)}
    found = (await stage.http.post(sending.route, content=sending.body, headers=headers)).json()
    identifier = "octo-org/octo-repo/159038/main"
    entity = failure_entity("default", "octo-org/octo-repo: Build", identifier)
    assert found["failures"] == [
        {
            "workflow": "octo-org/octo-repo: Build",
            "identifier": identifier,
            "rule": "repository, workflow and branch",
            "ticket_entity": entity,
        }
    ]
    [record] = stage.publisher.of(TICKETS)
    assert record.key == f"default/{entity}".encode()
    event = msgspec.json.decode(record.value, type=FailureReported)
    assert (event.source, event.severity) == ("github", "error")
    assert from_headers(record.headers).sender_given


async def test_I1_github_signs_the_raw_form(stage: Stage) -> None:
    from urllib.parse import urlencode

    form = urlencode({"payload": SENDINGS["github"].body.decode()}).encode()
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-github-event": "workflow_run",
        "x-hub-signature-256": "sha256=" + hex_of(NEW, form),
    }
    answer = await stage.http.post("/webhooks/github", content=form, headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)


async def test_a_large_failure_of_github_travels_by_digest(stage: Stage) -> None:
    content = json.loads(SENDINGS["github"].body)
    content["workflow_run"]["head_commit"]["message"] = "x" * 5_000
    text = json.dumps(content).encode()
    headers = {"x-github-event": "workflow_run", "x-hub-signature-256": "sha256=" + hex_of(NEW, text)}
    await stage.http.post("/webhooks/github", content=text, headers=headers)
    assert [record.topic for record in stage.publisher.records] == [PAYLOADS, TICKETS]


async def test_standard_secrets_are_decoded_before_use() -> None:
    sending = SENDINGS["standard"]
    known = {"standard": labelled(["whsec_" + whsec(NEW)], "default")}
    async with Stage(sources=knowing(known)) as stage:
        answer = await stage.http.post(sending.route, content=sending.body, headers=standard(sending.body, NEW))
        assert answer.status_code == 202
