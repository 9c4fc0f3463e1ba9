"""What every reader of live events must do, asked of the one in memory and of Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.integration.live_log import PARTITIONS, live_writer
from tests.live import MemoryLog
from tocsin.api.live.cursor import parse, position_of
from tocsin.api.live.entry import Entry
from tocsin.api.live.log import KafkaReader, OutOfRange, Reader
from tocsin.events.identity import partition_of

WORKSPACE = "conformance"
FAR = position_of(1_000)
HERE = partition_of(WORKSPACE.encode(), PARTITIONS)


@dataclass
class Case:
    reader: Reader
    append: Callable[[], Awaitable[int]]
    """Commits a record of one event; its position."""


@pytest.fixture
def memory() -> Case:
    log = MemoryLog(PARTITIONS)

    async def append() -> int:
        return log.append("sla.breached", WORKSPACE).position

    return Case(log.reader(), append)


@pytest.fixture
async def real(kafka: str) -> AsyncIterator[Case]:
    async with live_writer(kafka, "conformance") as writer:

        async def append() -> int:
            await writer.write(2, workspace=WORKSPACE, abort=True)
            (written,) = await writer.write(workspace=WORKSPACE)
            return parse(written).position

        reader = KafkaReader(kafka)
        yield Case(reader, append)
        await reader.stop()


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.embedded)])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(request.param)
    return found


async def read(reader: Reader, position: int, end: int) -> list[Entry]:
    """Everything from ``position`` up to ``end``."""
    reader.place({HERE: position})
    found: list[Entry] = []
    async with asyncio.timeout(10):
        while position < end:
            for fetched in (await reader.fetch()).values():
                found += fetched.entries
                position = fetched.next
    return found


async def end_behind(reader: Reader, position: int) -> int:
    """The end of the log once it lies behind: markers are written after a commit has returned."""
    async with asyncio.timeout(10):
        while (end := (await reader.bounds([HERE]))[HERE].end) <= position:  # noqa: ASYNC110 - the broker says nothing
            await asyncio.sleep(0.01)
    return end


async def _fetch_for_ever(reader: Reader) -> None:
    async with asyncio.timeout(10):
        while True:
            await reader.fetch()


async def test_a_reader_reads_what_was_committed_from_where_it_is_placed(case: Case) -> None:
    reader = case.reader
    await reader.start()
    before = (await reader.bounds([HERE]))[HERE].end
    positions = [await case.append() for _ in range(4)]
    end = await end_behind(reader, positions[-1])
    found = await read(reader, before, end)
    assert [entry.position for entry in found] == positions
    assert {(entry.workspace, entry.type) for entry in found} == {(WORKSPACE, "sla.breached")}
    assert [entry.position for entry in await read(reader, positions[2], end)] == positions[2:]
    assert [entry.position for entry in await read(reader, positions[1] + 1, end)] == positions[2:]


async def test_a_reader_waits_for_what_comes_next(case: Case) -> None:
    reader = case.reader
    await reader.start()
    end = (await reader.bounds([HERE]))[HERE].end
    reader.place({HERE: end})
    assert await reader.fetch() == {}
    position = await case.append()
    found: list[Entry] = []
    async with asyncio.timeout(10):
        while not found:
            found += [one for fetched in (await reader.fetch()).values() for one in fetched.entries]
    assert [one.position for one in found] == [position]


async def test_a_position_outside_the_log_is_said(case: Case) -> None:
    reader = case.reader
    await reader.start()
    end = (await reader.bounds([HERE]))[HERE].end
    reader.place({HERE: end + FAR})
    with pytest.raises(OutOfRange) as said:
        await _fetch_for_ever(reader)
    assert said.value.positions == {HERE: end + FAR}
    position = await case.append()
    assert [one.position for one in await read(reader, end, await end_behind(reader, position))] == [position]
