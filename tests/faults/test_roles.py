"""The whole installation under load: any process killed, everything stopped, the log delivered once more."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Sequence

import pytest
from aiokafka import AIOKafkaProducer

from tests.faults.evidence import Records, assert_exact, checksums, counted, log_of, until_settled
from tests.faults.load import Load
from tests.faults.workers import EVENTS, FACTS
from tests.installation import CHILDREN, Installation, eventually, victims
from tocsin.embedded import process
from tocsin.embedded.roles import ROLES
from tocsin.events.topics import MAX_MESSAGE_BYTES

pytestmark = [pytest.mark.embedded, pytest.mark.faults]


def until_working(installation: Installation, load: Load) -> None:
    """Until it takes reports in, and shows one that it took in from here on."""
    eventually(installation.ready, 60)
    before = load.counts.total()
    load.flows()
    eventually(lambda: counted(installation, load.workflow).total() > before, 60)


def test_X1_any_process_killed_at_any_moment_loses_and_doubles_nothing(installation: Installation, long: bool) -> None:
    with Load(installation.url, "killed") as load:
        until_working(installation, load)
        for name in victims(20 if long else 2):
            print("killing", name)
            before = installation.child(name)
            before.kill()
            eventually(lambda name=name, before=before: installation.replaced(name, before), 60)  # type: ignore[misc]
            until_working(installation, load)
    assert_exact(installation, load)
    assert set(load.statuses) <= {200, 202, 503}


def test_X1_rebuilt_read_models_are_equal_after_faults(installation: Installation) -> None:
    until_settled(installation)
    before = checksums(installation)
    rebuilt = installation.run("projections", "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert checksums(installation) == before


def test_X1_sigterm_under_load_ends_cleanly_and_the_next_start_has_counted_all(installation: Installation) -> None:
    with Load(installation.url, "stopped") as load:
        until_working(installation, load)
        family = [installation.child(name) for name in CHILDREN]
        assert installation.end(signal.SIGTERM) == 0
        assert not any(map(process.is_alive, family))
        assert not (installation.data / "runtime.json").exists()
        logs = {path.stem for path in (installation.data / "logs").glob("*.log")}
        assert {command.name for command in ROLES} <= logs
        installation.start()
        until_working(installation, load)
    assert_exact(installation, load)


def test_X1_the_whole_log_delivered_again_changes_nothing(installation: Installation) -> None:
    """A replay names the record it repeats (``ce_origin``); all of it was applied, so none of it is applied again."""
    with Load(installation.url, "replayed") as load:
        load.flows(200)
    assert_exact(installation, load)
    until_settled(installation)
    before, facts = checksums(installation), len(log_of(installation, FACTS))
    # other tests have written what is larger than any gateway lets in
    again = [record for record in log_of(installation, EVENTS) if len(record.value or b"") < MAX_MESSAGE_BYTES // 2]
    asyncio.run(deliver_again(installation.addresses.kafka, again))
    until_settled(installation)
    assert len(log_of(installation, FACTS)) == facts
    assert checksums(installation) == before


async def deliver_again(bootstrap: str, records: Records) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_request_size=MAX_MESSAGE_BYTES,
    )
    await producer.start()
    try:
        sent = [
            await producer.send(
                EVENTS, record.value, key=record.key, partition=record.partition, headers=[*origin(record.headers, at)]
            )
            for record in records
            for at in [f"{record.partition}:{record.offset}"]
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def origin(headers: Sequence[tuple[str, bytes]], position: str) -> Iterator[tuple[str, bytes]]:
    """The headers of a replay of the record at this position."""
    yield from (header for header in headers if header[0] != "ce_origin")
    yield "ce_origin", position.encode()
