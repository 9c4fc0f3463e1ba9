"""Publishes a policy file as an event to every partition of its domain, at start and whenever it changes.

A broken file keeps the policy that governs; the error is logged and counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog
import watchfiles
from prometheus_client import Counter

from tocsin.authentication import DEFAULT_WORKSPACE
from tocsin.events.envelope import to_headers
from tocsin.events.tickets import DOMAIN, PolicyActivated
from tocsin.events.topics import events_topic
from tocsin.ingest.publish import Publisher, Record
from tocsin.ingest.records import Request, encode, envelope, now_ms
from tocsin.policies import PolicyError, version_of
from tocsin.problems import Problem

log = structlog.get_logger(__name__)

# one line for every file that changes in the directory otherwise
logging.getLogger("watchfiles.main").setLevel(logging.WARNING)

ERRORS: Final = Counter("tocsin_policy_errors", "Policy files that could not be used", ["policy"])
_RETRY_SECONDS: Final = 2.0
# An editor's several writes are one change.
_DEBOUNCE_MS: Final = 200


class PolicyPublisher:
    """Keeps the decide stage informed of one policy file."""

    def __init__(
        self,
        publisher: Publisher,
        partitions: int,
        path: Path,
        read: Callable[[Path], dict[str, Any]],
        *,
        policy: str = DOMAIN,
        domain: str = "",
    ) -> None:
        """``policy``: its name in logs and metrics; ``domain``: whose events it goes to, the same unless given."""
        self._publisher = publisher
        self._partitions = partitions
        self._path = path.absolute()
        self._read = read
        self._policy, self._domain = policy, domain or policy
        self._published = ""
        self._seen: tuple[int, int] | None = None
        # the series exists from the start, or the first error would be no increase
        ERRORS.labels(policy)

    async def run(self) -> None:
        """Publishes the file as it is, then every change, until cancelled."""
        await self.publish()
        directory = self._path.parent
        if not directory.is_dir():
            log.error("the directory of the policy file is missing; it is not watched", directory=str(directory))
            return
        # the directory: an atomic rename or a swapped link replaces the file that a watch on it would hold
        async for _ in watchfiles.awatch(directory, debounce=_DEBOUNCE_MS, recursive=False, yield_on_timeout=True):
            await self.publish()

    async def publish(self) -> None:
        """Publishes the file if it changed since the last look; tries until the log has it."""
        signature = await asyncio.to_thread(_signature, self._path)
        if signature == self._seen:
            return
        self._seen = signature
        try:
            body = await asyncio.to_thread(self._read, self._path)
        except PolicyError as error:
            ERRORS.labels(self._policy).inc()
            log.error(
                "the policy file cannot be used; the present policy stays", policy=self._policy, reason=str(error)
            )
            return
        if version_of(body) != self._published:
            await self._publish(self.records(body, signature[0]))
            self._published = version_of(body)
            log.info("policy published", policy=self._policy, version=self._published)

    async def _publish(self, records: list[Record]) -> None:
        while True:
            try:
                await self._publisher.publish_all(records)
            except Problem:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    def event(self, version: str, body: dict[str, Any]) -> Any:
        """What tells a partition of the policy."""
        return PolicyActivated(version=version, body=body)

    def records(self, body: dict[str, Any], changed_at: int) -> list[Record]:
        """One event a partition. ``changed_at``: the file's modification time in nanoseconds.

        It is part of the id, so that going back to an earlier policy is no duplicate of the first time.
        """
        version = version_of(body)
        event = self.event(version, body)
        request = Request(DEFAULT_WORKSPACE, now_ms())
        key = f"policy/{self._policy}".encode()
        topic = events_topic(self._domain)
        records = []
        for partition in range(self._partitions):
            event_id = hashlib.sha256(f"{version}/{changed_at}/{partition}".encode()).hexdigest()[:32]
            attributes = envelope(self._domain, type(event), event_id, request, sender_given=True)
            records.append(Record(topic, partition, key, encode(event), to_headers(attributes)))
        return records


class SettingsPolicy(PolicyPublisher):
    """A policy that comes from settings: published once, at start."""

    def __init__(self, publisher: Publisher, partitions: int, policy: str, body: dict[str, Any]) -> None:
        super().__init__(publisher, partitions, Path("settings"), lambda _: body, policy=policy)
        self._body = body

    async def run(self) -> None:
        """Tries until the log has it."""
        await self._publish(self.records(self._body, 0))
        log.info("policy published", policy=self._policy, version=version_of(self._body))


def _signature(path: Path) -> tuple[int, int]:
    """Modification time in nanoseconds and inode; zeros while there is no file."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)
