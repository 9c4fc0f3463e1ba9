"""A webhook that could not be read comes back: the record in the queue is all that a replay has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.stages.ingest import Stage
from tests.stages.webhooks import NEW, SENDINGS, two_live
from tocsin.events.alerts import AlertReceived
from tocsin.events.envelope import from_headers
from tocsin.events.topics import PAYLOADS, dlq_topic, events_topic
from tocsin.ingest.mappers import read_mappers
from tocsin.ingest.publish import Record
from tocsin.ingest.quarantine import read_again
from tocsin.ingest.sources.generic import Mapper
from tocsin.ingest.sources.webhook import Unreadable

ALERTS, QUARANTINE = events_topic("alerts"), dlq_topic("alerts")
FILE = "mappers: {m: {fingerprint: [%s], title: title, delivery_id: delivery}}"


@pytest.fixture
def known(tmp_path: Path) -> dict[str, Mapper]:
    """The mappers of the installation; the first one looks in the wrong place."""
    return {"m": mapper(tmp_path, "missing")}


@pytest.fixture
async def stage(known: dict[str, Mapper]) -> AsyncIterator[Stage]:
    sources = replace(two_live(), open=frozenset({"generic"}), mapper=known.get)
    async with Stage(sources=sources) as running:
        yield running


def mapper(directory: Path, field: str) -> Mapper:
    path = directory / "mappers.yaml"
    path.write_text(FILE % field)
    return read_mappers(path)["m"]


def returned(record: Record, found: Mapper | None = None, body: bytes | None = None) -> list[Record]:
    headers = {name: value.decode() for name, value in record.headers}
    return read_again(headers, record.value if body is None else body, "2:17", lambda _name: found, 4)


async def test_I2_a_repaired_mapper_makes_an_alert_of_what_was_kept(stage: Stage, tmp_path: Path) -> None:
    content = b'{"id": 7, "title": "down", "delivery": "d-1", "log": "' + b"x" * 5_000 + b'"}'
    answer = await stage.http.post("/webhooks/generic/m", content=content)
    assert answer.json()["quarantined"] is True
    [kept] = stage.publisher.of(QUARANTINE)
    with pytest.raises(Unreadable, match="missing is missing"):
        returned(kept, mapper(tmp_path, "missing"))
    payload, record = returned(kept, mapper(tmp_path, "id"))
    assert (payload.topic, record.topic) == (PAYLOADS, ALERTS)
    event = msgspec.json.decode(record.value, type=AlertReceived)
    assert (event.fingerprint, event.title, event.verified_by) == ("m:7", "down", "open")
    envelope = from_headers(record.headers)
    assert (envelope.workspace, envelope.sender_given, envelope.origin) == ("default", True, "dlq:webhook:2:17/0")


async def test_I2_the_ids_are_those_the_delivery_would_have_had(
    stage: Stage, known: dict[str, Mapper], tmp_path: Path
) -> None:
    content = b'{"id": 7, "title": "down"}'
    await stage.http.post("/webhooks/generic/m", content=content)
    [kept] = stage.publisher.of(QUARANTINE)
    [record] = returned(kept, mapper(tmp_path, "id"))
    [again] = returned(kept, mapper(tmp_path, "id"))
    assert record == again
    known["m"] = mapper(tmp_path, "id")
    answer = await stage.http.post("/webhooks/generic/m", content=content)
    assert answer.json()["event_ids"] == [from_headers(record.headers).id]


async def test_I2_a_signed_sender_is_read_by_its_parser_with_its_headers(stage: Stage) -> None:
    sending = SENDINGS["sentry"]
    headers = {**sending.headers, **sending.sign(b"{", NEW)}
    await stage.http.post(sending.route, content=b"{", headers=headers)
    [kept] = stage.publisher.of(QUARANTINE)
    with pytest.raises(Unreadable, match="not JSON"):
        returned(kept)
    records = returned(kept, body=sending.body)
    event = msgspec.json.decode(records[-1].value, type=AlertReceived)
    assert (event.fingerprint, event.verified_by) == ("sentry:issue:1117540176", "second")


async def test_I2_a_mapper_that_is_gone_is_said(stage: Stage) -> None:
    await stage.http.post("/webhooks/generic/m", content=b"{")
    [kept] = stage.publisher.of(QUARANTINE)
    with pytest.raises(Unreadable, match="there is no mapper m"):
        returned(kept)
