"""How an installation is doing: what answers, and how far each stage is behind, in records and in seconds."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import asyncpg
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from tocsin.broker import Lag, administration, committed_positions, lags
from tocsin.dead_letters import read as read_dead_letters
from tocsin.embedded.readiness import is_ready
from tocsin.errors import StartError
from tocsin.events.topics import DOMAINS, PAYLOADS, events_topic, facts_topic
from tocsin.settings import Settings

Positions = dict[tuple[str, int], int]

# of several projections of one topic, the one that is furthest behind
_OFFSETS: Final = "SELECT topic, partition, min(next_offset) FROM read_model.projection_offsets GROUP BY 1, 2"

# which stage reads a topic, and for which domain
_STAGES: Final = {
    **{events_topic(domain): ("decide", domain) for domain in DOMAINS},
    **{facts_topic(domain): ("project", domain) for domain in DOMAINS},
    PAYLOADS: ("project", "payloads"),
}


@dataclass(frozen=True, slots=True)
class StageLag:
    """What one stage has not done yet in one partition. ``seconds``: age of the oldest such record."""

    stage: str
    domain: str
    partition: int
    records: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Owner:
    """A stream worker of a consumer group, and the partitions it owns by domain; one without any stands by."""

    group: str
    worker: str
    host: str
    owns: dict[str, list[int]]


@dataclass(slots=True)
class Status:
    """``problems``: what does not answer, in sentences; empty when all is well."""

    problems: list[str] = field(default_factory=list)
    lag: list[StageLag] = field(default_factory=list)
    owners: list[Owner] = field(default_factory=list)
    dead_letters: int = 0

    @property
    def healthy(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        return {"healthy": self.healthy, **asdict(self)}


async def collect(settings: Settings) -> Status:
    """Asks everything once. Raises NotRunning when no address is known."""
    found = Status()
    kafka, database = settings.kafka, settings.database
    if not await asyncio.to_thread(is_ready, settings.reachable_host, settings.api_port):
        found.problems.append(f"The HTTP role is not ready at {settings.reachable_host}:{settings.api_port}.")
    try:
        projected = await _projected(database)
    except (OSError, asyncpg.PostgresError) as error:
        found.problems.append(f"PostgreSQL has no positions: {str(error).splitlines()[0]}.")
        projected = {}
    try:
        found.owners = await _owners(kafka, settings.installation)
        positions = {**_beginnings(settings.partitions), **await _decided(kafka, settings.installation), **projected}
        found.lag = [_of_stage(lag) for lag in await lags(kafka, positions)]
        found.dead_letters = len([letter async for letter in read_dead_letters(kafka) if not letter.replayed])
    except StartError as error:
        found.problems.append(str(error))
    return found


def _beginnings(partitions: int) -> Positions:
    """Where a stage starts that never came this far."""
    return {(topic, number): 0 for topic in _STAGES for number in range(partitions)}


async def _decided(kafka: str, installation: str) -> Positions:
    """What the workers committed to their groups, which are named after their domains."""
    async with administration(kafka) as admin:
        groups = await _groups(admin, installation)
    wanted = {events_topic(domain) for domain in DOMAINS}
    furthest: Positions = {}
    for group in groups:
        for key, offset in (await committed_positions(kafka, group)).items():
            if key[0] in wanted:
                furthest[key] = max(offset, furthest.get(key, 0))
    return furthest


async def _groups(admin: Any, installation: str) -> list[str]:
    return sorted(name for name, *_ in await admin.list_consumer_groups() if name.startswith(f"{installation}.stream."))


async def _owners(kafka: str, installation: str) -> list[Owner]:
    """Membership of a group is ownership: who is assigned a partition decides it and fires its timers."""
    found = []
    async with administration(kafka) as admin:
        groups = await _groups(admin, installation)
        for answer in await admin.describe_consumer_groups(groups) if groups else ():
            for _, group, _, _, _, members, *_ in answer.groups:
                found += [_owner(group, *member) for member in members]
    return sorted(found, key=lambda owner: (owner.group, owner.worker))


def _owner(group: str, worker: str, _client: str, host: str, _metadata: bytes, assigned: bytes, *_: object) -> Owner:
    owns: dict[str, list[int]] = {}
    domains = {events_topic(domain): domain for domain in DOMAINS}
    for topic, partitions in ConsumerProtocolMemberAssignment.decode(assigned).assignment if assigned else ():
        if topic in domains:
            owns[domains[topic]] = sorted(partitions)
    return Owner(group, worker, host.removeprefix("/"), owns)


async def _projected(database: str) -> Positions:
    connection = await asyncpg.connect(database, timeout=5)
    try:
        return {
            (topic, partition): offset
            for topic, partition, offset in await connection.fetch(_OFFSETS)
            if topic in _STAGES
        }
    finally:
        await connection.close()


def _of_stage(lag: Lag) -> StageLag:
    stage, domain = _STAGES[lag.topic]
    return StageLag(stage, domain, lag.partition, lag.records, lag.seconds)
