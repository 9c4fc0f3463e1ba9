"""Stage 1 on its twins in memory: a log, a table of outcomes, keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from tocsin.authentication import Authenticator, MemoryKeys
from tocsin.encryption import Cipher
from tocsin.events.commands import Fact
from tocsin.events.envelope import from_headers
from tocsin.events.topics import PAYLOADS
from tocsin.http import compose
from tocsin.ingest.gateway import Gateway
from tocsin.ingest.publish import MemoryPublisher, Record
from tocsin.ingest.waiting import Outcomes
from tocsin.ingest.webhook_sources import NO_SOURCES, Sources
from tocsin.keys import DEFAULT_SCOPES, ApiKey, Scope, digest_of, mint, prefix_of
from tocsin.outcomes import Outcome

PEPPER = "pepper"


class Stage:
    """``http``: a client in front of the stage. ``decide`` plays the stages behind it for every published command:
    ``fact`` is the decision on all of them, unless ``decisions`` tells one for each."""

    def __init__(
        self,
        wait_seconds: float = 5.0,
        sources: Sources = NO_SOURCES,
        cipher: Cipher | None = None,
        **more: Any,
    ) -> None:
        """``more``: as the gateway has it."""
        self.publisher = _Answering(self)
        self.keys = MemoryKeys()
        self.rows: dict[tuple[str, str], Outcome] = {}
        self.available = True
        self.fact: Fact | None = None
        self.decisions: Callable[[Record], Fact | None] | None = None
        self.document: bytes | None = None
        self.authenticator = Authenticator(self.keys, PEPPER, unversioned_open=True, bound_to_loopback=True)
        self.outcomes = Outcomes(self._find, self._find_all, poll_seconds=60)
        self.gateway = Gateway(
            self.publisher,
            self.outcomes,
            self.authenticator,
            4,
            wait_seconds,
            sources=sources,
            cipher=cipher or Cipher(""),
            **more,
        )
        self.application, self.app = compose(self.gateway, None, self.authenticator)

    async def __aenter__(self) -> Self:
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.application, client=("127.0.0.1", 1)), base_url="http://test"
        )
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def key(self, *scopes: Scope, workspace: str = "default", name: str = "ci") -> str:
        key = mint()
        prefix = prefix_of(key)
        assert prefix is not None
        self.keys.keys[prefix] = ApiKey(
            prefix, workspace, name, scopes or DEFAULT_SCOPES, digest_of(key, PEPPER), datetime.now(UTC)
        )
        return key

    async def _find(self, workspace: str, event_id: str) -> Outcome | None:
        if not self.available:
            raise OSError("the database is away")
        return self.rows.get((workspace, event_id))

    async def _find_all(self, workspace: str, event_ids: Sequence[str]) -> dict[str, Outcome]:
        found = {event_id: await self._find(workspace, event_id) for event_id in event_ids}
        return {event_id: outcome for event_id, outcome in found.items() if outcome is not None}

    def decide(self, record: Record) -> None:
        """Writes the outcome of a command, once per event id, and notifies."""
        fact = self.fact if self.decisions is None else self.decisions(record)
        if fact is None or record.topic == PAYLOADS:
            return
        envelope = from_headers(record.headers)
        row = Outcome(
            envelope.workspace,
            envelope.id,
            f"tocsin.tickets.{type(fact).__name__}.v1",
            "t_x-1",
            envelope.request_digest,
            msgspec.json.encode(fact),
            self.document,
            datetime.now(UTC),
        )
        self.rows.setdefault((envelope.workspace, envelope.id), row)
        self.outcomes.notified(f"other/x {envelope.workspace}/{envelope.id}")


class _Answering(MemoryPublisher):
    def __init__(self, stage: Any) -> None:
        super().__init__()
        self._stage = stage

    async def publish_all(self, records: Sequence[Record]) -> None:
        await super().publish_all(records)
        for record in records:
            self._stage.decide(record)
