"""What a fault left behind: the whole log, the facts, the read models; and the rules they must keep."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from tests.faults.load import Load
from tests.faults.workers import EVENTS, FACTS, PARTITIONS, FactsRead
from tests.installation import Installation, eventually
from tocsin.events.envelope import EnvelopeError, from_headers
from tocsin.status import collect

Records = list[ConsumerRecord[bytes, bytes]]


async def read_log(bootstrap: str, topic: str) -> Records:
    """Every committed record of a topic, up to the end as it is now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", max_partition_fetch_bytes=16 * 1024 * 1024
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        for partition, beginning in (await consumer.beginning_offsets(partitions)).items():
            consumer.seek(partition, beginning)
        ends = await consumer.end_offsets(partitions)
        found: Records = []
        while [one for one in partitions if await consumer.position(one) < ends[one]]:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += records
        return found
    finally:
        await consumer.stop()


def log_of(installation: Installation, topic: str) -> Records:
    return asyncio.run(read_log(installation.addresses.kafka, topic))


def until_settled(installation: Installation, seconds: float = 60) -> None:
    """Until everything answers and no stage is behind; fails with what is not so."""
    deadline = time.monotonic() + seconds
    while True:
        found = asyncio.run(collect(installation.settings))
        wrong = [*found.problems, *(lag for lag in found.lag if lag.records)]
        if not wrong:
            return
        assert time.monotonic() < deadline, wrong
        time.sleep(0.1)


def checksums(installation: Installation) -> dict[str, str]:
    """Of every read model, positions included."""
    done = installation.run("projections", "checksum", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def counted(installation: Installation, workflow: str) -> Counter[str]:
    """Occurrences by identifier, as the API shows them."""
    with installation.client() as client:
        answer = client.get("/tickets", params={"workflow": workflow, "limit": 100})
    assert answer.status_code == 200, answer.text
    return Counter({one["identifier"]: one["occurrences"] for one in answer.json()["items"]})


def assert_exact(installation: Installation, load: Load, seconds: float = 60) -> None:
    """What was accepted is in the log as it was accepted, decided once, counted once; each command has its outcome."""
    _until(lambda: counted(installation, load.workflow), load.counts, seconds)
    _assert_outcomes(installation, load.commands, seconds)
    events = [record for record in log_of(installation, EVENTS) if _belongs(record, load)]
    _assert_as_accepted(events, load)
    facts = FactsRead()
    for record in log_of(installation, FACTS):
        facts.take(record)
    facts.assert_each_once(_accounted_for(events, load))


def _until(look: Callable[[], Counter[str]], wanted: Counter[str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, f"counted {found - wanted} too many, {wanted - found} too few"
        time.sleep(0.1)


def _belongs(record: ConsumerRecord[bytes, bytes], load: Load) -> bool:
    try:
        event_id = from_headers(record.headers).id
    except EnvelopeError:  # of a test that writes what no gateway would
        return False
    return event_id in load.acked or event_id in load.commands


def _accounted_for(events: Records, load: Load) -> Iterator[tuple[int, int]]:
    """Every failure report, its repeats too, and the first record of each command: repeats of that ask nothing."""
    commanded: set[str] = set()
    for record in sorted(events, key=lambda one: (one.partition, one.offset)):
        event_id = from_headers(record.headers).id
        if event_id in load.commands:
            if event_id in commanded:
                continue
            commanded.add(event_id)
        yield record.partition, record.offset


def _assert_as_accepted(events: Records, load: Load) -> None:
    stored: set[str] = set()
    for record in events:
        event_id = from_headers(record.headers).id
        stored.add(event_id)
        if body := load.acked.get(event_id):
            value: dict[str, Any] = json.loads(record.value or b"")
            assert {name: value[name] for name in body} == body
    lost = (load.acked.keys() | load.commands) - stored
    assert not lost, f"{len(lost)} accepted events are not in the log: {sorted(lost)[:5]}"


def _assert_outcomes(installation: Installation, commands: Iterable[str], seconds: float) -> None:
    missing = set(commands)
    with installation.client() as client:

        def look() -> bool:
            missing.difference_update(
                [one for one in missing if client.get(f"/commands/{one}").status_code == 200],
            )
            return not missing

        eventually(look, seconds)
