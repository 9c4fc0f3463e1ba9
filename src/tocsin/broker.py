"""Administration of Kafka: creates the table of topics, reports where an existing topic differs, and measures lag."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from tocsin.errors import StartError
from tocsin.events.topics import Topic
from tocsin.kafka_security import client_options, stop_client

_TOPIC_ALREADY_EXISTS: Final = 36
_VISIBLE_SECONDS: Final = 30
_BROKER_DEFAULT: Final = -1  # replication factor: as the cluster is configured


@dataclass(frozen=True, slots=True)
class Drift:
    """A setting of an existing topic that differs from the table."""

    topic: str
    name: str
    actual: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.name} is {self.actual}, not {self.wanted}"


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What ``ensure_topics`` found and did."""

    created: tuple[str, ...]
    drift: tuple[Drift, ...]
    corrected: bool


@dataclass(frozen=True, slots=True)
class Lag:
    """What a reader has not read yet. ``seconds``: age of the oldest such record, 0 when there is none."""

    topic: str
    partition: int
    records: int
    seconds: float


@asynccontextmanager
async def administration(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client. Raises StartError when no broker answers."""
    admin = AIOKafkaAdminClient(**client_options(), bootstrap_servers=bootstrap)
    try:
        await admin.start()
    except KafkaError as error:
        raise _no_answer(bootstrap) from error
    try:
        yield admin
    finally:
        await admin.close()


def _no_answer(bootstrap: str) -> StartError:
    """A broker that refuses a password only closes the connection, as one that is not there."""
    refused = ", or refuses the credentials" if "sasl_mechanism" in client_options() else ""
    return StartError(f"Kafka does not answer at {bootstrap}{refused}.")


async def wait_until_ready(bootstrap: str, timeout: float = 60) -> None:
    """Returns once a broker answers. Raises StartError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            async with administration(bootstrap) as admin:
                await admin.describe_cluster()
                return
        except (StartError, KafkaError):
            if time.monotonic() > deadline:
                raise StartError(f"Kafka did not answer at {bootstrap} within {timeout:.0f} s.") from None
        await asyncio.sleep(0.2)


async def ensure_topics(
    bootstrap: str,
    table: Sequence[Topic],
    partitions: int,
    *,
    correct: bool = True,
) -> TopicReport:
    """Creates missing topics and sets drifted settings back (``correct``).

    Raises StartError when an existing topic has another partition count: keys would move between partitions, so the
    count is fixed when the installation is made.
    """
    async with administration(bootstrap) as admin:
        existing = set(await admin.list_topics())
        missing = [topic for topic in table if topic.name not in existing]
        present = [topic for topic in table if topic.name in existing]
        await _check_partitions(admin, present, partitions)
        created = await _create(admin, missing, partitions)
        drift = await _drift(admin, present)
        if drift and correct:
            await _correct(admin, [topic for topic in present if topic.name in {found.topic for found in drift}])
    return TopicReport(created, drift, corrected=bool(drift) and correct)


async def compare(bootstrap: str, table: Sequence[Topic], partitions: int) -> tuple[list[str], tuple[Drift, ...]]:
    """The missing topics and the drifted settings; changes nothing. Raises StartError as ``ensure_topics``."""
    async with administration(bootstrap) as admin:
        existing = set(await admin.list_topics())
        present = [topic for topic in table if topic.name in existing]
        await _check_partitions(admin, present, partitions)
        return [topic.name for topic in table if topic.name not in existing], await _drift(admin, present)


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic], partitions: int) -> tuple[str, ...]:
    if not topics:
        return ()
    answer = await admin.create_topics(
        [
            # aiokafka takes the broker's default factor only beside an (empty) assignment
            NewTopic(topic.name, partitions, _BROKER_DEFAULT, {}, dict(topic.configuration))
            for topic in topics
        ]
    )
    created = []
    for name, code, *message in answer.topic_errors:
        if code not in (0, _TOPIC_ALREADY_EXISTS):  # another process may create them at the same moment
            raise StartError(
                f"Topic {name} could not be created: {message[0] if message else for_code(code).__name__}."
            )
        if not code:
            created.append(name)
    await _until_led(admin, [topic.name for topic in topics])
    return tuple(created)


