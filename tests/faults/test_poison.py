"""Records no gateway would write: each waits in the dead-letter queue with its reason, and its partition moves on."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from tests.faults.workers import EVENTS, PARTITIONS
from tests.installation import Installation, eventually
from tocsin import dead_letters
from tocsin.dead_letters import DeadLetter
from tocsin.events.envelope import Envelope, to_headers
from tocsin.events.identity import failure_entity, partition_of, record_key
from tocsin.events.times import rfc3339
from tocsin.projections.tables import projection_errors
from tocsin.projections.writes import qualified

pytestmark = [pytest.mark.embedded, pytest.mark.faults]

WORKFLOW = "poisoned"
IN_TIME = 5.0
_numbers = itertools.count(1)

Where = tuple[int, int]


def key_of(identifier: str) -> bytes:
    return record_key("default", failure_entity("default", WORKFLOW, identifier))


KEY = key_of("id")
PARTITION = partition_of(KEY, PARTITIONS)


class Record(NamedTuple):
    """An event as some producer writes it; the defaults are those of a good one."""

    value: bytes | None
    key: bytes | None = KEY
    headers: tuple[tuple[str, bytes], ...] = ()
    compression: str | None = None
    partition: int | None = None


def failure(**fields: Any) -> dict[str, Any]:
    now = rfc3339(time.time_ns() // 1_000_000)
    given = {"workflow": WORKFLOW, "identifier": "id", "identity_reason": "given", "message": "boom"}
    return {**given, "occurred_at": now, **fields}


def encoded(**fields: Any) -> bytes:
    return json.dumps(failure(**fields)).encode()


def with_context(context: bytes) -> bytes:
    return encoded()[:-1] + b', "context": ' + context + b"}"


def headers(**changed: bytes) -> tuple[tuple[str, bytes], ...]:
    now = rfc3339(time.time_ns() // 1_000_000)
    event_id = f"poison-{next(_numbers)}"
    good = dict(to_headers(Envelope(event_id, "tocsin.tickets.FailureReported.v1", "/test", now, "default")))
    return tuple(
        {**good, **{name.replace("content_type", "content-type"): value for name, value in changed.items()}}.items()
    )


POISON = {
    "bad JSON": (Record(b'{"workflow": "po'), "bad_value"),
    "not UTF-8": (Record(b'{"workflow": "\xff\xfe"}'), "bad_value"),
    "wrong type of a field": (Record(encoded(workflow=7)), "bad_value"),
    "not an object": (Record(b"1e999"), "bad_value"),
    "a number out of range": (Record(encoded()[:-1] + b', "severity": 1e999}'), "bad_value"),
    "deep nesting": (Record(with_context(b"[" * 200_000 + b"]" * 200_000)), "bad_value"),
    "no key": (Record(encoded(), key=None), "no_key"),
    "a key of another form": (Record(encoded(), key=b"\xff/x"), "bad_key"),
    "a foreign key": (Record(encoded(), key=b"other/t_x"), "bad_key"),
    "tombstone": (Record(None), "tombstone"),
    "unknown version": (
        Record(encoded(), headers=headers(ce_type=b"tocsin.tickets.FailureReported.v9")),
        "unknown_type",
    ),
    "not JSON by its content type": (Record(encoded(), headers=headers(content_type=b"avro/binary")), "bad_envelope"),
    "no CloudEvent": (Record(encoded(), headers=(("x", b"y"),)), "bad_envelope"),
    "larger than a fact may be": (Record(with_context(b'"' + b"x" * 2_040_000 + b'"')), "too_large"),
    "10 MiB in a small batch": (
        Record(with_context(b'"' + b"x" * 10_485_760 + b'"'), compression="gzip"),
        "too_large",
    ),
}


async def publish(bootstrap: str, records: Iterable[Record]) -> list[Where]:
    """Poison goes to the partition of the default key, whatever key it has."""
    async with AsyncExitStack() as stack:
        producers: dict[str | None, AIOKafkaProducer] = {}
        found = []
        for record in records:
            if record.compression not in producers:
                producers[record.compression] = await stack.enter_async_context(
                    AIOKafkaProducer(
                        bootstrap_servers=bootstrap,
                        max_request_size=16 * 1024 * 1024,
                        compression_type=record.compression,
                    )
                )
            sent = await producers[record.compression].send_and_wait(
                EVENTS,
                record.value,
                key=record.key,
                partition=PARTITION if record.partition is None else record.partition,
                headers=list(record.headers or headers()),
            )
            found.append((sent.partition, sent.offset))
        return found


def put(installation: Installation, *records: Record) -> list[Where]:
    return asyncio.run(publish(installation.addresses.kafka, records))


def good(identifier: str, value: bytes, compression: str | None = None) -> Record:
    """An event whose key and partition fit its identifier."""
    key = key_of(identifier)
    return Record(value, key, compression=compression, partition=partition_of(key, PARTITIONS))


def letters(installation: Installation) -> dict[Where, DeadLetter]:
    """What waits in the dead-letter queue, by where it came from."""

    async def read() -> dict[Where, DeadLetter]:
        found = [letter async for letter in dead_letters.read(installation.addresses.kafka)]
        return {(int(one.header("dlq.partition")), int(one.header("dlq.offset"))): one for one in found}

    return asyncio.run(read())


def occurrences(installation: Installation, identifier: str) -> int:
    with installation.client() as client:
        found = client.get("/tickets", params={"workflow": WORKFLOW, "limit": 100}).json()["items"]
    return sum(one["occurrences"] for one in found if one["identifier"] == identifier)


def until_counted(installation: Installation, identifier: str, count: int, seconds: float = IN_TIME) -> int:
    """The count, once it was reached; TimeoutError when it is not."""
    eventually(lambda: occurrences(installation, identifier) == count, seconds)
    return count


@pytest.fixture(scope="module")
def buried(installation: Installation) -> dict[str, DeadLetter]:
    """What became of each poison. A good event goes before and after each, to the same partition and ticket."""
    records = [one for poison, _ in POISON.values() for one in (Record(encoded()), poison)]
    where = put(installation, *records, Record(encoded()))[1::2]
    until_counted(installation, "id", len(POISON) + 1)
    found = letters(installation)
    return {name: found[position] for name, position in zip(POISON, where, strict=True)}


@pytest.mark.parametrize("name", POISON)
def test_poison_waits_with_its_reason_and_the_partition_moves_on(buried: dict[str, DeadLetter], name: str) -> None:
    record, reason = POISON[name]
    letter = buried[name]
    assert letter.header("dlq.reason") == reason
    assert letter.header("dlq.topic") == EVENTS
    assert letter.record.key == record.key
    assert letter.record.value == (None if letter.omitted else record.value)
    assert bool(letter.omitted) == (len(record.value or b"") > 2_000_000)


def test_compressed_batches_simply_work(installation: Installation) -> None:
    codecs = ("gzip", "snappy", "lz4", "zstd")
    put(installation, *(good(codec, encoded(identifier=codec), codec) for codec in codecs))
    assert sum(until_counted(installation, codec, 1) for codec in codecs) == len(codecs)


def test_unusual_values_are_tickets_too(installation: Installation) -> None:
    infinite = encoded(identifier="infinite")[:-1] + b', "context": {"rows": 1e999}}'
    large = encoded(identifier="large")[:-1] + b', "context": "' + b"x" * 1_992_000 + b'"}'
    put(installation, good("infinite", infinite), good("large", large))
    assert until_counted(installation, "infinite", 1) == until_counted(installation, "large", 1) == 1


def test_fact_the_database_refuses_is_kept_aside_and_the_others_are_shown(installation: Installation) -> None:
    """The gateway refuses U+0000; PostgreSQL cannot store it."""
    key = key_of("nul")
    following = next(name for name in map(str, itertools.count()) if same_partition(key_of(name), key))
    put(installation, good("nul", encoded(message="a\x00b")), good(following, encoded(identifier=following)))
    until_counted(installation, following, 1)
    kept = asyncio.run(refused_facts(installation.addresses.database))
    assert [one["record_key"] for one in kept] == [key.decode()]


def same_partition(one: bytes, other: bytes) -> bool:
    return partition_of(one, PARTITIONS) == partition_of(other, PARTITIONS)


async def refused_facts(database: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database)
    try:
        return list(await connection.fetch(f"SELECT record_key, reason FROM {qualified(projection_errors)}"))  # noqa: S608
    finally:
        await connection.close()


def test_dead_letters_are_listed_shown_repaired_and_replayed_once(
    installation: Installation, buried: dict[str, DeadLetter], tmp_path: Path
) -> None:
    position = buried["bad JSON"].position
    listed = [json.loads(line) for line in installation.run("dlq", "list", "--json").stdout.splitlines()]
    assert (position, "bad_value") in {(one["position"], one["reason"]) for one in listed}
    shown = installation.run("dlq", "show", position).stdout
    assert "dlq.reason: bad_value" in shown
    assert '{"workflow": "po' in shown
    repaired = tmp_path / "repaired.json"
    repaired.write_bytes(encoded(message="repaired"))
    before = occurrences(installation, "id")
    for _ in range(2):
        sent = installation.run("dlq", "replay", "--offset", position, "--value-file", str(repaired))
        assert (sent.returncode, sent.stdout) == (0, "1 records were sent.\n"), sent.stderr
    put(installation, Record(encoded()))  # behind both in the partition
    eventually(lambda: occurrences(installation, "id") > before + 1, IN_TIME)
    assert occurrences(installation, "id") == before + 2


def test_replay_of_everything_leaves_out_what_is_not_whole(
    installation: Installation, buried: dict[str, DeadLetter]
) -> None:
    position = buried["10 MiB in a small batch"].position
    planned = installation.run("dlq", "replay", "--dry-run").stdout
    assert f"{position} is not whole (value of " in planned
    refused = installation.run("dlq", "replay", "--offset", position)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
