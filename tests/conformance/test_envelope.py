"""Our headers against the CloudEvents library: what either writes, the other reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from tocsin.events.envelope import Envelope, EnvelopeError, from_headers, to_headers

FULL = Envelope(
    id="e-1",
    type="tocsin.tickets.FailureReported.v1",
    source="/tocsin/ingest",
    time="2026-11-20T12:00:00.123Z",
    workspace="acme",
    sender_given=True,
    origin="3:42",
    causation_id="e-0",
    depth=2,
    outcome="wait",
    request_digest="ab" * 32,
    correlation_id="r-1",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
BARE = Envelope("e", "t", "/s", "2026-11-20T12:00:00.000Z", "default")


@pytest.mark.parametrize("envelope", [FULL, BARE])
def test_the_library_reads_what_we_write(envelope: Envelope) -> None:
    message = KafkaMessage(headers=dict(to_headers(envelope)), key=b"k", value=b'{"a":1}')
    event = from_binary(message, JSONFormat())
    assert (event.get_id(), event.get_type(), event.get_source()) == (envelope.id, envelope.type, envelope.source)
    assert event.get_time() == datetime.fromisoformat(envelope.time)
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == {"a": 1}
    assert event.get_extension("workspace") == envelope.workspace
    assert (event.get_extension("causationid") or "") == envelope.causation_id


def test_we_read_what_the_library_writes() -> None:
    event = CloudEvent(
        {
            "id": "e-1",
            "type": "t",
            "source": "/s",
            "specversion": "1.0",
            "time": datetime(2026, 11, 20, 12, tzinfo=UTC),
            "datacontenttype": "application/json",
            "workspace": "acme",
            "sendergiven": "true",
            "correlationid": "r-1",
        },
        {"a": 1},
    )
    message = to_binary(event, JSONFormat())
    envelope = from_headers(list(message.headers.items()))
    assert envelope == Envelope(
        "e-1", "t", "/s", "2026-11-20T12:00:00Z", "acme", sender_given=True, correlation_id="r-1"
    )


_text = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=40)


@given(st.builds(Envelope, _text, _text, _text, _text, _text, st.booleans(), _text, _text, st.integers(0, 9)))
def test_reading_undoes_writing(envelope: Envelope) -> None:
    assert from_headers(to_headers(envelope)) == envelope


@pytest.mark.parametrize("missing", ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_workspace"])
def test_a_missing_attribute_is_refused(missing: str) -> None:
    with pytest.raises(EnvelopeError):
        from_headers([header for header in to_headers(FULL) if header[0] != missing])
