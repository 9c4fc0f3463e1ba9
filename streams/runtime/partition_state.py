"""What one partition knows: its entities, how far it has read, its logical time, its policy, the ids it has seen."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from tocsin.streams.domain.decision import Domain
from tocsin.streams.runtime.due_index import DueIndex
from tocsin.streams.runtime.id_ring import KEY_PREFIX, IdRing

PROGRESS: Final = b"\0progress"
POLICY: Final = b"\0policy"
_LOOKED_AT_ONCE: Final = 32  # entities between two looks at the clock


class Progress(msgspec.Struct, frozen=True):
    """position: the next offset of the events topic to apply; now: logical time in Unix ms."""

    position: int = 0
    now: int = 0


class ActivePolicy(msgspec.Struct, frozen=True):
    """version "" is the packaged default, which governs until a policy was activated."""

    version: str = ""
    body: dict[str, Any] = {}


class PartitionState:
    """Entities stay encoded and are decoded when touched: a million of them cost their bytes, not their objects.

    It changes only through ``accept``, after the transaction that wrote the same changes was committed.
    """

    def __init__(self, domain: Domain[Any, Any], ring: IdRing) -> None:
        self.domain, self.ring = domain, ring
        self.entities: dict[bytes, bytes] = {}
        self.progress = Progress()
        self.active_policy = ActivePolicy()
        self.policy = domain.policy({})
        self.due = DueIndex()
        self._unlooked: Iterator[bytes] = iter(())
        self._decoder = msgspec.json.Decoder(domain.state_type)

    @classmethod
    def load(cls, domain: Domain[Any, Any], ring: IdRing, snapshot: Mapping[bytes, bytes]) -> PartitionState:
        """From the newest value of every key of the state topic.

        Raises msgspec.ValidationError when a record cannot be read: a newer version wrote it, so this one must stop.
        """
        state = cls(domain, ring)
        if PROGRESS in snapshot:
            state.progress = msgspec.json.decode(snapshot[PROGRESS], type=Progress)
        if POLICY in snapshot:
            state.activate(msgspec.json.decode(snapshot[POLICY], type=ActivePolicy))
        ring.load((value for key, value in snapshot.items() if key.startswith(KEY_PREFIX)), state.progress.now)
        state.entities = {key: value for key, value in snapshot.items() if not key.startswith(b"\0")}
        state.look_again()
        state.look_on()
        return state

    def get(self, key: bytes) -> Any | None:
        encoded = self.entities.get(key)
        return None if encoded is None else self._decoder.decode(encoded)

    def activate(self, policy: ActivePolicy) -> None:
        self.active_policy, self.policy = policy, self.domain.policy(policy.body)

    def look_again(self) -> None:
        """Begins to compute every due time anew: another policy governs, or a timer may have been lost."""
        self._unlooked = iter(list(self.entities))

    def look_on(self, seconds: float = math.inf) -> bool:
        """Goes on with it for about so long. Returns whether something is left."""
        decode, next_due, policy = self._decoder.decode, self.domain.next_due, self.policy
        until = time.perf_counter() + seconds
        for count, key in enumerate(self._unlooked, start=1):
            if (encoded := self.entities.get(key)) is not None:
                self.due.set(key, next_due(decode(encoded), policy))
            if count % _LOOKED_AT_ONCE == 0 and time.perf_counter() >= until:
                return True
        return False

    def accept(
        self,
        changed: Mapping[bytes, tuple[Any, bytes | None]],
        progress: Progress,
        new_ids: list[bytes],
        policy: ActivePolicy | None,
    ) -> None:
        """Takes over what was just committed. ``changed``: by key, the state decoded and encoded, or None twice."""
        for key, (_, encoded) in changed.items():
            if encoded is None:
                self.entities.pop(key, None)
            else:
                self.entities[key] = encoded
        self.progress = progress
        if new_ids:
            self.ring.add(progress.now, new_ids)
        if policy is not None:
            self.activate(policy)
            self.look_again()
        next_due, governing = self.domain.next_due, self.policy
        for key, (state, _) in changed.items():
            self.due.set(key, None if state is None else next_due(state, governing))