async def _until_led(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Creation is answered before every broker knows the topic; a worker that starts then sees no partitions."""
    deadline = time.monotonic() + _VISIBLE_SECONDS
    while True:
        described = await admin.describe_topics(names)
        partitions = [partition for topic in described for partition in topic["partitions"]]
        if not any(topic["error_code"] for topic in described) and all(one["leader"] >= 0 for one in partitions):
            return
        if time.monotonic() > deadline:
            raise StartError(f"New topics had no leader after {_VISIBLE_SECONDS} s: {', '.join(names)}.")
        await asyncio.sleep(0.05)


async def _check_partitions(admin: AIOKafkaAdminClient, present: Sequence[Topic], partitions: int) -> None:
    if not present:
        return
    for described in await admin.describe_topics([topic.name for topic in present]):
        if (found := len(described["partitions"])) != partitions:
            raise StartError(
                f"Topic {described['topic']} has {found} partitions but TOCSIN_PARTITIONS is {partitions}; the count "
                f"is fixed when an installation is made: set TOCSIN_PARTITIONS={found} or use a new installation."
            )


async def _drift(admin: AIOKafkaAdminClient, present: Sequence[Topic]) -> tuple[Drift, ...]:
    if not present:
        return ()
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in present]
    actual: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for _code, _message, _kind, name, entries in answer.resources:
            actual[name] = {entry[0]: entry[1] for entry in entries}
    return tuple(
        Drift(topic.name, setting, str(actual[topic.name].get(setting)), wanted)
        for topic in present
        for setting, wanted in topic.configuration.items()
        if actual[topic.name].get(setting) != wanted
    )


async def _correct(admin: AIOKafkaAdminClient, topics: Iterable[Topic]) -> None:
    # AlterConfigs replaces all settings of a topic, so it carries the whole row of the table
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=dict(topic.configuration)) for topic in topics
    ]
    for answer in await admin.alter_configs(resources):
        for code, message, _kind, name in answer.resources:
            if code:
                raise StartError(f"The settings of topic {name} could not be corrected: {message}.")


# --- positions ------------------------------------------------------------------------------------------------------


async def committed_positions(bootstrap: str, group: str) -> dict[tuple[str, int], int]:
    """The next offset of each (topic, partition) a consumer group committed."""
    async with administration(bootstrap) as admin:
        offsets: Mapping[TopicPartition, Any] = await admin.list_consumer_group_offsets(group)
    return {(key.topic, key.partition): found.offset for key, found in offsets.items() if found.offset >= 0}


async def lags(bootstrap: str, positions: Mapping[tuple[str, int], int]) -> list[Lag]:
    """How far readers at these next offsets are behind the committed end of their partitions."""
    consumer = AIOKafkaConsumer(
        **client_options(),
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=1024,  # one record tells its age; larger ones still come whole
    )
    try:
        await consumer.start()
    except KafkaError as error:
        raise _no_answer(bootstrap) from error
    try:
        return await _lags(consumer, positions)
    finally:
        await stop_client(consumer)


async def _lags(consumer: AIOKafkaConsumer, positions: Mapping[tuple[str, int], int]) -> list[Lag]:
    wanted = {TopicPartition(*key): offset for key, offset in positions.items()}
    ends = await consumer.end_offsets(list(wanted))
    beginnings = await consumer.beginning_offsets(list(wanted))
    starts = {partition: max(offset, beginnings[partition]) for partition, offset in wanted.items()}
    oldest = await _first_timestamps(consumer, starts, ends)
    found = []
    for partition, start in sorted(starts.items()):
        # commit markers take offsets too: behind the end without a record in between is no lag
        records = ends[partition] - start if partition in oldest else 0
        seconds = max(0.0, time.time() - oldest[partition] / 1000) if partition in oldest else 0.0
        found.append(Lag(partition.topic, partition.partition, records, seconds))
    return found


async def _first_timestamps(
    consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """The time of the first record at or after each start, in Unix ms; partitions without one are left out."""
    pending = {partition for partition, start in starts.items() if start < ends[partition]}
    consumer.assign(list(pending))
    for partition in pending:
        consumer.seek(partition, starts[partition])
    found: dict[TopicPartition, int] = {}
    while pending:
        for partition, records in (await consumer.getmany(timeout_ms=100)).items():
            found.setdefault(partition, records[0].timestamp)
        pending -= {partition for partition in pending if await consumer.position(partition) >= ends[partition]}
        pending -= found.keys()
        consumer.pause(*(set(starts) & consumer.assignment() - pending))
    return found
