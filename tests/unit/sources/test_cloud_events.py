"""CloudEvents over HTTP in its three modes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.unit.sources.given import alert, body, delivery
from tocsin.events.alerts import AlertReceived
from tocsin.ingest.sources.cloud_events import KEY_RULE, RULE, parse
from tocsin.ingest.sources.webhook import Unreadable

EVENT = body("cloudevents/structured.json")
BINARY = {
    "ce_specversion": "1.0",
    "ce_id": "A234-1234-1234",
    "ce_source": "/monitors/disk",
    "ce_type": "com.example.disk.full.triggered",
    "ce_subject": "db-7",
    "ce_time": "2026-01-31T12:00:00Z",
    "ce_severity": "P1",
}


def test_I1_structured() -> None:
    reading = parse(delivery(EVENT, "api_key", content_type="application/cloudevents+json; charset=utf-8"))
    found = alert(reading)
    assert found.fingerprint == "cloudevents:/monitors/disk:com.example.disk.full:db-7"
    assert found.fingerprint_rule == RULE
    assert found.fingerprint_fields == {
        "source": "/monitors/disk",
        "type": "com.example.disk.full",
        "subject": "db-7",
    }
    assert (found.transition, found.severity) == ("triggered", "critical")
    assert (found.service, found.team, found.environment) == ("orders", "payments", "prod")
    assert (found.title, found.message) == ("Disk of db-7 is full", "3 % left")
    assert found.tags == {"severity": "P1", "disk": "sda"}
    assert reading.event_ids == ["/monitors/disk A234-1234-1234"]
    assert json.loads(bytes(found.context)) == EVENT


def test_I1_binary_says_the_same() -> None:
    content = json.dumps(EVENT["data"]).encode()
    binary = parse(delivery(content, "api_key", content_type="application/json", **BINARY))
    structured = parse(delivery(EVENT, "api_key", content_type="application/cloudevents+json"))
    assert alert(binary).fingerprint == alert(structured).fingerprint
    assert (alert(binary).title, alert(binary).severity) == ("Disk of db-7 is full", "critical")
    assert binary.event_ids == structured.event_ids
    expected = {name: value for name, value in EVENT.items() if name != "datacontenttype"}
    assert json.loads(bytes(alert(binary).context)) == expected


@pytest.mark.parametrize(
    ("content_type", "content", "message"),
    [
        ("text/plain", b"disk full", "disk full"),
        ("application/octet-stream", b"\xff\x00", ""),
        ("application/json", b"", ""),
        ("application/json", b'"disk full"', "disk full"),
    ],
)
def test_I1_binary_data_of_any_type(content_type: str, content: bytes, message: str) -> None:
    found = alert(parse(delivery(content, "api_key", content_type=content_type, **BINARY)))
    assert (found.title, found.message) == ("com.example.disk.full db-7", message)


def test_I1_attributes_in_headers_are_percent_encoded() -> None:
    found = alert(parse(delivery(b"{}", "api_key", **BINARY | {"ce_subject": "Euro%20%E2%82%AC%20%F0%9F%98%80"})))
    assert found.fingerprint_fields["subject"] == "Euro € 😀"
    with pytest.raises(Unreadable, match="ce-subject"):
        parse(delivery(b"{}", "api_key", **BINARY | {"ce_subject": "%FF"}))


def test_I1_a_batch_is_as_many_events_as_it_holds() -> None:
    second = EVENT | {"id": "2", "type": "com.example.disk.full.resolved"}
    content = json.dumps([EVENT, second]).encode()
    reading = parse(delivery(content, "api_key", content_type="application/cloudevents-batch+json"))
    first, last = reading.events
    assert isinstance(first, AlertReceived)
    assert isinstance(last, AlertReceived)
    assert first.fingerprint == last.fingerprint
    assert (first.transition, last.transition) == ("triggered", "resolved")
    assert reading.event_ids == ["/monitors/disk A234-1234-1234", "/monitors/disk 2"]
    assert json.loads(bytes(last.context)) == second
    empty = parse(delivery(b"[]", "api_key", content_type="application/cloudevents-batch+json"))
    assert empty.reason == "the batch is empty"


def test_I2_without_subject_the_key_of_the_data_is_part_of_the_identity() -> None:
    event = {name: value for name, value in EVENT.items() if name != "subject"} | {"data": {"alert_id": 7}}
    found = alert(parse(delivery(event, "api_key")))
    assert (found.fingerprint_rule, found.fingerprint_fields["data.alert_id"]) == (KEY_RULE, "7")


def test_I1_data_in_base64() -> None:
    encoded = base64.b64encode(b"disk full").decode()
    event = {name: value for name, value in EVENT.items() if name != "data"} | {"data_base64": encoded}
    assert alert(parse(delivery(event, "api_key"))).message == "disk full"
    assert alert(parse(delivery(event | {"data_base64": "!"}, "api_key"))).message == ""


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
def test_I2_an_event_without_a_required_attribute_is_unreadable(missing: str) -> None:
    event: dict[str, Any] = {name: value for name, value in EVENT.items() if name != missing}
    with pytest.raises(Unreadable, match=missing):
        parse(delivery(event, "api_key", content_type="application/cloudevents+json"))


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{}", "application/cloudevents-batch+json"),
        (b"[1]", "application/cloudevents-batch+json"),
        (b"", "application/cloudevents+json"),
        (b"{}", "application/json"),
    ],
)
def test_I2_other_shapes_are_unreadable(content: bytes, content_type: str) -> None:
    with pytest.raises(Unreadable):
        parse(delivery(content, "api_key", content_type=content_type))
