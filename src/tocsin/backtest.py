"""``tocsin backtest``: reads what was recorded, decides it again under other rules, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tocsin.errors import StartError
from tocsin.events import alerts, tickets
from tocsin.events.envelope import EnvelopeError, from_headers
from tocsin.events.topics import events_topic
from tocsin.kafka_security import client_options, stop_client
from tocsin.streams.domain import sla_replay
from tocsin.streams.domain.grouping_replay import GroupingReplay, Outcome
from tocsin.streams.domain.recorded import Recorded
from tocsin.streams.domain.sla_replay import SlaOutcome, SlaReplay

_WANTED: Final = (alerts.AlertReceived, alerts.SilenceRequested, alerts.SilenceEndRequested, *sla_replay.WANTED)
_DECODERS: Final = {
    name: msgspec.json.Decoder(cls)
    for events in (alerts.EVENTS, tickets.EVENTS)
    for name, cls in events.items()
    if issubclass(cls, _WANTED)
}


def grouped(recorded: Iterable[Recorded], body: Mapping[str, Any]) -> Outcome:
    """What the policy makes of these events, which are in order of time."""
    replay = GroupingReplay(body)
    for one in recorded:
        replay.take(one)
    return replay.outcome()


def judged(recorded: Iterable[Recorded], sla: Mapping[str, Any], body: Mapping[str, Any], now: int) -> SlaOutcome:
    """What an SLA policy makes of these events, which are in order of time, by ``now`` (Unix ms).

    body: of the tickets policy.
    """
    replay = SlaReplay(sla, body)
    for one in recorded:
        replay.take(one)
    replay.until(now)
    return replay.outcome()


async def recorded_alerts(bootstrap: str, since_ms: int) -> list[Recorded]:
    """As ``recorded_events``, of alerts."""
    return await recorded_events(bootstrap, alerts.DOMAIN, since_ms)


async def recorded_events(bootstrap: str, domain: str, since_ms: int) -> list[Recorded]:
    """Every readable event of the domain since then, in order of time; timers and policies are left out.

    Raises StartError when Kafka cannot be read.
    """
    consumer = AIOKafkaConsumer(
        **client_options(),
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    try:
        await consumer.start()
        try:
            found = await _read(consumer, events_topic(domain), since_ms)
        finally:
            await stop_client(consumer)
    except KafkaError as error:
        raise StartError(f"The log cannot be read: {error!r}.") from error
    return sorted(found, key=lambda one: (one.at, one.partition, one.offset))


async def _read(consumer: AIOKafkaConsumer, topic: str, since_ms: int) -> list[Recorded]:
    found: list[Recorded] = []
    await consumer._client.force_metadata_update()
    for number in sorted(consumer.partitions_for_topic(topic) or ()):
        where = TopicPartition(topic, number)
        consumer.assign([where])
        start = (await consumer.offsets_for_times({where: since_ms}))[where]
        end = (await consumer.end_offsets([where]))[where]
        if start is None:
            continue
        consumer.seek(where, start.offset)
        while await consumer.position(where) < end:
            for record in (await consumer.getmany(where, timeout_ms=500)).get(where, ()):
                if (one := recorded(record)) is not None:
                    found.append(one)
    return found


def recorded(record: Any) -> Recorded | None:
    """The event of a record; None for what the decide stage set aside, for replays, timers and policies."""
    try:
        envelope = from_headers(record.headers)
        decoder = _DECODERS.get(envelope.type)
        if decoder is None or record.key is None or record.value is None:
            return None
        event = decoder.decode(record.value)
    except (EnvelopeError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if envelope.origin and not envelope.origin.startswith("dlq:"):
        return None
    entity = record.key.decode(errors="replace").partition("/")[2]
    return Recorded(record.timestamp, record.partition, record.offset, entity, envelope, event)
